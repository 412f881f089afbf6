/**
 * What a mesh shows of itself at run time, ready for JSON: the admin server sends it, the live page and the command line draw it.
 * Numbers are plain, times are milliseconds, shares are 0 to 1. Never a metadata value that was not allowed by name, never a body.
 *
 * @packageDocumentation
 */

/** Which half of a mesh. */
export type Side = 'client' | 'server';

/** What took a call along: alone on its own stream, or with others. */
export type Ride = 'plain' | 'envelope' | 'tunnel' | 'native';

/** One call that has ended: what tap shows, what an access log has in a line. */
export interface CallView {
  readonly side: Side;
  /** `pkg.Service/Method`. */
  readonly method: string;
  /** The channel's target on the client, empty on the server. */
  readonly target: string;
  /** When it began, ms since 1970. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Name of the status code: `OK`, `UNAVAILABLE`. */
  readonly status: string;
  /** Who refused it and why, if it was one of us: `client.bulkhead/queue-full`. */
  readonly reason?: string;
  /** Attempts begun; 0: it never got as far. */
  readonly attempts: number;
  /** Of those, hedges. */
  readonly hedges: number;
  /** Endpoints asked, in order, at most 8; on the server the peer. */
  readonly endpoints: readonly string[];
  /** How long it waited for a turn in queues of ours. */
  readonly queuedMs: number;
  readonly ride: Ride;
  /** Allow-listed request metadata. */
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

/** Latencies of the last ten seconds, in ms; 0 where there were no calls. */
export interface LatencyView {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** One point a second, the oldest first, 60 of them; the running second is not among them. */
export interface HistoryView {
  readonly calls: readonly number[];
  readonly failed: readonly number[];
  readonly attempts: readonly number[];
  readonly p99Ms: readonly number[];
}

/** One method, on one side. */
export interface MethodView {
  readonly side: Side;
  /** `pkg.Service/Method`, or `_OTHER` beyond the cap. */
  readonly method: string;
  /** Since the start. */
  readonly calls: number;
  readonly active: number;
  readonly failed: number;
  /** Refused by us. */
  readonly refused: number;
  readonly attempts: number;
  readonly retries: number;
  readonly hedges: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** Over the last ten seconds: what the app sees (effective) against what is on the wire (actual). */
  readonly callsPerSecond: number;
  readonly attemptsPerSecond: number;
  /** Share of calls that ended OK in the last ten seconds; 1 where there were none. */
  readonly success: number;
  /** The same of attempts. */
  readonly attemptSuccess: number;
  readonly latencyMs: LatencyView;
  readonly history: HistoryView;
  /** Since the start: calls that took at most each of `DURATION_BOUNDARIES` (0.005 s to 10 s), then all. */
  readonly durationCounts?: readonly number[];
  /** Time that all ended calls took. */
  readonly durationSumMs?: number;
}

/** One endpoint of one target. */
export interface EndpointView {
  readonly target: string;
  readonly address: string;
  readonly state: string;
  readonly ready: boolean;
  readonly inFlight: number;
  /** Peak EWMA of its answers; 0: unknown. */
  readonly latencyMs: number;
  readonly ejected: boolean;
  /** Why: `failures`, `silence`, `outlier`. */
  readonly ejectedFor?: string;
  /** When it may have calls again, as far as is known. */
  readonly ejectedUntilMs?: number;
  readonly ejections: number;
  readonly rebuilds: number;
  readonly dropShare: number;
  /** Answered picks since the start, and its share among the target's in the last ten seconds. */
  readonly picks: number;
  readonly share: number;
}

/** A breaker that exists. */
export interface BreakerView {
  readonly method: string;
  readonly state: string;
  readonly opened: number;
  readonly refused: number;
}

/** A bulkhead or an adaptive limit. */
export interface LimitView {
  readonly side: Side;
  /** What it holds for: a method, a tenant, the whole server. */
  readonly key: string;
  readonly kind: 'bulkhead' | 'limit';
  readonly limit: number;
  readonly inUse: number;
  readonly queued: number;
  readonly refused: number;
}

/** What could be sent again now. */
export interface BudgetView {
  readonly service: string;
  readonly balance: number;
  /** How much it could be at most; undefined where that is not fixed. */
  readonly max?: number;
}

/** Coalescing. */
export interface BatchView {
  readonly carriers: number;
  readonly items: number;
  readonly tunnels: number;
  /** Upper bounds, then counts, of the sizes of batches. */
  readonly sizes: { readonly upTo: readonly number[]; readonly counts: readonly number[] };
  /** Stage wait before a batch went out. */
  readonly waitMs: LatencyView;
  readonly flushReasons: Readonly<Record<string, number>>;
  readonly bypassReasons: Readonly<Record<string, number>>;
  readonly turnedAway: number;
  readonly late: number;
  readonly ambiguous: number;
}

/** Who calls our servers: at most 64, then `_OTHER`. */
export interface PeerView {
  /** Address without the port. */
  readonly peer: string;
  readonly calls: number;
  readonly callsPerSecond: number;
}

/** Something worth knowing has happened. */
export interface EventView {
  /** Counts up by one; a gap means that the log has forgotten some. */
  readonly seq: number;
  /** Ms since 1970. */
  readonly atMs: number;
  /** `endpoint.ejected`, `endpoint.back`, `endpoint.added`, `endpoint.removed`, `endpoint.state`, `breaker.state`, `call.refused`, `mesh.said`, `mesh.drain`, ... */
  readonly kind: string;
  readonly level: 'info' | 'warn';
  /** Which method, endpoint or service. */
  readonly subject: string;
  /** Why, in the form of `inmesh-reason` where there is one. */
  readonly reason?: string;
  /** A sentence. */
  readonly text: string;
  /** How many times, where several were put into one (at most one a second for each kind, subject and reason). */
  readonly times: number;
}

/** The process. */
export interface ProcessView {
  /** `OTEL_SERVICE_NAME`, else the package's name, else `node`. */
  readonly service: string;
  readonly pid: number;
  readonly node: string;
  readonly inmesh: string;
  readonly uptimeMs: number;
  /** Takes no more calls. */
  readonly draining: boolean;
}

/** The policy in force. */
export interface PolicyView {
  /** The same for documents that say the same: which version a process has is seen by it. */
  readonly hash: string;
  /** Since when it is in force, ms since 1970. */
  readonly sinceMs: number;
  /** How often another policy was put in force, and how often one was refused. */
  readonly reloads: number;
  readonly rejected: number;
  /** Fields of the last document that wait for a restart: `policy.balance.policy`. */
  readonly pending: readonly string[];
  /** The file that is watched. */
  readonly file?: string;
  /** Why the file as it is now is not in force, its first line. Absent: it is. */
  readonly problem?: string;
}

/** Everything at once: what the page asks for each second. */
export interface OverviewView {
  /** Ms since 1970. */
  readonly atMs: number;
  readonly process: ProcessView;
  readonly methods: readonly MethodView[];
  readonly endpoints: readonly EndpointView[];
  readonly breakers: readonly BreakerView[];
  readonly limits: readonly LimitView[];
  readonly budgets: readonly BudgetView[];
  readonly batches: {
    readonly client: BatchView;
    readonly server: { readonly carriers: number; readonly tunnels: number; readonly items: number };
  };
  readonly peers: readonly PeerView[];
  readonly policy: PolicyView;
  /** The last 100, the oldest first. */
  readonly events: readonly EventView[];
}

/** Where the value of a policy field comes from; `policy`: from a field of the document that holds for the whole mesh. */
export type OriginKind = 'call' | 'methods' | 'services' | 'declared' | 'service-config' | 'policy' | 'defaults' | 'built-in';

/** One effective value of a method. */
export interface ExplainedView {
  /** Field as in policy: `retryPolicy.maxAttempts`. */
  readonly field: string;
  /** As policy would write it (`"0.5s"`, `3`, `true`); null: unset, nothing is done. */
  readonly value: unknown;
  readonly origin: OriginKind;
  /** Path in the document: `policy.services["a.B"].timeout`; for `declared` the file's option; for `built-in` `docs/<page>.md`. */
  readonly where: string;
}

/** What holds for one method, each value with its origin. */
export interface ExplainView {
  readonly method: string;
  readonly values: readonly ExplainedView[];
}
