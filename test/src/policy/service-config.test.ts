import { describe, expect, test } from 'vitest';
import { PolicyTable } from '../../../src/policy/resolve.ts';
import { importServiceConfig } from '../../../src/policy/service-config.ts';

const RETRY = { maxAttempts: 4, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 2, retryableStatusCodes: ['UNAVAILABLE', 14] };
const TIMEOUT = 'taken over for calls that come without a deadline; in gRPC it also cuts short those that have a longer one';
const HEDGED = 'taken over; only calls of methods marked idempotent: true in the policy are hedged, within retryBudget';
const NO_WAIT = 'is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`';
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
      `serviceConfig.methodConfig[0].timeout: ${TIMEOUT}`,
      `serviceConfig.methodConfig[1].timeout: ${TIMEOUT}`,
      `serviceConfig.methodConfig[1].retryPolicy: ${TAKEN}`,
      `serviceConfig.methodConfig[2].timeout: ${TIMEOUT}`,
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
      'an unknown key of a name',
      { methodConfig: [{ name: [{ service: 'a.B', methods: 'C' }] }] },
      'serviceConfig.methodConfig[0].name[0]: unknown key "methods"; a name has service and method, or neither',
    ],
    [
      'a slash in a name',
      { methodConfig: [{ name: [{ service: '/a.B' }] }] },
      'serviceConfig.methodConfig[0].name[0]: expected a service such as "pkg.Service", got "/a.B"; did you mean "a.B"?',
    ],
    ['a name that is none', { methodConfig: [{ name: [null] }] }, 'serviceConfig.methodConfig[0].name[0]: expected an object, got null'],
    [
      'a retryPolicy that retries nothing',
      { methodConfig: [{ name: [{}], retryPolicy: { ...RETRY, retryableStatusCodes: [] } }] },
      'serviceConfig.methodConfig[0].retryPolicy.retryableStatusCodes: expected 1 to 10000 elements, got an empty list; the retryPolicy is not taken over',
    ],
    [
      'a timeout of nothing',
      { methodConfig: [{ name: [{}], timeout: '0s' }] },
      'serviceConfig.methodConfig[0].timeout: expected a duration > "0s", got "0s"; not taken over',
    ],
    ['the form of DNS records', [{ clientLanguage: ['node'], serviceConfig: {} }], 'serviceConfig: expected an object, got a list'],
    [
      'an unknown key beside methodConfig',
      { methodConfg: [] },
      'serviceConfig.methodConfg: unknown key, which grpc-js ignores; did you mean methodConfig?',
    ],
    [
      'a bad throttle',
      { retryThrottling: { maxTokens: 10, tokenRatio: 'x' } },
      'serviceConfig.retryThrottling.tokenRatio: expected a number >= 0.001, got "x"; not taken over',
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

  test('an entry stands alone as in gRPC: what that of a method leaves open is not taken from its service, nor from the default', () => {
    const { policy, diagnostics } = importServiceConfig({
      methodConfig: [
        { name: [{}], timeout: '9s' },
        { name: [{ service: 'a.B' }], retryPolicy: RETRY },
        { name: [{ service: 'a.B', method: 'C' }] },
      ],
    });
    expect(diagnostics.map((line) => line.split(':')[0])).toEqual([
      'serviceConfig.methodConfig[0].timeout',
      'serviceConfig.methodConfig[1].retryPolicy',
    ]);
    const table = new PolicyTable({ defaults: { idleTimeout: '60s' } }).withServiceConfig(policy);
    const builtIn = new PolicyTable({ defaults: { idleTimeout: '60s' } });
    expect(table.method('/a.B/C')).toEqual(builtIn.method('/a.B/C'));
    expect(table.method('/a.B/D').retry.maxAttempts).toBe(RETRY.maxAttempts);
    expect(table.method('/a.B/D').timeoutMs).toBeUndefined();
    expect(table.method('/a.X/E')).toMatchObject({ timeoutMs: 9_000, idleTimeoutMs: 60_000 });
  });

  test.each([undefined, null, '{}', {}])('gives nothing for %j', (config) => {
    expect(importServiceConfig(config)).toEqual({ policy: { methods: {}, services: {} }, diagnostics: [], rest: {} });
  });
});

describe('every field of a service config', () => {
  interface Row {
    readonly field: string;
    /** Beside `name: [{}]`; undefined: the field is not of methodConfig. */
    readonly entry?: object;
    readonly config?: object;
    /** What becomes of it in the policy's defaults. */
    readonly policy?: object;
    /** What is told of it. */
    readonly told?: string;
    /** Left in what grpc-js is given. */
    readonly kept?: boolean;
  }
  const taken = { maxAttempts: 4, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 2 };
  const retryPolicy = { ...taken, retryableStatusCodes: ['UNAVAILABLE'] };
  const hedgingPolicy = { maxAttempts: 3, hedgingDelay: '0.5s', nonFatalStatusCodes: ['INTERNAL'] };
  const sent = 'is not taken over: grpc-js has one limit for all methods of a client; set its option grpc.max_send_message_length';
  const received = sent.replace('send', 'receive');
  const at = 'serviceConfig.methodConfig[0]';
  const throttle = { maxTokens: 10, tokenRatio: 0.1 };

  const rows: readonly Row[] = [
    { field: 'timeout', entry: { timeout: '2s' }, policy: { timeout: '2s' }, told: `${at}.timeout: ${TIMEOUT}` },
    { field: 'waitForReady', entry: { waitForReady: true }, policy: {}, told: `${at}.waitForReady: ${NO_WAIT}` },
    { field: 'waitForReady: false, as it is anyway', entry: { waitForReady: false }, policy: {} },
    {
      field: 'maxRequestMessageBytes',
      entry: { maxRequestMessageBytes: 1024 },
      policy: {},
      told: `${at}.maxRequestMessageBytes: ${sent}`,
    },
    {
      field: 'maxResponseMessageBytes',
      entry: { maxResponseMessageBytes: '1024' },
      policy: {},
      told: `${at}.maxResponseMessageBytes: ${received}`,
    },
    { field: "maxRequestBytes, grpc-js's name", entry: { maxRequestBytes: 1024 }, policy: {}, told: `${at}.maxRequestBytes: ${sent}` },
    { field: "maxResponseBytes, grpc-js's name", entry: { maxResponseBytes: 1 }, policy: {}, told: `${at}.maxResponseBytes: ${received}` },
    { field: 'retryPolicy', entry: { retryPolicy }, policy: { retryPolicy }, told: `${at}.retryPolicy: ${TAKEN}` },
    {
      field: 'retryPolicy of one attempt, which gRPC refuses',
      entry: { retryPolicy: { ...retryPolicy, maxAttempts: 1 } },
      policy: { retryPolicy: { ...retryPolicy, maxAttempts: 1 } },
      told: `${at}.retryPolicy: ${TAKEN}`,
    },
    {
      field: 'retryPolicy of more attempts than gRPC allows, which are cut to its five',
      entry: { retryPolicy: { ...retryPolicy, maxAttempts: 9 } },
      policy: { retryPolicy: { ...retryPolicy, maxAttempts: 5 } },
      told: `${at}.retryPolicy: ${TAKEN}`,
    },
    { field: 'hedgingPolicy', entry: { hedgingPolicy }, policy: { hedgingPolicy }, told: `${at}.hedgingPolicy: ${HEDGED}` },
    {
      field: 'retryThrottling',
      config: { retryThrottling: throttle },
      told: 'serviceConfig.retryThrottling: is not taken over; write retryBudget: { throttle: {"maxTokens":10,"tokenRatio":0.1} } into the policy to have the same for each service',
    },
    { field: 'loadBalancingConfig', config: { loadBalancingConfig: [{ round_robin: {} }] }, kept: true },
    {
      field: 'loadBalancingPolicy',
      config: { loadBalancingPolicy: 'ROUND_ROBIN' },
      told: 'serviceConfig.loadBalancingPolicy: grpc-js ignores it, and uses pick_first; write loadBalancingConfig, or leave it out for peak_ewma',
      kept: true,
    },
    {
      field: 'healthCheckConfig',
      config: { healthCheckConfig: { serviceName: 'a' } },
      told: 'serviceConfig.healthCheckConfig: has no effect: grpc-js asks no health service; outlierDetection of the policy keeps calls away from endpoints that fail',
      kept: true,
    },
  ];

  test.each(rows)('$field is taken over, or named with what to do', ({ entry, config = {}, policy, told, kept = false }) => {
    const methodConfig = entry === undefined ? {} : { methodConfig: [{ name: [{}], ...entry }] };
    const imported = importServiceConfig({ ...config, ...methodConfig });
    expect(imported.policy.defaults).toEqual(policy);
    expect(imported.diagnostics).toEqual(told === undefined ? [] : [told]);
    expect(imported.rest).toEqual(kept ? config : {});
  });

  test('the advice for retryThrottling is a policy that holds', () => {
    expect(new PolicyTable({ retryBudget: { throttle } }).retryBudget.throttle).toEqual(throttle);
  });

  test.each([
    ['{}', {}, { defaults: { timeout: '2s' } }],
    ['{ service: "", method: "" }', { service: '', method: '' }, { defaults: { timeout: '2s' } }],
    ['{ service }', { service: 'a.B' }, { services: { 'a.B': { timeout: '2s' } } }],
    ['{ service, method: "" }', { service: 'a.B', method: '' }, { services: { 'a.B': { timeout: '2s' } } }],
    ['{ service, method }', { service: 'a.B', method: 'C' }, { methods: { 'a.B/C': { timeout: '2s' } } }],
  ])('name: [%s]', (_, name, policy) => {
    expect(importServiceConfig({ methodConfig: [{ name: [name], timeout: '2s' }] }).policy).toEqual({
      methods: {},
      services: {},
      ...policy,
    });
  });

  test.each([
    [
      'retryPolicy',
      { ...retryPolicy, perAttemptRecvTimeout: '1s', perTryTimeout: '1s' },
      ['perAttemptRecvTimeout', 'perTryTimeout'],
      retryPolicy,
    ],
    ['hedgingPolicy', { ...hedgingPolicy, percentile: 0.9 }, ['percentile'], hedgingPolicy],
  ] as const)('%s: what gRPC does not know in it is told, and the rest is taken over', (field, value, unknown, left) => {
    const { policy, diagnostics } = importServiceConfig({ methodConfig: [{ name: [{}], [field]: value }] });
    expect(policy.defaults).toEqual({ [field]: left });
    expect(diagnostics.slice(0, -1)).toEqual(unknown.map((key) => `${at}.${field}.${key}: unknown in gRPC, not taken over`));
  });

  test('a hedgingPolicy without maxAttempts is told', () => {
    const { diagnostics } = importServiceConfig({ methodConfig: [{ name: [{}], hedgingPolicy: {} }] });
    expect(diagnostics[0]).toBe(`${at}.hedgingPolicy: maxAttempts missing, which gRFC A6 demands; inmesh's default is used`);
  });
});
