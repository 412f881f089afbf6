/**
 * The policy document: its types and its checker.
 *
 * Generated from protos/inmesh/v1/policy.proto by scripts/gen-policy.ts. Do not edit: run `npm run gen`.
 *
 * @packageDocumentation
 */
import type { DurationText } from './duration.ts';
import type { StatusCodeText } from './names.ts';
import { bool, double, duration, fields, integer, list, metadataKey, name, oneOf, shorthand, statusCode, table, type Rule } from './rules.ts';

/**
 * What the mesh does, by service and method. Everything is optional. A field of a method wins over its service's, that over the defaults'
 * and that over what is built in, field by field; retry_policy is merged in the same way, every other message is taken whole.
 */
export interface Policy {
  /** Holds for every method that nothing more special names. */
  readonly defaults?: MethodPolicy;
  /** By service, "pkg.Service". */
  readonly services?: { readonly [name: string]: MethodPolicy };
  /** By method, "pkg.Service/Method". */
  readonly methods?: { readonly [name: string]: MethodPolicy };
  /** The budget that all re-sent calls draw from, one for each service. */
  readonly retryBudget?: RetryBudget;
  /** How an endpoint is chosen. */
  readonly balance?: BalancePolicy | Balance;
  /** Merging unary calls into batches, on the client. */
  readonly coalesce?: CoalesceMode | Coalesce;
  /** Deadline propagation. */
  readonly deadline?: DeadlinePolicy;
  /** Spans and metrics. */
  readonly telemetry?: Telemetry;
  /** What the server half does. */
  readonly server?: ServerPolicy;
}

/** Policy of one method on the client. */
export interface MethodPolicy {
  /**
   * Deadline of calls that come without one. Unset: none is invented.
   * More than 0s.
   */
  readonly timeout?: DurationText;
  /** Running a call twice does no harm, so it may be re-sent after it may have been processed. */
  readonly idempotent?: boolean;
  /** When and how often a failed call is sent again. */
  readonly retryPolicy?: RetryPolicy;
  /** Calls in flight at a time, and how many may wait. Unset: no limit. */
  readonly bulkhead?: Bulkhead;
  /** Whether calls may join a batch. Unset: as Policy.coalesce says; a method or service named there wins over the defaults. */
  readonly coalesce?: CoalesceMode;
}

/** gRFC A6. Calls of methods not marked idempotent are re-sent only when the server provably never ran them. */
export interface RetryPolicy {
  /**
   * Attempts in all, the first included; 1 is no retry, more than 5 count as 5. Default 3.
   * At least 1.
   */
  readonly maxAttempts?: number;
  /**
   * Wait before the first retry, give or take 20 %. Default 0.025s.
   * More than 0s.
   */
  readonly initialBackoff?: DurationText;
  /**
   * Longest wait; not below initial_backoff. Default 0.25s, or initial_backoff if that is longer.
   * More than 0s.
   */
  readonly maxBackoff?: DurationText;
  /**
   * Growth of the wait from retry to retry. Default 2.
   * More than 0.
   */
  readonly backoffMultiplier?: number;
  /** Status codes worth another try, by name or number; never OK. Default [UNAVAILABLE]. */
  readonly retryableStatusCodes?: readonly StatusCodeText[];
}

/** Ratio of calls that may be re-sent, with a floor for quiet times (Finagle's RetryBudget). */
export interface RetryBudget {
  /**
   * Retries allowed for each call. Default 0.2.
   * Range: 0 to 1000.
   */
  readonly ratio?: number;
  /**
   * Retries allowed each second whatever the traffic. Default 10.
   * Range: 0 to 1000000.
   */
  readonly minPerSecond?: number;
  /**
   * How long a call counts. Default 10s.
   * Range: 1s to 60s.
   */
  readonly ttl?: DurationText;
}

/** Slots and a bounded queue. */
export interface Bulkhead {
  /**
   * Calls in flight at a time.
   * At least 1.
   */
  readonly slots: number;
  /** Calls that may wait for a slot; one more is refused with RESOURCE_EXHAUSTED. Default 0. */
  readonly queue?: number;
  /**
   * Longest wait for a slot. Unset: until the call's deadline.
   * More than 0s.
   */
  readonly queueTimeout?: DurationText;
}

/** How an endpoint is chosen. */
export interface Balance {
  /** Default PEAK_EWMA, unless the client's own service config names a policy. */
  readonly policy?: BalancePolicy;
  /**
   * Time constant of the latency average. Default 10s.
   * More than 0s.
   */
  readonly decay?: DurationText;
}

/** Merging unary calls into batches. */
export interface Coalesce {
  /** Default NEVER, or AUTO when methods are named. */
  readonly mode?: CoalesceMode;
  /** Only these methods, "pkg.Service/Method" or "pkg.Service"; naming them means AUTO unless mode says NEVER. Empty: every unary method. */
  readonly methods?: readonly string[];
  /**
   * Most items in one batch. Default 128.
   * Range: 2 to 1024.
   */
  readonly maxItems?: number;
  /**
   * Most bytes of requests in one batch. Default 524288.
   * Range: 1024 to 4000000.
   */
  readonly maxBytes?: number;
  /**
   * Most unanswered batches at a time for each batch key. Default 4.
   * Range: 1 to 8.
   */
  readonly maxCarriers?: number;
  /** Metadata keys that may differ between the items of a batch, besides the trace headers and x-request-id. */
  readonly itemMetadata?: readonly string[];
}

/** Deadline propagation. */
export interface DeadlinePolicy {
  /** A client call made while serving a call ends no later than it. Default true. */
  readonly propagate?: boolean;
  /**
   * Time kept back at each hop for the way home. Default 0s.
   * At least 0s.
   */
  readonly hopMargin?: DurationText;
}

/** Spans and metrics, through the OpenTelemetry API only. */
export interface Telemetry {
  /** Default true. */
  readonly traces?: boolean;
  /** Default true. */
  readonly metrics?: boolean;
  /** A span for each attempt. Default AUTO. */
  readonly attemptSpans?: AttemptSpans;
}

/** The server half. */
export interface ServerPolicy {
  /** Calls served at a time, over all methods, and how many may wait. Unset: no limit. */
  readonly bulkhead?: Bulkhead;
  /** The same by method, "pkg.Service/Method". */
  readonly methodBulkheads?: { readonly [name: string]: Bulkhead };
  /** Serve batches of clients that coalesce. Default true where the server's interceptors are known. */
  readonly carriers?: boolean;
  /**
   * Most items accepted in one batch. Default 1024.
   * Range: 1 to 65536.
   */
  readonly maxItems?: number;
}

/**
 * Balancing policies.
 *
 * - `peak_ewma`: The better of two random endpoints by latency times load; connects to every address.
 * - `off`: Leave balancing to grpc-js.
 */
export type BalancePolicy = 'peak_ewma' | 'off';

/**
 * When calls join a batch.
 *
 * - `auto`: Calls that wait together go together, if the server can.
 * - `never`: Always alone.
 */
export type CoalesceMode = 'auto' | 'never';

/**
 * When attempts get spans of their own.
 *
 * - `auto`: From the second attempt on; the first one's is back-dated.
 * - `always`: For every attempt (gRFC A72).
 * - `off`: Never.
 */
export type AttemptSpans = 'auto' | 'always' | 'off';

const balancePolicyRule: Rule<BalancePolicy> = oneOf('peak_ewma', 'off');

const coalesceModeRule: Rule<CoalesceMode> = oneOf('auto', 'never');

const attemptSpansRule: Rule<AttemptSpans> = oneOf('auto', 'always', 'off');

const retryPolicyRule: Rule<RetryPolicy> = fields<RetryPolicy>({
  maxAttempts: integer({ min: 1 }),
  initialBackoff: duration({ positive: true }),
  maxBackoff: duration({ positive: true }),
  backoffMultiplier: double({ positive: true }),
  retryableStatusCodes: list(statusCode(), 1),
});

const bulkheadRule: Rule<Bulkhead> = fields<Bulkhead>({
  slots: integer({ min: 1 }),
  queue: integer(),
  queueTimeout: duration({ positive: true }),
}, { required: ['slots'] });

const methodPolicyRule: Rule<MethodPolicy> = fields<MethodPolicy>({
  timeout: duration({ positive: true }),
  idempotent: bool(),
  retryPolicy: retryPolicyRule,
  bulkhead: bulkheadRule,
  coalesce: coalesceModeRule,
});

const retryBudgetRule: Rule<RetryBudget> = fields<RetryBudget>({
  ratio: double({ min: 0, max: 1000 }),
  minPerSecond: double({ min: 0, max: 1000000 }),
  ttl: duration({ min: 1, max: 60 }),
});

const balanceRule: Rule<Balance> = shorthand('policy', fields<Balance>({
  policy: balancePolicyRule,
  decay: duration({ positive: true }),
}, { shorthands: ['peak_ewma', 'off'] }));

const coalesceRule: Rule<Coalesce> = shorthand('mode', fields<Coalesce>({
  mode: coalesceModeRule,
  methods: list(name({ method: true, service: true }, 'value')),
  maxItems: integer({ min: 2, max: 1024 }),
  maxBytes: integer({ min: 1024, max: 4000000 }),
  maxCarriers: integer({ min: 1, max: 8 }),
  itemMetadata: list(metadataKey()),
}, { shorthands: ['auto', 'never'] }));

const deadlinePolicyRule: Rule<DeadlinePolicy> = fields<DeadlinePolicy>({
  propagate: bool(),
  hopMargin: duration({ min: 0 }),
});

const telemetryRule: Rule<Telemetry> = fields<Telemetry>({
  traces: bool(),
  metrics: bool(),
  attemptSpans: attemptSpansRule,
});

const serverPolicyRule: Rule<ServerPolicy> = fields<ServerPolicy>({
  bulkhead: bulkheadRule,
  methodBulkheads: table(name({ method: true }, 'key'), bulkheadRule),
  carriers: bool(),
  maxItems: integer({ min: 1, max: 65536 }),
});

/** Checks a whole document. */
export const policyRule: Rule<Policy> = fields<Policy>({
  defaults: methodPolicyRule,
  services: table(name({ service: true }, 'key'), methodPolicyRule),
  methods: table(name({ method: true }, 'key'), methodPolicyRule),
  retryBudget: retryBudgetRule,
  balance: balanceRule,
  coalesce: coalesceRule,
  deadline: deadlinePolicyRule,
  telemetry: telemetryRule,
  server: serverPolicyRule,
});
