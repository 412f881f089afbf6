import { describe, expect, test } from 'vitest';
import { hedgeInterceptor } from '../../../interceptors/standalone/hedge.ts';
import { Code } from '../../../src/call.ts';
import { createMesh } from '../../../src/mesh.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';
import { library } from '../../support/native.ts';

const rulesOf = (policy: Policy, path = '/a.B/C') => new PolicyTable(parsePolicy(policy)).method(path);

describe('policy: hedging', () => {
  test('is off unless asked for', () => {
    expect(rulesOf({ defaults: { idempotent: true } }).hedge).toBeUndefined();
  });

  test('has two attempts, a learned delay at p98, and goes on after UNAVAILABLE', () => {
    expect(rulesOf({ defaults: { hedgingPolicy: {} } }).hedge).toEqual({
      maxAttempts: 2,
      percentile: 0.98,
      nonFatalCodes: new Set([Code.UNAVAILABLE]),
    });
  });

  test('H11: ten attempts count as five', () => {
    expect(rulesOf({ defaults: { hedgingPolicy: { maxAttempts: 10 } } }).hedge?.maxAttempts).toBe(5);
  });

  test('H2: a delay of 0 is not the same as none', () => {
    expect(rulesOf({ defaults: { hedgingPolicy: { hedgingDelay: '0s' } } }).hedge?.delayMs).toBe(0);
    expect(rulesOf({ defaults: { hedgingPolicy: {} } }).hedge).not.toHaveProperty('delayMs');
  });

  test('is taken whole from the most special layer that has one', () => {
    const policy: Policy = {
      defaults: { hedgingPolicy: { maxAttempts: 4 } },
      services: { 'a.B': { hedgingPolicy: { hedgingDelay: '0.1s', nonFatalStatusCodes: [] } } },
    };
    expect(rulesOf(policy).hedge).toEqual({ maxAttempts: 2, delayMs: 100, percentile: 0.98, nonFatalCodes: new Set() });
    expect(rulesOf(policy, '/x.Y/Z').hedge?.maxAttempts).toBe(4);
  });

  test.each([
    [{ maxAttempts: 1 }, 'policy.defaults.hedgingPolicy.maxAttempts: expected an integer >= 2, got 1'],
    [
      { hedgingDelay: '20ms' },
      'policy.defaults.hedgingPolicy.hedgingDelay: expected a duration such as "0.5s", got "20ms"; did you mean "0.02s"?',
    ],
    [{ percentile: 95 }, 'policy.defaults.hedgingPolicy.percentile: expected a number > 0 and <= 1, got 95'],
    [{ percentile: 0 }, 'policy.defaults.hedgingPolicy.percentile: expected a number > 0 and <= 1, got 0'],
    [{ delay: '1s' }, 'policy.defaults.hedgingPolicy: unknown key "delay"'],
  ])('refuses %j', (hedgingPolicy, message) => {
    expect(() => parsePolicy({ defaults: { hedgingPolicy } })).toThrow(message);
  });

  test.each<[string, Policy]>([
    ['defaults', { defaults: { retryPolicy: {}, hedgingPolicy: {} } }],
    ['services["a.B"]', { services: { 'a.B': { retryPolicy: { maxAttempts: 2 }, hedgingPolicy: {} } } }],
    ['methods["a.B/C"]', { methods: { 'a.B/C': { retryPolicy: {}, hedgingPolicy: {}, idempotent: true } } }],
  ])('R39: retry and hedging of one layer are refused (%s)', (place, policy) => {
    expect(() => parsePolicy(policy)).toThrow(
      `policy.${place}.hedgingPolicy: expected no retryPolicy beside it: gRPC A6 allows one of them, and hedging sends failed calls again too`,
    );
  });

  test('R39: of different layers they are not', () => {
    const policy: Policy = { defaults: { idempotent: true, retryPolicy: { maxAttempts: 5 } }, services: { 'a.B': { hedgingPolicy: {} } } };
    expect(rulesOf(policy)).toMatchObject({ hedge: { maxAttempts: 2 }, retry: { maxAttempts: 5 } });
  });
});

describe('policy: hedging of what is not marked', () => {
  const why = 'expected only for methods that are marked, for a hedged call may run more than once. If that does no harm, say it: ';
  test.each<[Policy, string]>([
    [
      { methods: { 'a.B/C': { hedgingPolicy: {} } } },
      `policy.methods["a.B/C"].hedgingPolicy: ${why}methods: { "a.B/C": { idempotent: true } }`,
    ],
    [
      { services: { 'a.B': { idempotent: true } }, methods: { 'a.B/C': { idempotent: false, hedgingPolicy: {} } } },
      `policy.methods["a.B/C"].hedgingPolicy: ${why}`,
    ],
    [
      { services: { 'a.B': { hedgingPolicy: {} } } },
      `policy.services["a.B"].hedgingPolicy: ${why}services: { "a.B": { idempotent: true } }`,
    ],
    [
      { services: { 'a.B': { hedgingPolicy: {} } }, methods: { 'a.X/C': { idempotent: true } } },
      `policy.services["a.B"].hedgingPolicy: ${why}`,
    ],
    [
      { defaults: { idempotent: true }, services: { 'a.B': { hedgingPolicy: {}, idempotent: false } } },
      `policy.services["a.B"].hedgingPolicy: ${why}`,
    ],
    [{ defaults: { hedgingPolicy: {} } }, `policy.defaults.hedgingPolicy: ${why}defaults: { idempotent: true }`],
  ])('H19: %j is an error that says what to write', (policy, message) => {
    expect(() => createMesh(policy)).toThrow(message);
  });

  test.each<Policy>([
    { methods: { 'a.B/C': { hedgingPolicy: {}, idempotent: true } } },
    { services: { 'a.B': { idempotent: true } }, methods: { 'a.B/C': { hedgingPolicy: {} } } },
    { defaults: { idempotent: true }, methods: { 'a.B/C': { hedgingPolicy: {} } } },
    { defaults: { idempotent: true }, services: { 'a.B': { hedgingPolicy: {} } } },
    { services: { 'a.B': { hedgingPolicy: {} } }, methods: { 'a.B/C': { idempotent: true } } },
    { defaults: { hedgingPolicy: {} }, services: { 'a.B': { idempotent: true } } },
    { defaults: { hedgingPolicy: {}, idempotent: true }, services: { 'a.B': { idempotent: false } } },
  ])('H19: %j says enough', async (policy) => {
    await createMesh(policy).close();
  });

  test('H19: the mark of the .proto file is one', async () => {
    const marked: Policy = { methods: { 'library.v1.Library/GetBook': { hedgingPolicy: {} } } };
    expect(() => createMesh(marked)).toThrow('hedgingPolicy');
    await createMesh(marked, { descriptors: library }).close();
    await createMesh({ defaults: { hedgingPolicy: {} } }, { descriptors: library }).close();
  });
});

describe('hedgeInterceptor', () => {
  test.each<[unknown, string]>([
    [{}, 'hedge.methods: expected a list of paths, got nothing'],
    [{ methods: [] }, 'hedge.methods: is empty; name a method that may run more than once without harm'],
    [{ methods: ['a.B/C'] }, 'hedge.methods[0]: expected a path like "/pkg.Service/Method", got "a.B/C"; did you mean "/a.B/C"?'],
    [{ methods: ['/a.B/C'], maxAttempts: 1 }, 'hedge.maxAttempts: expected a whole number >= 2, got 1'],
    [{ methods: ['/a.B/C'], budget: { ratio: -1 } }, 'hedge.budget.ratio: expected a number >= 0'],
    [{ methods: ['/a.B/C'], delay: 1 }, 'hedge.delay: unknown option; did you mean delayMs?'],
  ])('H19: refuses %j', (options, message) => {
    expect(() => hedgeInterceptor(options as Parameters<typeof hedgeInterceptor>[0])).toThrow(message);
  });
});
