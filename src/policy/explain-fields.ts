/**
 * How the fields of a policy are called in the engines' rules, and where their defaults are documented.
 *
 * @packageDocumentation
 */

/** Fields whose rule is not called the same, nor the same with `Ms`. */
export const UNITS: Readonly<Record<string, string>> = {
  openTime: 'openMs',
  maxOpenTime: 'maxOpenMs',
  baseEjectionTime: 'baseEjectionMs',
  maxEjectionTime: 'maxEjectionMs',
  hedgingDelay: 'delayMs',
  retryableStatusCodes: 'retryableCodes',
  nonFatalStatusCodes: 'nonFatalCodes',
  defaultTimeout: 'timeoutMs',
};

/** Defaults of what is no part of a method's or mesh's rules, but is filled in further on. A test compares them with those. */
export const BUILT_IN: Readonly<Record<string, unknown>> = {
  'limit.queue': 0,
  'server.limit.queue': 0,
  'cache.maxEntries': 1000,
  'cache.maxBytes': 16_777_216,
  'cache.singleFlight': true,
  'cache.metadata': [],
  'fallback.onStatus': ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'],
  'fallback.timeout': '1s',
  'batch.result.match': 'index',
  'batch.result.missing': 'not_found',
  'batch.result.stream': false,
  'telemetry.accessLog': 'off',
  'telemetry.accessLogPerSecond': 1000,
  'telemetry.tapMetadata': [],
  'coalesce.mode': 'never',
  'coalesce.methods': [],
  'coalesce.carrier': 'auto',
  'coalesce.requireL7Visibility': false,
};

/** Tables by method within the document: only the method's own entry is told. */
export const BY_METHOD: ReadonlySet<string> = new Set(['server.methodBulkheads', 'server.methodTimeouts']);

/** Pages of docs/ by field; the longest path that fits holds. */
const PAGES: Readonly<Record<string, string>> = {
  timeout: 'deadlines',
  idleTimeout: 'deadlines',
  idempotent: 'retries',
  retryPolicy: 'retries',
  retryBudget: 'retries',
  adaptiveThrottle: 'retries',
  hedgingPolicy: 'hedging',
  bulkhead: 'bulkheads',
  limit: 'limits',
  breaker: 'breakers',
  cache: 'cache',
  fallback: 'fallback',
  batch: 'native-batch',
  coalesce: 'coalescing',
  'coalesce.flush': 'flush-policies',
  'coalesce.linger': 'flush-policies',
  'coalesce.carrier': 'tunnels',
  balance: 'balancing',
  endpoints: 'endpoints',
  outlierDetection: 'outliers',
  deadline: 'deadlines',
  propagation: 'deadlines',
  telemetry: 'telemetry',
  'telemetry.names': 'traces',
  'telemetry.grpcTraceBin': 'traces',
  'telemetry.accessLog': 'observing',
  'telemetry.accessLogPerSecond': 'observing',
  'telemetry.tapMetadata': 'observing',
  clusters: 'routing',
  routes: 'routing',
  mirrors: 'mirroring',
  faults: 'fault-injection',
  'server.faults': 'fault-injection',
  server: 'server',
  'server.bulkhead': 'bulkheads',
  'server.methodBulkheads': 'bulkheads',
  'server.limit': 'limits',
  'server.authorization': 'authorization',
  'server.defaultTimeout': 'deadlines',
  'server.methodTimeouts': 'deadlines',
  'server.lateRejectFraction': 'deadlines',
  'server.trustTraits': 'deadlines',
  'server.tunnels': 'tunnels',
};

/** The page where the default of a field is documented: `docs/retries.md`. */
export function pageOf(path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const page = PAGES[path.slice(0, length).join('.')];
    if (page !== undefined) return `docs/${page}.md`;
  }
  return 'docs/policy.md';
}
