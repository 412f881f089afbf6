import { describe, expect, test } from 'vitest';
import { importServiceConfig } from '../../../src/policy/service-config.ts';

const RETRY = { maxAttempts: 4, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 2, retryableStatusCodes: ['UNAVAILABLE', 14] };
const TAKEN = 'taken over; a call that may have been processed is re-sent only if its method is marked idempotent: true in the policy';

describe('importServiceConfig', () => {
  test('takes over timeout and retryPolicy of methods, services and the default', () => {
    const { policy, diagnostics, rest } = importServiceConfig({
      loadBalancingConfig: [{ round_robin: {} }],
      methodConfig: [
        { name: [{}], timeout: '9s' },
        { name: [{ service: 'a.B' }, { service: 'a.X', method: '' }], timeout: { seconds: 1, nanos: 500_000_000 }, retryPolicy: RETRY },
        { name: [{ service: 'a.B', method: 'C' }], timeout: '0.5s', retryPolicy: { ...RETRY, maxAttempts: 2 } },
      ],
    });
    const retryPolicy = { ...RETRY, retryableStatusCodes: ['UNAVAILABLE', 'UNAVAILABLE'] };
    expect(policy).toEqual({
      defaults: { timeout: '9s' },
      services: { 'a.B': { timeout: '1.5s', retryPolicy }, 'a.X': { timeout: '1.5s', retryPolicy } },
      methods: { 'a.B/C': { timeout: '0.5s', retryPolicy: { ...retryPolicy, maxAttempts: 2 } } },
    });
    expect(diagnostics).toEqual([
      `serviceConfig.methodConfig[1].retryPolicy: ${TAKEN}`,
      `serviceConfig.methodConfig[2].retryPolicy: ${TAKEN}`,
    ]);
    expect(rest).toEqual({ loadBalancingConfig: [{ round_robin: {} }] });
  });

  test('reads the JSON text of the channel option', () => {
    expect(importServiceConfig('{"methodConfig":[{"name":[{"service":"a.B"}],"timeout":"2s"}]}').policy.services).toEqual({
      'a.B': { timeout: '2s' },
    });
  });

  test.each([
    ['no JSON', '{', 'serviceConfig: not JSON'],
    ['a list', [], 'serviceConfig: expected an object, got an empty list'],
    ['methodConfig that is no list', { methodConfig: {} }, 'serviceConfig.methodConfig: expected a list, got an object'],
    ['an entry that is no object', { methodConfig: [1] }, 'serviceConfig.methodConfig[0]: expected an object, got 1'],
    ['an entry without names', { methodConfig: [{}] }, 'serviceConfig.methodConfig[0].name: expected a list of names, got nothing'],
    [
      'a method without service',
      { methodConfig: [{ name: [{ method: 'C' }] }] },
      'serviceConfig.methodConfig[0].name[0]: a method without a service, "C"',
    ],
    [
      'a name twice',
      { methodConfig: [{ name: [{ service: 'a.B' }, { service: 'a.B' }] }] },
      'serviceConfig.methodConfig[0].name[1]: "a.B" is configured twice; the first holds',
    ],
    [
      'the default twice',
      { methodConfig: [{ name: [{}, {}] }] },
      'serviceConfig.methodConfig[0].name[1]: the default is configured twice; the first holds',
    ],
    [
      '__proto__ as service',
      { methodConfig: [{ name: [{ service: '__proto__' }] }] },
      'serviceConfig.methodConfig[0].name[0]: this key is reserved by JavaScript',
    ],
    [
      'a bad timeout',
      { methodConfig: [{ name: [{}], timeout: '5m' }] },
      'serviceConfig.methodConfig[0].timeout: expected a duration such as "0.5s", got "5m"; did you mean "300s"?; not taken over',
    ],
    [
      'a bad retryPolicy',
      { methodConfig: [{ name: [{}], retryPolicy: { ...RETRY, maxAttempts: 'x' } }] },
      'serviceConfig.methodConfig[0].retryPolicy.maxAttempts: expected an integer >= 1, got "x"; the retryPolicy is not taken over',
    ],
    [
      'waitForReady',
      { methodConfig: [{ name: [{}], waitForReady: true }] },
      'serviceConfig.methodConfig[0].waitForReady: is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`',
    ],
    [
      'hedging',
      { methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: 2 } }] },
      'serviceConfig.methodConfig[0].hedgingPolicy: taken over; only calls of methods marked idempotent: true in the policy are hedged, within retryBudget',
    ],
    [
      'a bad hedgingPolicy',
      { methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: 1 } }] },
      'serviceConfig.methodConfig[0].hedgingPolicy.maxAttempts: expected an integer >= 2, got 1; the hedgingPolicy is not taken over',
    ],
    [
      'an unknown key',
      { methodConfig: [{ name: [{}], timeoutt: '1s' }] },
      'serviceConfig.methodConfig[0].timeoutt: unknown key, not taken over',
    ],
    [
      'throttling',
      { retryThrottling: { maxTokens: 10, tokenRatio: 0.1 } },
      'serviceConfig.retryThrottling: is not taken over; retryBudget of the policy takes its place',
    ],
  ])('tells %s, and goes on', (_, config, diagnostic) => {
    expect(importServiceConfig(config).diagnostics).toEqual([diagnostic]);
  });

  test('a retryPolicy with gaps is filled, so that none of it comes from a wider entry', () => {
    const { policy, diagnostics } = importServiceConfig({
      methodConfig: [
        { name: [{ service: 'a.B' }], retryPolicy: { ...RETRY, maxBackoff: '0.1s' } },
        { name: [{ service: 'a.B', method: 'C' }], retryPolicy: { initialBackoff: '1s' } },
      ],
    });
    expect(policy.methods).toEqual({
      'a.B/C': {
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: '1s',
          maxBackoff: '1s',
          backoffMultiplier: 2,
          retryableStatusCodes: ['UNAVAILABLE'],
        },
      },
    });
    expect(diagnostics[1]).toBe(
      "serviceConfig.methodConfig[1].retryPolicy: maxAttempts, maxBackoff, backoffMultiplier, retryableStatusCodes missing, which gRFC A6 demands; inmesh's defaults are used",
    );
  });

  test('R39: hedging beside retry is not taken over, retry is', () => {
    const { policy, diagnostics } = importServiceConfig({
      methodConfig: [{ name: [{}], retryPolicy: RETRY, hedgingPolicy: { maxAttempts: 2 } }],
    });
    expect(policy.defaults?.hedgingPolicy).toBeUndefined();
    expect(policy.defaults?.retryPolicy?.maxAttempts).toBe(RETRY.maxAttempts);
    expect(diagnostics).toContain(
      'serviceConfig.methodConfig[0].hedgingPolicy: is not taken over: gRPC A6 allows no retryPolicy beside it',
    );
  });

  test('H2: what a hedgingPolicy leaves out means what it means in gRPC: all at once, every failure fatal', () => {
    const { policy } = importServiceConfig({ methodConfig: [{ name: [{ service: 'a.B' }], hedgingPolicy: { maxAttempts: 3 } }] });
    expect(policy.services).toEqual({ 'a.B': { hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0s', nonFatalStatusCodes: [] } } });
    const delayed = { maxAttempts: 3, hedgingDelay: '0.5s', nonFatalStatusCodes: ['UNAVAILABLE', 14] };
    const second = importServiceConfig({ methodConfig: [{ name: [{ service: 'a.B' }], hedgingPolicy: delayed }] });
    expect(second.policy.services?.['a.B']?.hedgingPolicy).toMatchObject({
      hedgingDelay: '0.5s',
      nonFatalStatusCodes: ['UNAVAILABLE', 'UNAVAILABLE'],
    });
  });

  test('tells what a method inherits here that it would not in gRPC', () => {
    const { diagnostics } = importServiceConfig({
      methodConfig: [{ name: [{}], timeout: '9s' }, { name: [{ service: 'a.B', method: 'C' }] }],
    });
    expect(diagnostics).toEqual(['serviceConfig: a.B/C has no timeout in gRPC, here it inherits that of the default']);
  });

  test.each([undefined, null, '{}', {}])('gives nothing for %j', (config) => {
    expect(importServiceConfig(config)).toEqual({ policy: { methods: {}, services: {} }, diagnostics: [], rest: {} });
  });
});
