/** Valid documents that between them set every field of the policy; a test checks that. For test/cli/files/protos/shop.proto. */
import type { MethodPolicy, Policy } from '../../src/policy/policy.gen.ts';

const limit = {
  algorithm: 'gradient',
  initial: 30,
  min: 2,
  max: 90,
  queue: 5,
  queueTimeout: '0.2s',
  partitions: { gold: 0.5, tin: 0.25 },
  by: 'tenant',
} as const;
const bulkhead = { slots: 10, queue: 3, queueTimeout: '0.1s', partitions: { critical: 0.5 }, by: 'priority' } as const;
const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: '0.01s',
  maxBackoff: '0.5s',
  backoffMultiplier: 1.5,
  retryableStatusCodes: ['UNAVAILABLE', 'ABORTED'],
  perTryTimeout: '0.4s',
  chainStop: true,
} as const;
const hedgingPolicy = { maxAttempts: 3, hedgingDelay: '0.05s', percentile: 0.9, nonFatalStatusCodes: ['UNAVAILABLE'] } as const;
const breaker = {
  consecutiveFailures: 7,
  failureRatio: 0.5,
  window: '20s',
  minimumCalls: 30,
  openTime: '2s',
  maxOpenTime: '40s',
  halfOpenProbes: 2,
} as const;

const reads: MethodPolicy = {
  timeout: '1s',
  idempotent: true,
  retryPolicy,
  bulkhead,
  coalesce: 'auto',
  breaker,
  limit,
  cache: { ttl: '5s', staleIfError: '60s', maxEntries: 10, maxBytes: 4096, singleFlight: true, metadata: ['accept-language'] },
  idleTimeout: '30s',
  fallback: { onStatus: ['UNAVAILABLE'], method: 'shop.v1.Cart/PlaceOrder', timeout: '0.5s' },
};
const headers = [
  { name: 'x-a', exact: 'a', invert: true },
  { name: 'x-b', prefix: 'b' },
  { name: 'x-c', regex: '[a-z]+' },
  { name: 'x-d', present: false },
] as const;

const client: Policy = {
  defaults: { timeout: '3s', idempotent: false, hedgingPolicy },
  services: { 'shop.v1.Cart': { idempotent: true, breaker: { failureRatio: 0.1 }, limit: 'vegas' } },
  methods: {
    'shop.v1.Cart/GetItem': reads,
    'shop.v1.Cart/WatchItems': { idleTimeout: '10s', hedgingPolicy },
    'shop.v1.Cart/BatchGetItems': { coalesce: 'never', bulkhead: { slots: 2 } },
  },
  retryBudget: { ratio: 0.3, minPerSecond: 5, ttl: '20s' },
  balance: { policy: 'peak_ewma', decay: '5s', maxInFlight: 200 },
  coalesce: {
    mode: 'auto',
    methods: ['shop.v1.Cart/GetItem', 'shop.v1.Cart'],
    maxItems: 100,
    maxBytes: 100_000,
    maxCarriers: 4,
    itemMetadata: ['x-a'],
    flush: 'window',
    linger: '0.002s',
    carrier: 'envelope',
    requireL7Visibility: true,
  },
  deadline: { propagate: false, hopMargin: '0.01s' },
  telemetry: {
    traces: true,
    metrics: false,
    attemptSpans: 'always',
    names: 'both',
    grpcTraceBin: true,
    retryMetrics: true,
    balancerMetrics: true,
    accessLog: 'failed',
    accessLogPerSecond: 10,
    tapMetadata: ['x-a'],
  },
  propagation: { priority: false, tenant: true },
  adaptiveThrottle: { k: 3, window: '60s' },
  outlierDetection: {
    interval: '5s',
    baseEjectionTime: '10s',
    maxEjectionTime: '100s',
    maxEjectionPercent: 30,
    successRateEjection: { stdevFactor: 1500, enforcementPercentage: 90, minimumHosts: 3, requestVolume: 50 },
    failurePercentageEjection: { threshold: 80, enforcementPercentage: 95, minimumHosts: 4, requestVolume: 60 },
    minimumGap: 0.1,
    panicThreshold: 0.4,
    consecutiveFailures: 6,
  },
  endpoints: { refresh: '3s', connectTimeout: '2s', hold: '20s', rebuild: false },
};

const traffic: Policy = {
  clusters: { one: { target: 'one:1' }, two: { target: 'dns:///two:2' } },
  routes: [
    {
      match: {
        methods: ['shop.v1.Cart/GetItem'],
        headers,
        fields: [
          { field: 'id', exact: 'a', invert: true },
          { field: 'id', prefix: 'b' },
          { field: 'id', regex: '[0-9]+' },
          { field: 'id', present: true },
        ],
      },
      cluster: 'one',
    },
    { match: { methods: ['shop.v1.Cart/GetItem'] }, split: [{ cluster: 'one', weight: 10 }, { weight: 90 }], key: { field: 'id' } },
    { split: [{ cluster: 'two', weight: 1 }], key: { header: 'x-user' } },
    { split: [{ cluster: 'two', weight: 1 }], key: { tenant: true } },
  ],
  mirrors: [
    {
      match: { methods: ['shop.v1.Cart'], headers: [{ name: 'x-a' }] },
      cluster: 'two',
      percent: 10,
      maxInFlight: 8,
      timeout: '2s',
      compare: true,
      ignoreFields: ['id'],
    },
  ],
  faults: [{ match: { methods: ['shop.v1.Cart'] }, percent: 1, delay: '0.1s', abort: 'UNAVAILABLE', maxActive: 10 }],
};

const server: Policy = {
  retryBudget: { throttle: { maxTokens: 20, tokenRatio: 0.2 } },
  methods: {
    'shop.v1.Cart/GetItem': {
      batch: {
        via: 'BatchGetItems',
        lift: { from: 'id', to: 'ids' },
        result: { items: 'items', match: 'key', key: 'id', missing: 'not_found' },
        onBatchError: 'bisect',
        maxItems: 16,
      },
    },
  },
  server: {
    bulkhead,
    methodBulkheads: { 'shop.v1.Cart/PlaceOrder': { slots: 3, queue: 1 } },
    carriers: true,
    maxItems: 512,
    authorization: { file: 'authz.json', refresh: '30s' },
    tunnels: false,
    limit,
    defaultTimeout: '10s',
    lateRejectFraction: 0.5,
    trustTraits: true,
    methodTimeouts: { 'shop.v1.Cart/PlaceOrder': '5s', 'shop.v1.Cart/WatchItems': '0s' },
    faults: [{ percent: 0.5, abort: 'INTERNAL' }],
  },
};

/** What a batch rule may say besides: not all of it fits one reply. */
const batches: Policy = {
  methods: {
    'a.B/C': {
      batch: {
        via: 'D',
        wrap: 'requests',
        groupBy: ['parent'],
        result: { items: 'items', index: 'at', value: 'item', status: 'status', stream: true },
      },
    },
    'a.B/E': { batch: { via: 'D', wrap: 'requests', result: { items: 'items', set: 'item', failed: 'failed' } } },
  },
};

/** All of them. */
export const WHOLE_DOCUMENTS: readonly Policy[] = [client, traffic, server, batches];
