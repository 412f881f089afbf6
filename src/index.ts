/**
 * inmesh: the service mesh inside your gRPC client and server.
 *
 * @packageDocumentation
 */
export {
  attemptInterceptor,
  balanceOptions,
  bulkheadInterceptor,
  bulkheadServerInterceptor,
  type CoalesceInterceptorOptions,
  coalesceInterceptor,
  type DeadlineOptions,
  deadlineInterceptor,
  deadlineServerInterceptor,
  metricsInterceptor,
  metricsServerInterceptor,
  type RetryInterceptorOptions,
  retryInterceptor,
  tracingInterceptor,
  tracingServerInterceptor,
} from '../interceptors/index.ts';
export {
  type AuthorizationOptions,
  type AuthorizationServerInterceptor,
  authorizationServerInterceptor,
} from '../interceptors/standalone/authorization.ts';
export type { AuditEvent, AuditLogger } from './auth/audit.ts';
export type { AuthorizationStats } from './auth/guard.ts';
export type {
  AuditCondition,
  AuditLoggerConfig,
  AuditLoggingOptions,
  AuthorizationHeader,
  AuthorizationPolicy,
  AuthorizationRule,
} from './auth/policy.ts';
export type { BalanceOptions } from './balance/options.ts';
export type { GatherOptions } from './batch/gather-options.ts';
export type { Descriptors } from './batch/native/sources.ts';
export type { CoalesceOptions } from './batch/options.ts';
export type { BulkheadOptions } from './bulkhead/options.ts';
export type { InmeshCallOptions } from './call.ts';
export type { CancelTimer, Clock } from './clock.ts';
export { AMBIGUOUS_KEY, ConfigError, LOCAL, REASON_KEY, UsageError } from './errors.ts';
export type { BatchHandler, BatchHandlerOptions, BatchRun } from './grpc/batch-handler.ts';
export type { BatchItem } from './grpc/batch-handler-item.ts';
export type { BatchReply } from './grpc/batch-handler-reply.ts';
export type { PromiseCallOptions, PromiseMethod, PromiseMethods, WrapOptions, WrappedClient } from './grpc/client-door-types.ts';
export type { CoalesceStats, DeniedStats, PartitionStats, TunnelStats } from './grpc/coalesce-stats.ts';
export type { Forward, ForwardedService, ForwardOptions } from './grpc/forward.ts';
export { serverCredentialsWithInterceptors } from './grpc/port-lists.ts';
export type { WorkerCall, WorkerHandler } from './grpc/worker-call.ts';
export type { WorkerService, WorkerStats, Workers } from './grpc/worker-service.ts';
export { createMesh, loadMesh, Mesh } from './mesh.ts';
export { MeshServer, type MeshServerOptions } from './mesh-server.ts';
export type { AttachOptions, EndpointStats, MeshDependencies, MeshStats } from './mesh-types.ts';
export type { MetricsOptions, TracingOptions } from './observe/options.ts';
export type * from './policy/policy.gen.ts';
export type { Random } from './random.ts';
export type { RetryBudgetOptions, RetryOptions } from './retry/options.ts';
export type { WorkersOptions } from './workers/options.ts';

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    /** Wishes for this one call; see `InmeshCallOptions`. */
    inmesh?: import('./call.ts').InmeshCallOptions;
  }
}
