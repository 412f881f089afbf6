import { describe, expect, test } from 'vitest';
import { resolveBreakerOptions } from '../../../src/breaker/options.ts';
import { ConfigError } from '../../../src/errors.ts';
import { type OutlierOptions, resolveOutlierOptions } from '../../../src/outlier/options.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';

const tableOf = (policy: Policy): PolicyTable => new PolicyTable(parsePolicy(policy));

describe('outlier detection of a policy', () => {
  test('is a breaker for each endpoint by default, and nothing of A50', () => {
    expect(tableOf({}).balance.outlierDetection).toEqual(resolveOutlierOptions(undefined, 'outlierDetection'));
    expect(tableOf({}).balance.outlierDetection).toMatchObject({
      consecutiveFailures: 5,
      panicThreshold: 0.5,
      successRateEjection: undefined,
      failurePercentageEjection: undefined,
    });
  });

  test('takes a configuration of gRFC A50 as it stands there, with its defaults', () => {
    const a50 = {
      interval: '5s',
      baseEjectionTime: '400s',
      maxEjectionTime: '300s',
      maxEjectionPercent: 50,
      successRateEjection: { stdevFactor: 1500 },
      failurePercentageEjection: {},
    } as const;
    expect(tableOf({ outlierDetection: a50 }).balance.outlierDetection).toEqual({
      intervalMs: 5_000,
      baseEjectionMs: 400_000,
      maxEjectionMs: 400_000,
      maxEjectionPercent: 50,
      successRateEjection: { stdevFactor: 1500, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 100 },
      failurePercentageEjection: { threshold: 85, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 50 },
      minimumGap: 0.05,
      panicThreshold: 0.5,
      consecutiveFailures: 5,
    });
  });

  test.each<[unknown, string]>([
    [
      { outlierDetection: { maxEjectionPercent: 101 } },
      'policy.outlierDetection.maxEjectionPercent: expected an integer from 0 to 100, got 101',
    ],
    [{ outlierDetection: { interval: 10_000 } }, 'did you mean "10s"?'],
    [{ outlierDetection: { interval: { seconds: 10, nanos: 0 } } }, 'policy.outlierDetection.interval: expected a duration such as "0.5s"'],
    [{ outlierDetection: { childPolicy: [] } }, 'policy.outlierDetection: unknown key "childPolicy"'],
    [{ outlierDetection: { panicThreshold: 50 } }, 'policy.outlierDetection.panicThreshold: expected a number from 0 to 1, got 50'],
  ])('%j is refused, with what is wrong', (policy, problem) => {
    expect(() => parsePolicy(policy)).toThrow(ConfigError);
    expect(() => parsePolicy(policy)).toThrow(problem);
  });
});

describe('the breaker of a policy', () => {
  const table = tableOf({
    defaults: { breaker: {} },
    methods: {
      'a.B/C': { breaker: { failureRatio: 0.5, window: '20s', minimumCalls: 9, openTime: '2s', maxOpenTime: '9s', halfOpenProbes: 3 } },
    },
  });

  test('is none unless asked for', () => {
    expect(tableOf({}).method('/a.B/C').breaker).toBeUndefined();
  });

  test('is taken whole from the nearest layer, in milliseconds', () => {
    expect(table.method('/a.B/D').breaker).toEqual(resolveBreakerOptions(undefined, 'breaker'));
    expect(table.method('/a.B/C').breaker).toEqual({
      consecutiveFailures: Number.POSITIVE_INFINITY,
      failureRatio: 0.5,
      windowMs: 20_000,
      minimumCalls: 9,
      openMs: 2_000,
      maxOpenMs: 9_000,
      halfOpenProbes: 3,
    });
  });
});

describe('options of outlier detection', () => {
  test.each<[OutlierOptions, string]>([
    [{ intervalMs: 0 }, 'outlierDetection.intervalMs: expected milliseconds as a number > 0, got 0'],
    [{ consecutiveFailures: -1 }, 'outlierDetection.consecutiveFailures: expected a whole number >= 0, got -1'],
    [{ successRateEjection: { stdevFactor: -1 } }, 'outlierDetection.successRateEjection.stdevFactor: expected a number >= 0, got -1'],
    [{ failurePercentageEjection: { treshold: 1 } as object }, 'did you mean threshold?'],
  ])('%j is refused, with what is wrong', (options, problem) => {
    expect(() => resolveOutlierOptions(options, 'outlierDetection')).toThrow(ConfigError);
    expect(() => resolveOutlierOptions(options, 'outlierDetection')).toThrow(problem);
  });
});
