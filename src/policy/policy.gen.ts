/**
 * The policy document: its types and its checker.
 *
 * Generated from protos/inmesh/v1/policy.proto by scripts/gen-policy.ts. Do not edit: run `npm run gen`.
 *
 * @packageDocumentation
 */
import type { DurationText } from './duration.ts';
import type { StatusCodeText } from './names.ts';
import { bool, double, duration, fields, integer, list, metadataKey, name, oneOf, shorthand, statusCode, table, text, type Rule } from './rules.ts';

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
  /** Merging its calls into calls of the service's own batch method. Only under methods; needs descriptors. */
  readonly batch?: BatchRule;
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
   * Most unanswered batches at a time for each batch key; flush NATURAL learns how many within it, TICK has no such limit. Default 8.
   * Range: 1 to 8.
   */
  readonly maxCarriers?: number;
  /** Metadata keys that may differ between the items of a batch, besides the trace headers and x-request-id. */
  readonly itemMetadata?: readonly string[];
  /** When calls that wait go out. Default NATURAL. */
  readonly flush?: FlushRule;
  /**
   * Longest wait for company, with flush WINDOW, TIKV, CASSANDRA or FORECAST. Default 0.001s.
   * Range: 0.001s to 1s.
   */
  readonly linger?: DurationText;
  /** What batches travel in. Default AUTO. */
  readonly carrier?: CarrierForm;
  /** Every batch must be told by its path, for proxies, access logs and policies between here and the server: no tunnels. Default false. */
  readonly requireL7Visibility?: boolean;
}

/** Merging unary calls (GetX) into one call of the service's own batch method (BatchGetX). Fields are named as in the .proto file. */
export interface BatchRule {
  /** The batch method: of the same service, "BatchGetX", or "pkg.Service/Method". */
  readonly via: string;
  /** One value of each request becomes an element of a list. Either this or wrap. */
  readonly lift?: KeyLift;
  /** The repeated field of the batch request that takes whole requests. */
  readonly wrap?: string;
  /** Fields that must be equal inside a batch; they are set in the batch request too, by the same names. */
  readonly groupBy?: readonly string[];
  /** Where the results are. */
  readonly result: ResultMap;
  /** What becomes of the calls of a batch that failed. Default RETRY_SINGLES for methods without side effects. */
  readonly onBatchError?: OnBatchError;
  /**
   * Most calls in one batch. Default Coalesce.max_items.
   * Range: 2 to 1024.
   */
  readonly maxItems?: number;
}

/** A scalar of the request into a list of the batch request. */
export interface KeyLift {
  /** Field of the request. */
  readonly from: string;
  /** Repeated field of the batch request. */
  readonly to: string;
}

/** Where the result of each call is in the reply of the batch. */
export interface ResultMap {
  /** Repeated field or map of the reply. In a stream it may be left out: then each message is an item. */
  readonly items?: string;
  /** How an item finds its call. Default INDEX. */
  readonly match?: Match;
  /** Match by key: field of the item that is equal to the request's lifted field; with wrap, to its field of the same name. */
  readonly key?: string;
  /** Field of the unary response to fill. Unset: the item is the response. */
  readonly set?: string;
  /** Field of the item that is its google.rpc.Status. */
  readonly status?: string;
  /** Field of the reply with the errors by place of the request, map<int32, google.rpc.Status>. */
  readonly failed?: string;
  /** What a call ends with that has no item. Default NOT_FOUND. */
  readonly missing?: Missing;
  /** Field of the item that is the result. Unset: the item itself. */
  readonly value?: string;
  /** Field of the item with the place of its request. Unset: items stand in the order of the requests. */
  readonly index?: string;
  /** The batch method answers with a stream. Default false. */
  readonly stream?: boolean;
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

/** Who may call what, by a policy of gRFC A43. */
export interface Authorization {
  /** Path of a JSON file with the policy. Read at the start, and again and again; a change that is wrong is not taken. */
  readonly file: string;
  /**
   * Time between readings. Default 60s.
   * More than 0s.
   */
  readonly refresh?: DurationText;
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
  /** Who may call what. Unset: everybody everything. */
  readonly authorization?: Authorization;
  /** Serve tunnels, long-lived streams that carry items of any method, besides batches. Default true. */
  readonly tunnels?: boolean;
}

/**
 * Balancing policies.
 *
 * - `peak_ewma`: The better of two random endpoints by latency times load; connects to every address.
 * - `off`: Leave balancing to grpc-js.
 */
export type BalancePolicy = 'peak_ewma' | 'off';

/**
 * What batches travel in.
 *
 * - `auto`: What the endpoint takes: a tunnel where there is load and the balancing is ours, else an envelope.
 * - `envelope`: One RPC for each batch, at a path beside the method's own.
 * - `tunnel`: A tunnel from the first call on, kept for a minute without calls; an envelope until it is open, and where there can be none.
 */
export type CarrierForm = 'auto' | 'envelope' | 'tunnel';

/**
 * When calls that wait together go out.
 *
 * - `natural`: At the end of the event-loop turn, unless too many batches are unanswered; how many that is, is learned.
 * - `tick`: At the end of the event-loop turn, always.
 * - `window`: A fixed time after the first.
 * - `tikv`: As TiKV's BatchCommands client does.
 * - `cassandra`: As Cassandra's TIMEHORIZON strategy does.
 * - `forecast`: When waiting on is forecast to cost more than it saves.
 */
export type FlushRule = 'natural' | 'tick' | 'window' | 'tikv' | 'cassandra' | 'forecast';

/**
 * When calls join a batch.
 *
 * - `auto`: Calls that wait together go together, if the server can.
 * - `never`: Always alone.
 */
export type CoalesceMode = 'auto' | 'never';

/**
 * How an item finds its call.
 *
 * - `index`: By its place.
 * - `key`: By a field of the item.
 * - `map`: By the key of a map.
 */
export type Match = 'index' | 'key' | 'map';

/**
 * What a call ends with that the batch has no item for.
 *
 * - `not_found`: Status NOT_FOUND.
 * - `default_value`: An empty response.
 * - `internal_error`: Status INTERNAL.
 */
export type Missing = 'not_found' | 'default_value' | 'internal_error';

/**
 * What becomes of the calls of a batch that failed as a whole.
 *
 * - `fail_all`: Each ends as the batch did.
 * - `retry_singles`: Each goes alone.
 * - `bisect`: Halves go as batches, until a call is alone.
 */
export type OnBatchError = 'fail_all' | 'retry_singles' | 'bisect';

/**
 * When attempts get spans of their own.
 *
 * - `auto`: From the second attempt on; the first one's is back-dated.
 * - `always`: For every attempt (gRFC A72).
 * - `off`: Never.
 */
export type AttemptSpans = 'auto' | 'always' | 'off';

const balancePolicyRule: Rule<BalancePolicy> = oneOf('peak_ewma', 'off');

const carrierFormRule: Rule<CarrierForm> = oneOf('auto', 'envelope', 'tunnel');

const flushRuleRule: Rule<FlushRule> = oneOf('natural', 'tick', 'window', 'tikv', 'cassandra', 'forecast');

const coalesceModeRule: Rule<CoalesceMode> = oneOf('auto', 'never');

const matchRule: Rule<Match> = oneOf('index', 'key', 'map');

const missingRule: Rule<Missing> = oneOf('not_found', 'default_value', 'internal_error');

const onBatchErrorRule: Rule<OnBatchError> = oneOf('fail_all', 'retry_singles', 'bisect');

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

const keyLiftRule: Rule<KeyLift> = fields<KeyLift>({
  from: text(),
  to: text(),
}, { required: ['from', 'to'] });

const resultMapRule: Rule<ResultMap> = fields<ResultMap>({
  items: text(),
  match: matchRule,
  key: text(),
  set: text(),
  status: text(),
  failed: text(),
  missing: missingRule,
  value: text(),
  index: text(),
  stream: bool(),
});

const batchRuleRule: Rule<BatchRule> = fields<BatchRule>({
  via: text(),
  lift: keyLiftRule,
  wrap: text(),
  groupBy: list(text()),
  result: resultMapRule,
  onBatchError: onBatchErrorRule,
  maxItems: integer({ min: 2, max: 1024 }),
}, { required: ['via', 'result'] });

const methodPolicyRule: Rule<MethodPolicy> = fields<MethodPolicy>({
  timeout: duration({ positive: true }),
  idempotent: bool(),
  retryPolicy: retryPolicyRule,
  bulkhead: bulkheadRule,
  coalesce: coalesceModeRule,
  batch: batchRuleRule,
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
  flush: flushRuleRule,
  linger: duration({ min: 0.001, max: 1 }),
  carrier: carrierFormRule,
  requireL7Visibility: bool(),
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

const authorizationRule: Rule<Authorization> = fields<Authorization>({
  file: text(),
  refresh: duration({ positive: true }),
}, { required: ['file'] });

const serverPolicyRule: Rule<ServerPolicy> = fields<ServerPolicy>({
  bulkhead: bulkheadRule,
  methodBulkheads: table(name({ method: true }, 'key'), bulkheadRule),
  carriers: bool(),
  maxItems: integer({ min: 1, max: 65536 }),
  authorization: authorizationRule,
  tunnels: bool(),
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
