/**
 * What a mesh is given, and what it shows of itself.
 *
 * @packageDocumentation
 */
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { AuditLogger } from './auth/audit.ts';
import type { AuthorizationStats } from './auth/guard.ts';
import type { BalanceCounts } from './balance/counts.ts';
import type { GatherCounts } from './batch/gather.ts';
import type { Descriptors } from './batch/native/sources.ts';
import type { BreakerStats } from './breaker/breakers.ts';
import type { CallCounts, ServerCounts } from './call-counts.ts';
import type { Clock } from './clock.ts';
import type { EndpointStats } from './grpc/client-doors.ts';
import type { CoalesceStats } from './grpc/coalesce-stats.ts';
import type { NativeCounts } from './grpc/native-batcher.ts';
import type { RetryOnResponse } from './grpc/retry-settings.ts';
import type { AnswerDependencies, AnswerStats } from './mesh-answers.ts';
import type { MeshLimitStats } from './mesh-limits.ts';
import type { TrafficDependencies, TrafficStats } from './mesh-traffic.ts';
import type { Otel } from './observe/api.ts';
import type { BaggageCounts } from './observe/baggage.ts';
import type { PolicyView } from './observe/views.ts';
import type { Random } from './random.ts';
import type { ResetCounts } from './resets/reset-budget.ts';
import type { BudgetCounts } from './retry/budgets.ts';

/** Things that a mesh uses and that tests or bundles may replace. */
export interface MeshDependencies extends AnswerDependencies, TrafficDependencies {
  /** Default: the real clock. */
  readonly clock?: Clock;
  /** Default: `Math.random`. */
  readonly random?: Random;
  /** Takes the few lines that the mesh has to say (never metadata or messages). Default: `process.emitWarning`. */
  readonly warn?: (line: string) => void;
  /** Takes the lines of the access log (`telemetry.accessLog`), without their line breaks. Default: `process.stdout`. */
  readonly log?: (line: string) => void;
  /** The OpenTelemetry API, for bundles in which `@opentelemetry/api` can't be found at run time. Default: the installed one. */
  readonly otel?: Otel;
  /** Audit loggers that `server.authorization` may name (gRFC A59), besides `stdout_logger`. */
  readonly auditLoggers?: Readonly<Record<string, AuditLogger>>;
  /**
   * True: this answer with OK is no good, ask again. For unary methods marked idempotent, within the budget; when no attempt is
   * left, the last answer is the app's. `response` is what the door has: the message, or its bytes with `client()` and `wrap()`.
   */
  readonly retryOnResponse?: RetryOnResponse;
  /** The services' descriptors, for batch rules and `idempotency_level`: `buf build -o image.binpb`, or what proto-loader gave. */
  readonly descriptors?: Descriptors;
}

/** What `mesh.stats()` shows: plain numbers, ready for JSON. */
export interface MeshStats extends AnswerStats {
  readonly client: Readonly<CallCounts> & {
    readonly retries: number;
    /** Attempts of hedged calls besides the first of each. */
    readonly hedges: number;
    /** Streams that their callers gave up. */
    readonly resets: Readonly<ResetCounts>;
  };
  readonly server: Readonly<ServerCounts> & {
    readonly carriers: number;
    readonly tunnels: number;
    readonly items: number;
    /** Calls of batch handlers. */
    readonly gathered: Readonly<GatherCounts>;
    /** Where `server.authorization` is set. */
    readonly authorization?: AuthorizationStats;
  };
  /** What could be sent again now, by service: retries, hedges and items of batches draw from it. */
  readonly budgets: Readonly<Record<string, number>>;
  /** What those budgets have paid for so far, and what not. */
  readonly budgetCounts: Readonly<Record<string, BudgetCounts>>;
  readonly coalesce: CoalesceStats;
  /** Calls merged into their services' own batch methods. */
  readonly native: Readonly<NativeCounts>;
  /** Breakers by method: those that were needed so far. */
  readonly breakers: Readonly<Record<string, BreakerStats>>;
  /** Adaptive limits that calls have met, by path; under `server`, that of the server. */
  readonly limits: MeshLimitStats;
  /** Members of trace baggage that were too many or too long, and dropped. */
  readonly baggage: Readonly<BaggageCounts>;
  /** Endpoints by target, where the balancing is ours. */
  readonly endpoints: Readonly<Record<string, readonly EndpointStats[]>>;
  /** What has happened to connections and endpoints so far, by target. */
  readonly balance: Readonly<Record<string, BalanceCounts>>;
  /** Routes, mirrors and faults. */
  readonly traffic: TrafficStats;
  /** The policy in force, and how often it was reloaded. */
  readonly policy: PolicyView;
}

/** What `mesh.attach` can be told of a server that was not made with `mesh.server()`. */
export interface AttachOptions {
  /** Every server-wide interceptor of that server, in its order. */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Every interceptor in the credentials of its ports, in their order. */
  readonly credentialInterceptors?: readonly ServerInterceptor[];
}
