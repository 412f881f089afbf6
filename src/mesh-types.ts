/**
 * What a mesh is given, and what it shows of itself.
 *
 * @packageDocumentation
 */
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { CallCounts } from '../interceptors/count.ts';
import type { AuditLogger } from './auth/audit.ts';
import type { AuthorizationStats } from './auth/guard.ts';
import type { GatherCounts } from './batch/gather.ts';
import type { Descriptors } from './batch/native/sources.ts';
import type { Clock } from './clock.ts';
import type { CoalesceStats } from './grpc/coalesce-stats.ts';
import type { NativeCounts } from './grpc/native-batcher.ts';
import type { Otel } from './observe/api.ts';
import type { Random } from './random.ts';

/** Things that a mesh uses and that tests or bundles may replace. */
export interface MeshDependencies {
  /** Default: the real clock. */
  readonly clock?: Clock;
  /** Default: `Math.random`. */
  readonly random?: Random;
  /** Takes the few lines that the mesh has to say (never metadata or messages). Default: `process.emitWarning`. */
  readonly warn?: (line: string) => void;
  /** The OpenTelemetry API, for bundles in which `@opentelemetry/api` can't be found at run time. Default: the installed one. */
  readonly otel?: Otel;
  /** Audit loggers that `server.authorization` may name (gRFC A59), besides `stdout_logger`. */
  readonly auditLoggers?: Readonly<Record<string, AuditLogger>>;
  /** The services' descriptors, for batch rules and `idempotency_level`: `buf build -o image.binpb`, or what proto-loader gave. */
  readonly descriptors?: Descriptors;
}

/** What `mesh.stats()` shows: plain numbers, ready for JSON. */
export interface MeshStats {
  readonly client: Readonly<CallCounts> & { readonly retries: number };
  readonly server: Readonly<CallCounts> & {
    readonly carriers: number;
    readonly tunnels: number;
    readonly items: number;
    /** Calls of batch handlers. */
    readonly gathered: Readonly<GatherCounts>;
    /** Where `server.authorization` is set. */
    readonly authorization?: AuthorizationStats;
  };
  readonly coalesce: CoalesceStats;
  /** Calls merged into their services' own batch methods. */
  readonly native: Readonly<NativeCounts>;
  /** Endpoints by target, where the balancing is ours. */
  readonly endpoints: Readonly<Record<string, readonly EndpointStats[]>>;
}

/** One endpoint now. */
export interface EndpointStats {
  readonly address: string;
  readonly ready: boolean;
  /** Calls and items in flight. */
  readonly inFlight: number;
  /** Peak EWMA of its answers in ms; 0: unknown. */
  readonly latencyMs: number;
}

/** What `mesh.attach` can be told of a server that was not made with `mesh.server()`. */
export interface AttachOptions {
  /** Every server-wide interceptor of that server, in its order. */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Every interceptor in the credentials of its ports, in their order. */
  readonly credentialInterceptors?: readonly ServerInterceptor[];
}
