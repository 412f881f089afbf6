import { describe, expect, test } from 'vitest';
import { resolveEndpointOptions } from '../../../src/endpoints/options.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';

const DEFAULTS = { refreshMs: 1_500, connectTimeoutMs: 5_000, holdMs: 10_000, rebuild: true };

describe('options of the endpoints', () => {
  test('have defaults', () => {
    expect(resolveEndpointOptions(undefined, 'endpoints')).toEqual(DEFAULTS);
    expect(new PolicyTable(parsePolicy({})).endpoints).toEqual(DEFAULTS);
  });

  test('come from the policy', () => {
    const policy = parsePolicy({ endpoints: { refresh: '0s', connectTimeout: '0.5s', hold: '0s', rebuild: false } });
    expect(new PolicyTable(policy).endpoints).toEqual({ refreshMs: 0, connectTimeoutMs: 500, holdMs: 0, rebuild: false });
  });

  test.each([
    [{ refreshMs: -1 }, 'endpoints.refreshMs'],
    [{ refreshMs: '1.5s' }, 'did you mean 1500?'],
    [{ connectTimeoutMs: 0 }, 'endpoints.connectTimeoutMs: expected milliseconds as a number > 0, got 0'],
    [{ holdMs: Number.NaN }, 'endpoints.holdMs'],
    [{ rebuild: 'no' }, 'endpoints.rebuild: expected true or false'],
    [{ refresh: 1 }, 'did you mean refreshMs?'],
  ])('%j are refused', (options, said) => {
    expect(() => resolveEndpointOptions(options, 'endpoints')).toThrow(said);
  });

  test.each([{ endpoints: { connectTimeout: '0s' } }, { endpoints: { refresh: '-1s' } }])('a policy with %j is refused', (policy) => {
    expect(() => parsePolicy(JSON.parse(JSON.stringify(policy)))).toThrow('policy.endpoints');
  });
});
