import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { fallbackPlans } from '../../../src/fallback/policy.ts';
import { createMesh } from '../../../src/mesh.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';

describe('fallbackPlans', () => {
  test('a function alone has the default codes and a second', () => {
    const answer = (): undefined => undefined;
    expect(fallbackPlans({}, { 'a.B/C': answer }).get('/a.B/C')).toEqual({
      codes: new Set([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED]),
      method: undefined,
      answer,
      timeoutMs: 1000,
    });
  });

  test('policy says when, the function what', () => {
    const policy = parsePolicy({ methods: { 'a.B/C': { fallback: { onStatus: ['not_found', 14], timeout: '0.5s' } } } });
    const answer = (): undefined => undefined;
    const plans = fallbackPlans(policy, { 'a.B/C': answer });
    expect(plans.get('/a.B/C')).toMatchObject({ codes: new Set([Code.NOT_FOUND, Code.UNAVAILABLE]), answer, timeoutMs: 500 });
    expect(plans.size).toBe(1);
  });

  test('policy names the other method', () => {
    const policy = parsePolicy({ methods: { 'a.B/C': { fallback: { method: 'a.B/D' } } } });
    expect(fallbackPlans(policy).get('/a.B/C')).toMatchObject({ method: '/a.B/D', answer: undefined });
  });

  test.for([
    [{ defaults: { fallback: { method: 'a.B/D' } } }, {}, 'policy.defaults.fallback: a fallback is one method'],
    [{ services: { 'a.B': { fallback: {} } } }, {}, 'it belongs under methods["pkg.Service/Method"]'],
    [
      { methods: { 'a.B/C': { fallback: {} } } },
      {},
      'policy.methods["a.B/C"].fallback: names no method, and createMesh was given no function',
    ],
    [{ methods: { 'a.B/C': { fallback: { method: 'a.B/C' } } } }, {}, 'a.B/C cannot stand in for itself'],
    [
      { methods: { 'a.B/C': { fallback: { method: 'a.B/D' } } } },
      { 'a.B/C': () => 1 },
      'expected a method or a function that answers, got both',
    ],
    [{}, { '/a.B/C': () => 1 }, 'did you mean "a.B/C"?'],
    [{}, { 'a.B/C': 1 }, 'fallbacks["a.B/C"].answer: expected a function, got 1'],
    [{ methods: { 'a.B/C': { fallback: { method: 'a.B/D', onStatus: ['OK'] } } } }, {}, 'OK is no failure'],
  ] as const)('%j is refused', ([policy, fallbacks, problem]) => {
    expect(() => createMesh(policy as never, { fallbacks: fallbacks as never })).toThrow(problem);
  });
});
