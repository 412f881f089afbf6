/** Arbitrary policies that are right. */
import fc from 'fast-check';
import type {
  Cache,
  CallMatch,
  CircuitBreaker,
  FailurePercentageEjection,
  Fallback,
  MethodPolicy,
  OutlierDetection,
  Policy,
  SuccessRateEjection,
} from '../../src/policy/policy.gen.ts';

const opt = <T extends object>(model: { [K in keyof T]-?: fc.Arbitrary<NonNullable<T[K]>> }): fc.Arbitrary<T> =>
  fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<T>;
const duration = fc.integer({ min: 1, max: 60_000_000 }).map((us) => `${us / 1e6 < 1e-3 ? '0.001' : us / 1e6}s` as const);
const identifier = fc.stringMatching(/^[A-Za-z_]\w{0,8}$/).filter((text) => !['constructor', 'prototype', '__proto__'].includes(text));
const service = fc.array(identifier, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
export const method: fc.Arbitrary<string> = fc.tuple(service, identifier).map(([s, m]) => `${s}/${m}`);
const bulkhead = fc.record({ slots: fc.integer({ min: 1, max: 1000 }), queue: fc.nat() });
const shares = fc.dictionary(identifier, fc.double({ min: 0.01, max: 0.3, noNaN: true }), {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});
const limit = fc.record({
  algorithm: fc.constantFrom('gradient', 'aimd'),
  min: fc.integer({ min: 1, max: 20 }),
  by: fc.constant('tenant'),
  partitions: shares,
});
const percent = fc.integer({ min: 0, max: 100 });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const volumes = { enforcementPercentage: percent, minimumHosts: fc.nat(10), requestVolume: fc.nat(1000) };
const anyBreaker = opt<CircuitBreaker>({
  consecutiveFailures: fc.integer({ min: 1, max: 100 }),
  failureRatio: fc.double({ min: 0.01, max: 1, noNaN: true }),
  window: duration,
  minimumCalls: fc.integer({ min: 1, max: 100 }),
  openTime: duration,
  maxOpenTime: duration,
  halfOpenProbes: fc.integer({ min: 1, max: 100 }),
});
const breaker = anyBreaker.map(({ maxOpenTime, ...rest }): CircuitBreaker => {
  const { openTime } = rest;
  const inOrder = maxOpenTime === undefined || openTime === undefined || Number.parseFloat(openTime) <= Number.parseFloat(maxOpenTime);
  return maxOpenTime === undefined || !inOrder ? rest : { ...rest, maxOpenTime };
});
const outlierDetection = opt<OutlierDetection>({
  interval: fc.constantFrom('0.1s', '10s'),
  baseEjectionTime: duration,
  maxEjectionTime: duration,
  maxEjectionPercent: percent,
  successRateEjection: opt<SuccessRateEjection>({ stdevFactor: fc.nat(5000), ...volumes }),
  failurePercentageEjection: opt<FailurePercentageEjection>({ threshold: percent, ...volumes }),
  minimumGap: share,
  panicThreshold: share,
  consecutiveFailures: fc.nat(100),
});
const cache = opt<Cache>({
  ttl: duration,
  staleIfError: duration,
  maxEntries: fc.integer({ min: 1, max: 1000 }),
  maxBytes: fc.integer({ min: 1024, max: 100_000 }),
  singleFlight: fc.boolean(),
  metadata: fc.array(fc.constantFrom('authorization', 'accept-language'), { maxLength: 2 }),
});
const fallback = opt<Fallback>({
  onStatus: fc.array(fc.constantFrom('UNAVAILABLE', 'ABORTED'), { minLength: 1, maxLength: 3 }),
  method,
  timeout: duration,
});
const anyMethodPolicy = opt<MethodPolicy>({
  hedgingPolicy: opt({
    maxAttempts: fc.integer({ min: 2, max: 9 }),
    hedgingDelay: fc.constantFrom('0s', '0.5s'),
    percentile: fc.double({ min: 0.01, max: 1, noNaN: true }),
    nonFatalStatusCodes: fc.array(fc.constantFrom('UNAVAILABLE', 'ABORTED'), { maxLength: 3 }),
  }),
  cache,
  fallback,
  breaker,
  timeout: fc.oneof(duration, fc.constant('0s' as const)),
  idleTimeout: duration,
  idempotent: fc.boolean(),
  retryPolicy: opt({
    maxAttempts: fc.integer({ min: 1, max: 9 }),
    initialBackoff: fc.constantFrom('0.001s', '0.5s'),
    maxBackoff: fc.constantFrom('0.5s', '100s'),
    backoffMultiplier: fc.double({ min: 0.1, max: 10, noNaN: true }),
    retryableStatusCodes: fc.array(fc.constantFrom('UNAVAILABLE', 'ABORTED'), { minLength: 1, maxLength: 3 }),
    perTryTimeout: fc.constantFrom('0s', '0.5s'),
    chainStop: fc.boolean(),
  }),
  bulkhead,
  limit,
  coalesce: fc.constantFrom('auto', 'never'),
  batch: fc.record({
    via: identifier,
    wrap: identifier,
    result: opt({ items: identifier, match: fc.constantFrom('index', 'key', 'map') }),
  }),
});
/** What one method, service, or the defaults may say: retry and hedging of one layer exclude each other (R39). */
export const methodPolicy: fc.Arbitrary<MethodPolicy> = anyMethodPolicy.map(
  ({ hedgingPolicy, ...rest }): MethodPolicy =>
    rest.retryPolicy === undefined && hedgingPolicy !== undefined ? { ...rest, hedgingPolicy } : rest,
);
const callMatch = opt<CallMatch>({
  methods: fc.array(fc.oneof(method, service), { minLength: 1, maxLength: 2 }),
  headers: fc.array(fc.constantFrom({ name: 'x-a' }, { name: 'x-a', exact: 'b', invert: true }, { name: 'x-a', regex: '[a-c]+' }), {
    maxLength: 2,
  }),
  fields: fc.constant([]),
});
/** Of mirrors and faults. */
const fieldless = callMatch.map(({ fields: _, ...rest }) => rest);
const CLUSTERS = { one: { target: 'one:1' }, two: { target: 'dns:///two:2' } };
const cluster = fc.constantFrom(...Object.keys(CLUSTERS));
const fault = fc.record({
  match: fieldless,
  percent,
  abort: fc.constantFrom('ABORTED' as const, 'INTERNAL' as const),
  maxActive: fc.integer({ min: 1, max: 100 }),
});
const anyPolicy = opt<Policy>({
  clusters: fc.constant(CLUSTERS),
  routes: fc.array(
    fc.oneof(
      fc.record({ match: callMatch, cluster }),
      fc.record({
        split: fc.record({ weight: fc.integer({ min: 1, max: 100 }) }).map((own) => [own, { cluster: 'two', weight: 0 }]),
        key: fc.constantFrom({ header: 'x-user' }, { tenant: true }),
      }),
    ),
    { maxLength: 3 },
  ),
  mirrors: fc.array(fc.record({ match: fieldless, cluster, percent, timeout: duration, compare: fc.boolean() }), { maxLength: 2 }),
  faults: fc.array(fault, { maxLength: 2 }),
  endpoints: opt({
    refresh: fc.constantFrom('0s', '1.5s'),
    connectTimeout: fc.constantFrom('0.01s', '5s'),
    hold: duration,
    rebuild: fc.boolean(),
  }),
  outlierDetection,
  defaults: methodPolicy,
  services: fc.dictionary(service, methodPolicy, { maxKeys: 3, noNullPrototype: true }),
  methods: fc.dictionary(method, methodPolicy, { maxKeys: 3, noNullPrototype: true }),
  retryBudget: fc.oneof(
    opt({ ratio: fc.double({ min: 0, max: 1000, noNaN: true }), minPerSecond: fc.nat(1000), ttl: fc.constantFrom('1s', '60s') }),
    fc.record({ throttle: fc.record({ maxTokens: fc.integer({ min: 1, max: 1000 }), tokenRatio: fc.constantFrom(0.001, 1) }) }),
  ),
  adaptiveThrottle: opt({ k: fc.integer({ min: 1, max: 1000 }), window: fc.constantFrom('1s', '3600s') }),
  balance: opt({ policy: fc.constantFrom('peak_ewma', 'off'), decay: duration }),
  coalesce: opt({
    mode: fc.constantFrom('auto', 'never'),
    methods: fc.array(method, { maxLength: 3 }),
    maxItems: fc.integer({ min: 2, max: 1024 }),
    maxBytes: fc.constant(4096),
    maxCarriers: fc.integer({ min: 1, max: 8 }),
    itemMetadata: fc.constant(['x-a']),
  }),
  deadline: opt({ propagate: fc.boolean(), hopMargin: duration }),
  propagation: opt({ priority: fc.boolean(), tenant: fc.boolean() }),
  telemetry: opt({
    traces: fc.boolean(),
    metrics: fc.boolean(),
    attemptSpans: fc.constantFrom('auto', 'always', 'off'),
    names: fc.constantFrom('semconv', 'grpc', 'both'),
    grpcTraceBin: fc.boolean(),
    accessLog: fc.constantFrom('off', 'failed', 'all'),
    accessLogPerSecond: fc.integer({ min: 1, max: 1e6 }),
    tapMetadata: fc.constantFrom([], ['x-request-id'], ['x-a', 'x-b-bin']),
  }),
  server: opt({
    bulkhead,
    methodBulkheads: fc.dictionary(method, bulkhead, { maxKeys: 2, noNullPrototype: true }),
    defaultTimeout: duration,
    methodTimeouts: fc.dictionary(method, fc.constantFrom('0s', '1.5s'), { maxKeys: 2, noNullPrototype: true }),
    lateRejectFraction: share,
    trustTraits: fc.boolean(),
    limit: opt({ max: fc.integer({ min: 20, max: 200 }), queue: fc.nat() }),
    carriers: fc.boolean(),
    maxItems: fc.integer({ min: 1, max: 65_536 }),
    faults: fc.array(fault, { maxLength: 2 }),
  }),
});
export const policy: fc.Arbitrary<Policy> = anyPolicy.map(
  (any): Policy => (any.routes === undefined && any.mirrors === undefined ? any : { ...any, clusters: CLUSTERS }),
);
