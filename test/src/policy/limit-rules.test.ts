import { describe, expect, test } from 'vitest';
import { limitRules } from '../../../src/policy/limit-rules.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';

describe('limits in a policy', () => {
  test('a word is an algorithm, and nothing is no limit', () => {
    expect(limitRules('aimd')).toEqual({ algorithm: 'aimd', initial: 20, min: 1, max: 200 });
    expect(limitRules(undefined)).toBeUndefined();
    expect(new PolicyTable(parsePolicy({ defaults: { limit: 'vegas' } })).method('/a.B/C').limit).toMatchObject({ algorithm: 'vegas' });
  });

  test('a method has the limit of the nearest layer, whole; the server has its own', () => {
    const table = new PolicyTable(
      parsePolicy({
        defaults: { limit: { max: 50 } },
        methods: { 'a.B/C': { limit: { queue: 5, queueTimeout: '0.5s' } } },
        server: { trustTraits: true, limit: { min: 10 }, bulkhead: { slots: 10, by: 'tenant', partitions: { acme: 0.5 } } },
      }),
    );
    expect(table.method('/a.B/C').limit).toEqual({ algorithm: 'gradient', initial: 20, min: 1, max: 200, queue: 5, queueTimeoutMs: 500 });
    expect(table.method('/a.B/D').limit?.max).toBe(50);
    expect(table.server.limit?.min).toBe(10);
    expect(table.server.bulkhead).toEqual({ slots: 10, queue: 0, by: 'tenant', partitions: { acme: 0.5 } });
  });

  test.each([
    [
      { defaults: { bulkhead: { slots: 1, partitions: { a: 0.5 } } } },
      'policy.defaults.bulkhead.by: is missing; expected "tenant", "priority" or "method", for there are partitions',
    ],
    [
      { methods: { 'a.B/C': { bulkhead: { slots: 1, by: 'tenant', partitions: { a: 0.7, b: 0.7 } } } } },
      'policy.methods["a.B/C"].bulkhead.partitions: expected shares of at most 1 in all, got 1.4',
    ],
    [
      { defaults: { bulkhead: { slots: 1, by: 'method', partitions: { 'a.B/C': 0.5 } } } },
      'policy.defaults.bulkhead.by: expected "tenant" or "priority", got "method", for all calls in here are of one method',
    ],
    [
      { server: { bulkhead: { slots: 1, by: 'method', partitions: { '/a.B/C': 0.5 } } } },
      'policy.server.bulkhead.partitions["/a.B/C"]: expected a method such as "pkg.Service/Method", got "/a.B/C"; did you mean "a.B/C"?',
    ],
    [
      { server: { bulkhead: { slots: 1, by: 'tenant' } } },
      'policy.server.bulkhead.by: expected server.trustTraits: true beside "tenant", for else every call is for nobody',
    ],
    [{ defaults: { limit: { min: 10, max: 5 } } }, 'policy.defaults.limit.max: expected a whole number >= 10 and <= 100000, got 5'],
    [{ defaults: { limit: { initial: 500 } } }, 'policy.defaults.limit.initial: expected a whole number >= 1 and <= 200, got 500'],
    [
      { server: { trustTraits: true, limit: { by: 'priority', partitions: { crtical: 0.5 } } } },
      'policy.server.limit.partitions: unknown priority "crtical"; did you mean "critical"?',
    ],
    [
      { server: { trustTraits: true, limit: { by: 'tenant' } } },
      'policy.server.limit.partitions: is missing; expected shares, for by is "tenant"',
    ],
    [
      { defaults: { limit: 'grdient' } },
      'policy.defaults.limit: expected "gradient", "gradient2", "vegas" or "aimd", got "grdient"; did you mean "gradient"?',
    ],
    [
      { defaults: { bulkhead: { slots: 1, by: 'tenant', partitions: { a: 1.5 } } } },
      'policy.defaults.bulkhead.partitions.a: expected a number > 0 and <= 1, got 1.5',
    ],
  ])('refuses %j', (policy, message) => {
    expect(() => parsePolicy(policy)).toThrow(message);
  });
});
