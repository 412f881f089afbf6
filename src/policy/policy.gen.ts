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
  /** What of itself a client call tells its server. */
  readonly propagation?: Propagation;
  /** Refusing on the client what a service would refuse anyway. Unset: nothing is refused. */
  readonly adaptiveThrottle?: AdaptiveThrottle;
  /** Endpoints that fail or fall silent get no calls for a while. */
  readonly outlierDetection?: OutlierDetection;
  /** How addresses are looked for, and connections watched. */
  readonly endpoints?: Endpoints;
  /** Targets that calls can be sent to besides the client's own, by a name of yours. */
  readonly clusters?: { readonly [name: string]: Cluster };
  /** Which calls go to which cluster; the first that matches. What none matches goes to the client's own target. */
  readonly routes?: readonly Route[];
  /** Unary calls that are sent a second time, to another cluster, whose answer nobody gets. Every one that matches. */
  readonly mirrors?: readonly Mirror[];
  /** Faults in attempts of client calls. Every one that matches. */
  readonly faults?: readonly Fault[];
}

/**
 * Another target of the same client: its own channel, endpoints and balancing, with the client's credentials and options unless
 * createMesh was given others.
 */
export interface Cluster {
  /** As in a client's constructor, e.g. "dns:///canary:50051". */
  readonly target: string;
}

/** Where some calls go: to cluster, to the clusters of split, or, with neither, to the client's own target. */
export interface Route {
  /** Unset: every call. */
  readonly match?: CallMatch;
  /** A name under clusters. */
  readonly cluster?: string;
  /** Several clusters, each with its share of the calls. */
  readonly split?: readonly WeightedCluster[];
  /** Calls with the same key go to the same cluster of the split. Unset, or for calls without one: by chance. */
  readonly key?: SplitKey;
}

/** Part of a split. */
export interface WeightedCluster {
  /** A name under clusters. Unset: the client's own target. */
  readonly cluster?: string;
  /**
   * Its share is this out of the sum of all; 0 is none.
   * Range: 0 to 1000000.
   */
  readonly weight: number;
}

/** What tells calls apart for a split. One of them. */
export interface SplitKey {
  /** Value of a metadata key. */
  readonly header?: string;
  /** Whom the call is for. */
  readonly tenant?: boolean;
  /** Field of the request, "user.id". Needs descriptors, and methods in match. */
  readonly field?: string;
}

/** Which calls: those for which everything in it holds. */
export interface CallMatch {
  /** Any of these methods, "pkg.Service/Method", or services, "pkg.Service". Unset: every method. */
  readonly methods?: readonly string[];
  /** Metadata of the call; all of them. */
  readonly headers?: readonly HeaderMatch[];
  /** Fields of the request; all of them. In routes only; needs descriptors, and methods. */
  readonly fields?: readonly FieldMatch[];
}

/** One metadata key. One of exact, prefix, regex and present; without any, present. */
export interface HeaderMatch {
  /** In lower case. Several values count as one, joined by commas; keys that end in "-bin" can't be matched. */
  readonly name: string;
  /** The whole value. */
  readonly exact?: string;
  /** How the value begins. */
  readonly prefix?: string;
  /** Fits the whole value. RE2's syntax without assertions and flags, in linear time. */
  readonly regex?: string;
  /** Whether the call has the key at all. */
  readonly present?: boolean;
  /** Holds where the rest does not. Default false. */
  readonly invert?: boolean;
}

/** One field of the request, compared as text; enums by number. As HeaderMatch otherwise. */
export interface FieldMatch {
  /** Path from the request, "user.region"; no repeated field on the way. */
  readonly field: string;
  /** The whole value. */
  readonly exact?: string;
  /** How the value begins. */
  readonly prefix?: string;
  /** Fits the whole value. */
  readonly regex?: string;
  /** Whether it is set; a field without presence is not where it has its default value. */
  readonly present?: boolean;
  /** Holds where the rest does not. Default false. */
  readonly invert?: boolean;
}

/**
 * Copies of unary calls. They are sent once, are never waited for and never retried, and are marked with inmesh-mirror: 1; what is
 * called for a copy is not copied again.
 */
export interface Mirror {
  /** Unset: every unary call. */
  readonly match?: CallMatch;
  /** A name under clusters. */
  readonly cluster: string;
  /**
   * How many of a hundred calls are copied. Default 100.
   * Range: 0 to 100.
   */
  readonly percent?: number;
  /**
   * Copies that may be unanswered at a time; beyond, none is sent. Default 64.
   * Range: 1 to 10000.
   */
  readonly maxInFlight?: number;
  /**
   * Longest wait for the answer to a copy. Default 5s.
   * More than 0s.
   */
  readonly timeout?: DurationText;
  /** Compare the two answers; needs services. Default false. */
  readonly compare?: boolean;
  /** Fields of the response that may differ, "created_at" or "items.etag". */
  readonly ignoreFields?: readonly string[];
}

/** A delay, an abort, or both: first the one, then the other. */
export interface Fault {
  /** Unset: every call. Not by fields. */
  readonly match?: CallMatch;
  /**
   * How many of a hundred that match, to the call: of any run of them so many, and one more or less. Default 100.
   * Range: 0 to 100.
   */
  readonly percent?: number;
  /**
   * How long they are held back.
   * More than 0s.
   */
  readonly delay?: DurationText;
  /** Status that they end with, by name or number, in place of being sent or served. */
  readonly abort?: StatusCodeText;
  /**
   * Calls that may be held back at a time; beyond, they pass untouched. Default 1000.
   * Range: 1 to 100000.
   */
  readonly maxActive?: number;
}

/** Policy of one method on the client. */
export interface MethodPolicy {
  /**
   * Deadline of calls that come without one. Unset: none is invented. 0s: none, whatever a wider policy says.
   * At least 0s.
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
  /** Sending a call that is not answered yet to another endpoint too. Needs idempotent; takes the place of retry_policy. */
  readonly hedgingPolicy?: HedgingPolicy;
  /** Refuses calls at once while the method keeps failing. Unset: none. */
  readonly breaker?: CircuitBreaker;
  /** Calls in flight at a time, with a number that is found, not given. Unset: no limit. */
  readonly limit?: LimitAlgorithm | AdaptiveLimit;
  /** Answers kept for a while, and calls that ask the same at the same time joined. Only under methods; needs idempotent. */
  readonly cache?: Cache;
  /**
   * Longest time without a message on a stream of the method, either way. Unset: as long as the stream's deadline.
   * More than 0s.
   */
  readonly idleTimeout?: DurationText;
  /** What answers instead of a call that failed. Only under methods. */
  readonly fallback?: Fallback;
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
  /**
   * How long one try of a unary call may take before another is made; for idempotent methods only, never the last try. 0s: no limit.
   * Unset: learned, three times the method's p99 (at least 0.01s) once 100 answers are known.
   * At least 0s.
   */
  readonly perTryTimeout?: DurationText;
  /** A call made while serving a call that is itself a retry is not sent again unless it never ran. Default true. */
  readonly chainStop?: boolean;
}

/** Kept answers of a method that only reads. */
export interface Cache {
  /**
   * How long an answer is given again. Unset: not at all, only calls that are out at the same time are joined.
   * More than 0s.
   */
  readonly ttl?: DurationText;
  /**
   * How long after that it may still stand in for a call that failed. Unset: not at all.
   * More than 0s.
   */
  readonly staleIfError?: DurationText;
  /**
   * Most answers kept. Default 1000.
   * Range: 1 to 10000000.
   */
  readonly maxEntries?: number;
  /**
   * Most bytes kept. Default 16777216.
   * At least 1024.
   */
  readonly maxBytes?: number;
  /** Calls that ask the same at the same time are one call. Default true. */
  readonly singleFlight?: boolean;
  /** Metadata keys that are part of the question. Calls with any other metadata of the application are neither answered nor joined. */
  readonly metadata?: readonly string[];
}

/** What answers instead of a failed unary call: a method of the same types, or the function given to createMesh for it. */
export interface Fallback {
  /** Status codes to answer for, by name or number. Default [UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED]. */
  readonly onStatus?: readonly StatusCodeText[];
  /** The method to call instead, once, with the same request. */
  readonly method?: string;
  /**
   * Longest wait for the answer, even where the call's own deadline is over. Default 1s.
   * More than 0s.
   */
  readonly timeout?: DurationText;
}

/** gRFC A6, but for hedging_delay. Every attempt besides the first draws on retry_budget. */
export interface HedgingPolicy {
  /**
   * Attempts in all, the first included; more than 5 count as 5. Default 2.
   * At least 2.
   */
  readonly maxAttempts?: number;
  /**
   * Time between two attempts. 0s: all at once. Unset: learned, the method's latency at percentile, at least 0.001s. (gRFC A6: unset is 0s.)
   * At least 0s.
   */
  readonly hedgingDelay?: DurationText;
  /**
   * Share of answers that come before the learned delay. Default 0.98: about 2 % more attempts.
   * More than 0.
   */
  readonly percentile?: number;
  /** Status codes after which other attempts go on, by name or number; never OK. Default [UNAVAILABLE]. */
  readonly nonFatalStatusCodes?: readonly StatusCodeText[];
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
  /** gRFC A6's throttle in place of all of these. */
  readonly throttle?: RetryThrottling;
}

/** gRFC A6: retries stop while half of the tokens or fewer are left. */
export interface RetryThrottling {
  /**
   * Tokens at most, and at first; a failure takes one out.
   * More than 0.
   */
  readonly maxTokens: number;
  /**
   * Tokens that an answer with OK puts back; three decimals count.
   * At least 0.001.
   */
  readonly tokenRatio: number;
}

/** Calls that a service would only refuse are not sent (Google's SRE book, chapter 21). */
export interface AdaptiveThrottle {
  /**
   * Calls sent for each that the service takes; beyond, calls are refused with a chance that grows. Default 2.
   * Range: 1 to 1000.
   */
  readonly k?: number;
  /**
   * How far back calls count. Default 120s.
   * Range: 1s to 3600s.
   */
  readonly window?: DurationText;
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
  /**
   * Shares of the slots and of the queue, by name of what "by" says; at most 1 in all, at most 100. What is idle is lent.
   * More than 0.
   */
  readonly partitions?: { readonly [name: string]: number };
  /** What calls are told apart by. TENANT without partitions: each tenant has slots and a queue of its own. */
  readonly by?: PartitionBy;
}

/** A limit of calls in flight that finds its own size from how they go. */
export interface AdaptiveLimit {
  /** Default GRADIENT. */
  readonly algorithm?: LimitAlgorithm;
  /**
   * Calls in flight at first, from min to max. Default 20, or min or max if that is nearer.
   * Range: 1 to 100000.
   */
  readonly initial?: number;
  /**
   * Calls in flight that are always allowed. Default 1.
   * Range: 1 to 100000.
   */
  readonly min?: number;
  /**
   * Calls in flight that are never exceeded, at least min. Default 200, or min if that is more.
   * Range: 1 to 100000.
   */
  readonly max?: number;
  /** Calls that may wait; one more is refused with RESOURCE_EXHAUSTED. Default 0. */
  readonly queue?: number;
  /**
   * Longest wait. Unset: until the call's deadline.
   * More than 0s.
   */
  readonly queueTimeout?: DurationText;
  /**
   * As in Bulkhead, but only together with by.
   * More than 0.
   */
  readonly partitions?: { readonly [name: string]: number };
  /** As in Bulkhead, but only together with partitions. */
  readonly by?: PartitionBy;
}

/** Refuses the calls of a method at once while they keep failing, and tries one now and then. */
export interface CircuitBreaker {
  /**
   * Failed calls in a row that open it. Default 5 where failure_ratio is unset, else any number.
   * At least 1.
   */
  readonly consecutiveFailures?: number;
  /**
   * Share of failed calls within window that opens it. Unset: any share.
   * More than 0.
   */
  readonly failureRatio?: number;
  /**
   * Time over which the share is taken. Default 10s.
   * More than 0s.
   */
  readonly window?: DurationText;
  /**
   * The share counts from so many calls within window on. Default 20.
   * At least 1.
   */
  readonly minimumCalls?: number;
  /**
   * How long it stays open at first; each probe that fails doubles it. Default 1s.
   * More than 0s.
   */
  readonly openTime?: DurationText;
  /**
   * Longest time open, at least open_time. Default 30s.
   * More than 0s.
   */
  readonly maxOpenTime?: DurationText;
  /**
   * Calls let out to probe at a time; as many successes close it. Default 1.
   * Range: 1 to 100.
   */
  readonly halfOpenProbes?: number;
}

/** Endpoints that fail or fall silent get no calls for a while: gRFC A50, and a breaker for each endpoint. Needs balancing of ours. */
export interface OutlierDetection {
  /**
   * Time between two judgements by success rate and failure percentage. Default 10s.
   * At least 0.1s.
   */
  readonly interval?: DurationText;
  /**
   * Length of an endpoint's first ejection by them; each one in a row is longer by as much. Default 30s.
   * More than 0s.
   */
  readonly baseEjectionTime?: DurationText;
  /**
   * Longest ejection by them, at least base_ejection_time. Default 300s.
   * More than 0s.
   */
  readonly maxEjectionTime?: DurationText;
  /** They eject no endpoint while that share of all, or more, is ejected. Default 10. */
  readonly maxEjectionPercent?: number;
  /** Ejects who succeeds far less often than the others. Unset: nobody. */
  readonly successRateEjection?: SuccessRateEjection;
  /** Ejects who fails too often. Unset: nobody. */
  readonly failurePercentageEjection?: FailurePercentageEjection;
  /**
   * Success rates this little below the mean eject nobody; 0 is gRFC A50 to the letter. Default 0.05.
   * Range: 0 to 1.
   */
  readonly minimumGap?: number;
  /**
   * With less than that share of the ready endpoints left, ejections are not heeded. Default 0.5.
   * Range: 0 to 1.
   */
  readonly panicThreshold?: number;
  /** Failures in a row that eject an endpoint until a call on it succeeds; so does silence. 0: neither. Default 5. */
  readonly consecutiveFailures?: number;
}

/** How addresses are looked for, and connections watched. Needs balancing of ours. */
export interface Endpoints {
  /**
   * While there are calls, the name is resolved again so often, or up to a fifth sooner. 0s: only when a connection is lost. Default 1.5s.
   * Range: 0s to 86400s.
   */
  readonly refresh?: DurationText;
  /**
   * A connection that is not ready for calls (TCP, TLS, the peer's HTTP/2 settings) after that time has failed. Default 5s.
   * Range: 0.01s to 3600s.
   */
  readonly connectTimeout?: DurationText;
  /**
   * The connection to an address that the name no longer has is kept that long, without calls, should it come back. Default 10s.
   * Range: 0s to 3600s.
   */
  readonly hold?: DurationText;
  /** A connection that has fallen silent is replaced by a new one to the same address. Default true. */
  readonly rebuild?: boolean;
}

/** Ejects endpoints whose success rate is below the mean by more than stdev_factor / 1000 standard deviations. */
export interface SuccessRateEjection {
  /** Default 1900. */
  readonly stdevFactor?: number;
  /** How many of a hundred that are found out are ejected. Default 100. */
  readonly enforcementPercentage?: number;
  /** From so many endpoints with request_volume on. Default 5. */
  readonly minimumHosts?: number;
  /** Calls within interval that an endpoint must have had to be judged. Default 100. */
  readonly requestVolume?: number;
}

/** Ejects endpoints of whose calls more than threshold percent failed. */
export interface FailurePercentageEjection {
  /** Default 85. */
  readonly threshold?: number;
  /** How many of a hundred that are found out are ejected. Default 100. */
  readonly enforcementPercentage?: number;
  /** From so many endpoints with request_volume on. Default 5. */
  readonly minimumHosts?: number;
  /** Calls within interval that an endpoint must have had to be judged. Default 50. */
  readonly requestVolume?: number;
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
  /**
   * Calls and items of batches in flight at one endpoint, at most. Full endpoints are passed over; when all are full, calls end with
   * RESOURCE_EXHAUSTED. Unset: no limit.
   * At least 1.
   */
  readonly maxInFlight?: number;
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

/** What of itself a client call tells its server: its own wish, or what the call being served says. Nothing where neither says anything. */
export interface Propagation {
  /** How much it matters, as inmesh-priority. Default true. */
  readonly priority?: boolean;
  /** Whom it is for, as inmesh-tenant. Default true. */
  readonly tenant?: boolean;
}

/** Spans and metrics, through the OpenTelemetry API only. */
export interface Telemetry {
  /** Default true. */
  readonly traces?: boolean;
  /** Default true. */
  readonly metrics?: boolean;
  /** A span for each attempt. Default AUTO with `names: semconv`, else ALWAYS. */
  readonly attemptSpans?: AttemptSpans;
  /** Whose names spans and metrics have. Default SEMCONV. */
  readonly names?: TelemetryNames;
  /** Hand trace context on as `grpc-trace-bin` too, and take it where a call brings no other. Default false. */
  readonly grpcTraceBin?: boolean;
  /** Metrics of the retries of each call, by gRPC's names (gRFC A96), whatever names says. Default false. */
  readonly retryMetrics?: boolean;
  /** Metrics of connections and outliers, by gRPC's names (gRFCs A78, A94 and A91), whatever names says. Default false. */
  readonly balancerMetrics?: boolean;
  /** Which calls have a line in the access log. Default OFF. */
  readonly accessLog?: AccessLog;
  /**
   * Lines a second, at most; how many were left out is said. Default 1000.
   * At least 1.
   */
  readonly accessLogPerSecond?: number;
  /** Request metadata that tap and access log may show. Default none. */
  readonly tapMetadata?: readonly string[];
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
  /** Calls served at a time, over all methods, with a number that is found, not given. Unset: no limit. */
  readonly limit?: LimitAlgorithm | AdaptiveLimit;
  /**
   * Time that a call without a deadline of its own may take. Unset: as long as it likes.
   * More than 0s.
   */
  readonly defaultTimeout?: DurationText;
  /**
   * Refuse calls whose deadline is over when they come, up to this fraction of all calls; the rest is served. 0 refuses none. Default 1.
   * Range: 0 to 1.
   */
  readonly lateRejectFraction?: number;
  /** Believe what calls say of their priority and tenant. Only behind clients that may be believed. Default false. */
  readonly trustTraits?: boolean;
  /**
   * Instead of default_timeout, by method, "pkg.Service/Method". 0s: as long as it likes.
   * At least 0s.
   */
  readonly methodTimeouts?: { readonly [name: string]: DurationText };
  /** Faults in calls that are served. Every one that matches. */
  readonly faults?: readonly Fault[];
}

/**
 * What calls are told apart by.
 *
 * - `tenant`: Whom the call is for.
 * - `priority`: How much the call matters: critical, default or sheddable.
 * - `method`: Its method, "pkg.Service/Method"; for limits of more than one method only.
 */
export type PartitionBy = 'tenant' | 'priority' | 'method';

/**
 * How a limit finds its size.
 *
 * - `gradient`: Median latency now against the median at little concurrency, as Envoy does it.
 * - `gradient2`: Latency now against its long average, as Netflix's Gradient2.
 * - `vegas`: Latency now against the fastest, as TCP Vegas; for latencies that hardly vary.
 * - `aimd`: One more while all is well, a tenth less when calls fail or are late; takes no notice of latency.
 */
export type LimitAlgorithm = 'gradient' | 'gradient2' | 'vegas' | 'aimd';

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
 * Whose names spans and metrics have.
 *
 * - `semconv`: OpenTelemetry's stable RPC conventions.
 * - `grpc`: gRPC's own: A72 for spans, A66, A96, A78 and A94 for metrics.
 * - `both`: The conventions' names, with all that gRPC's add.
 */
export type TelemetryNames = 'semconv' | 'grpc' | 'both';

/**
 * Which calls have a line in the access log.
 *
 * - `off`: None.
 * - `failed`: Those that did not end OK.
 * - `all`: All.
 */
export type AccessLog = 'off' | 'failed' | 'all';

/**
 * When attempts get spans of their own.
 *
 * - `auto`: From the second attempt on; the first one's is back-dated.
 * - `always`: For every attempt (gRFC A72).
 * - `off`: Never.
 */
export type AttemptSpans = 'auto' | 'always' | 'off';

const partitionByRule: Rule<PartitionBy> = oneOf('tenant', 'priority', 'method');

const limitAlgorithmRule: Rule<LimitAlgorithm> = oneOf('gradient', 'gradient2', 'vegas', 'aimd');

const balancePolicyRule: Rule<BalancePolicy> = oneOf('peak_ewma', 'off');

const carrierFormRule: Rule<CarrierForm> = oneOf('auto', 'envelope', 'tunnel');

const flushRuleRule: Rule<FlushRule> = oneOf('natural', 'tick', 'window', 'tikv', 'cassandra', 'forecast');

const coalesceModeRule: Rule<CoalesceMode> = oneOf('auto', 'never');

const matchRule: Rule<Match> = oneOf('index', 'key', 'map');

const missingRule: Rule<Missing> = oneOf('not_found', 'default_value', 'internal_error');

const onBatchErrorRule: Rule<OnBatchError> = oneOf('fail_all', 'retry_singles', 'bisect');

const telemetryNamesRule: Rule<TelemetryNames> = oneOf('semconv', 'grpc', 'both');

const accessLogRule: Rule<AccessLog> = oneOf('off', 'failed', 'all');

const attemptSpansRule: Rule<AttemptSpans> = oneOf('auto', 'always', 'off');

const retryPolicyRule: Rule<RetryPolicy> = fields<RetryPolicy>({
  maxAttempts: integer({ min: 1 }),
  initialBackoff: duration({ positive: true }),
  maxBackoff: duration({ positive: true }),
  backoffMultiplier: double({ positive: true }),
  retryableStatusCodes: list(statusCode(), 1),
  perTryTimeout: duration({ min: 0 }),
  chainStop: bool(),
});

const bulkheadRule: Rule<Bulkhead> = fields<Bulkhead>({
  slots: integer({ min: 1 }),
  queue: integer(),
  queueTimeout: duration({ positive: true }),
  partitions: table(text(), double({ max: 1, positive: true })),
  by: partitionByRule,
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

const hedgingPolicyRule: Rule<HedgingPolicy> = fields<HedgingPolicy>({
  maxAttempts: integer({ min: 2 }),
  hedgingDelay: duration({ min: 0 }),
  percentile: double({ max: 1, positive: true }),
  nonFatalStatusCodes: list(statusCode()),
});

const circuitBreakerRule: Rule<CircuitBreaker> = fields<CircuitBreaker>({
  consecutiveFailures: integer({ min: 1 }),
  failureRatio: double({ max: 1, positive: true }),
  window: duration({ positive: true }),
  minimumCalls: integer({ min: 1 }),
  openTime: duration({ positive: true }),
  maxOpenTime: duration({ positive: true }),
  halfOpenProbes: integer({ min: 1, max: 100 }),
});

const adaptiveLimitRule: Rule<AdaptiveLimit> = shorthand('algorithm', fields<AdaptiveLimit>({
  algorithm: limitAlgorithmRule,
  initial: integer({ min: 1, max: 100000 }),
  min: integer({ min: 1, max: 100000 }),
  max: integer({ min: 1, max: 100000 }),
  queue: integer(),
  queueTimeout: duration({ positive: true }),
  partitions: table(text(), double({ max: 1, positive: true })),
  by: partitionByRule,
}, { shorthands: ['gradient', 'gradient2', 'vegas', 'aimd'] }));

const cacheRule: Rule<Cache> = fields<Cache>({
  ttl: duration({ positive: true }),
  staleIfError: duration({ positive: true }),
  maxEntries: integer({ min: 1, max: 10000000 }),
  maxBytes: integer({ min: 1024 }),
  singleFlight: bool(),
  metadata: list(text()),
});

const fallbackRule: Rule<Fallback> = fields<Fallback>({
  onStatus: list(statusCode(), 1),
  method: name({ method: true }, 'value'),
  timeout: duration({ positive: true }),
});

const methodPolicyRule: Rule<MethodPolicy> = fields<MethodPolicy>({
  timeout: duration({ min: 0 }),
  idempotent: bool(),
  retryPolicy: retryPolicyRule,
  bulkhead: bulkheadRule,
  coalesce: coalesceModeRule,
  batch: batchRuleRule,
  hedgingPolicy: hedgingPolicyRule,
  breaker: circuitBreakerRule,
  limit: adaptiveLimitRule,
  cache: cacheRule,
  idleTimeout: duration({ positive: true }),
  fallback: fallbackRule,
});

const retryThrottlingRule: Rule<RetryThrottling> = fields<RetryThrottling>({
  maxTokens: double({ max: 1000, positive: true }),
  tokenRatio: double({ min: 0.001 }),
}, { required: ['maxTokens', 'tokenRatio'] });

const retryBudgetRule: Rule<RetryBudget> = fields<RetryBudget>({
  ratio: double({ min: 0, max: 1000 }),
  minPerSecond: double({ min: 0, max: 1000000 }),
  ttl: duration({ min: 1, max: 60 }),
  throttle: retryThrottlingRule,
});

const balanceRule: Rule<Balance> = shorthand('policy', fields<Balance>({
  policy: balancePolicyRule,
  decay: duration({ positive: true }),
  maxInFlight: integer({ min: 1 }),
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
  names: telemetryNamesRule,
  grpcTraceBin: bool(),
  retryMetrics: bool(),
  balancerMetrics: bool(),
  accessLog: accessLogRule,
  accessLogPerSecond: integer({ min: 1 }),
  tapMetadata: list(metadataKey()),
});

const authorizationRule: Rule<Authorization> = fields<Authorization>({
  file: text(),
  refresh: duration({ positive: true }),
}, { required: ['file'] });

const headerMatchRule: Rule<HeaderMatch> = fields<HeaderMatch>({
  name: text(),
  exact: text(),
  prefix: text(),
  regex: text(),
  present: bool(),
  invert: bool(),
}, { required: ['name'] });

const fieldMatchRule: Rule<FieldMatch> = fields<FieldMatch>({
  field: text(),
  exact: text(),
  prefix: text(),
  regex: text(),
  present: bool(),
  invert: bool(),
}, { required: ['field'] });

const callMatchRule: Rule<CallMatch> = fields<CallMatch>({
  methods: list(name({ method: true, service: true }, 'value'), 1),
  headers: list(headerMatchRule),
  fields: list(fieldMatchRule),
});

const faultRule: Rule<Fault> = fields<Fault>({
  match: callMatchRule,
  percent: double({ min: 0, max: 100 }),
  delay: duration({ positive: true }),
  abort: statusCode(),
  maxActive: integer({ min: 1, max: 100000 }),
});

const serverPolicyRule: Rule<ServerPolicy> = fields<ServerPolicy>({
  bulkhead: bulkheadRule,
  methodBulkheads: table(name({ method: true }, 'key'), bulkheadRule),
  carriers: bool(),
  maxItems: integer({ min: 1, max: 65536 }),
  authorization: authorizationRule,
  tunnels: bool(),
  limit: adaptiveLimitRule,
  defaultTimeout: duration({ positive: true }),
  lateRejectFraction: double({ min: 0, max: 1 }),
  trustTraits: bool(),
  methodTimeouts: table(name({ method: true }, 'key'), duration({ min: 0 })),
  faults: list(faultRule),
});

const propagationRule: Rule<Propagation> = fields<Propagation>({
  priority: bool(),
  tenant: bool(),
});

const adaptiveThrottleRule: Rule<AdaptiveThrottle> = fields<AdaptiveThrottle>({
  k: double({ min: 1, max: 1000 }),
  window: duration({ min: 1, max: 3600 }),
});

const successRateEjectionRule: Rule<SuccessRateEjection> = fields<SuccessRateEjection>({
  stdevFactor: integer(),
  enforcementPercentage: integer({ max: 100 }),
  minimumHosts: integer(),
  requestVolume: integer(),
});

const failurePercentageEjectionRule: Rule<FailurePercentageEjection> = fields<FailurePercentageEjection>({
  threshold: integer({ max: 100 }),
  enforcementPercentage: integer({ max: 100 }),
  minimumHosts: integer(),
  requestVolume: integer(),
});

const outlierDetectionRule: Rule<OutlierDetection> = fields<OutlierDetection>({
  interval: duration({ min: 0.1 }),
  baseEjectionTime: duration({ positive: true }),
  maxEjectionTime: duration({ positive: true }),
  maxEjectionPercent: integer({ max: 100 }),
  successRateEjection: successRateEjectionRule,
  failurePercentageEjection: failurePercentageEjectionRule,
  minimumGap: double({ min: 0, max: 1 }),
  panicThreshold: double({ min: 0, max: 1 }),
  consecutiveFailures: integer(),
});

const endpointsRule: Rule<Endpoints> = fields<Endpoints>({
  refresh: duration({ min: 0, max: 86400 }),
  connectTimeout: duration({ min: 0.01, max: 3600 }),
  hold: duration({ min: 0, max: 3600 }),
  rebuild: bool(),
});

const clusterRule: Rule<Cluster> = fields<Cluster>({
  target: text(),
}, { required: ['target'] });

const weightedClusterRule: Rule<WeightedCluster> = fields<WeightedCluster>({
  cluster: text(),
  weight: double({ min: 0, max: 1000000 }),
}, { required: ['weight'] });

const splitKeyRule: Rule<SplitKey> = fields<SplitKey>({
  header: text(),
  tenant: bool(),
  field: text(),
});

const routeRule: Rule<Route> = fields<Route>({
  match: callMatchRule,
  cluster: text(),
  split: list(weightedClusterRule, 1),
  key: splitKeyRule,
});

const mirrorRule: Rule<Mirror> = fields<Mirror>({
  match: callMatchRule,
  cluster: text(),
  percent: double({ min: 0, max: 100 }),
  maxInFlight: integer({ min: 1, max: 10000 }),
  timeout: duration({ positive: true }),
  compare: bool(),
  ignoreFields: list(text()),
}, { required: ['cluster'] });

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
  propagation: propagationRule,
  adaptiveThrottle: adaptiveThrottleRule,
  outlierDetection: outlierDetectionRule,
  endpoints: endpointsRule,
  clusters: table(text(), clusterRule),
  routes: list(routeRule),
  mirrors: list(mirrorRule),
  faults: list(faultRule),
});
