/**
 * inmesh: the service mesh inside your gRPC client and server.
 *
 * @packageDocumentation
 */

export type { CacheStats } from '../interceptors/cache.ts';
export {
  attemptInterceptor,
  attemptMetricsInterceptor,
  balanceOptions,
  bulkheadInterceptor,
  bulkheadServerInterceptor,
  type CoalesceInterceptorOptions,
  coalesceInterceptor,
  type DeadlineOptions,
  type DeadlineServerOptions,
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
export { type BreakerInterceptor, type BreakerInterceptorOptions, breakerInterceptor } from '../interceptors/standalone/breaker.ts';
export { type CacheInterceptor, type CacheInterceptorOptions, cacheInterceptor } from '../interceptors/standalone/cache.ts';
export { type FallbackInterceptorOptions, fallbackInterceptor } from '../interceptors/standalone/fallback.ts';
export { faultInterceptor, faultServerInterceptor } from '../interceptors/standalone/fault.ts';
export { type HedgeInterceptorOptions, hedgeInterceptor } from '../interceptors/standalone/hedge.ts';
export { limitInterceptor, limitServerInterceptor } from '../interceptors/standalone/limit.ts';
export { type MirrorInterceptor, type MirrorInterceptorOptions, mirrorInterceptor } from '../interceptors/standalone/mirror.ts';
export { policyInterceptor } from '../interceptors/standalone/policy.ts';
export { type RouteInterceptorOptions, routeInterceptor } from '../interceptors/standalone/route.ts';
export type { AdminOptions } from './admin/options.ts';
export type { AdminServer } from './admin/server.ts';
export type { MeshState } from './admin/source.ts';
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
export type { BreakerState } from './breaker/breaker.ts';
export type { BreakerHandle, BreakerStats } from './breaker/breakers.ts';
export type { FailureCounter } from './breaker/counters.ts';
export type { BreakerOptions } from './breaker/options.ts';
export type { BulkheadBy, BulkheadOptions } from './bulkhead/options.ts';
export type { CacheOptions } from './cache/options.ts';
export type { InmeshCallOptions, Priority } from './call.ts';
export type { CancelTimer, Clock } from './clock.ts';
export { type CallTraits, servedTraits } from './deadline/call-scope.ts';
export type { EndpointOptions } from './endpoints/options.ts';
export { AMBIGUOUS_KEY, ConfigError, LOCAL, REASON_KEY, UsageError } from './errors.ts';
export type { FallbackFailure, FallbackFunction } from './fallback/options.ts';
export type { FaultCounts } from './fault/faults.ts';
export type { FaultOptions } from './fault/options.ts';
export type { BatchHandler, BatchHandlerOptions, BatchRun } from './grpc/batch-handler.ts';
export type { BatchItem } from './grpc/batch-handler-item.ts';
export type { BatchReply } from './grpc/batch-handler-reply.ts';
export type {
  MeshClientOptions,
  PromiseCallOptions,
  PromiseMethod,
  PromiseMethods,
  WrapOptions,
  WrappedClient,
} from './grpc/client-door-types.ts';
export type { EndpointStats } from './grpc/client-doors.ts';
export type { CoalesceStats, DeniedStats, PartitionStats, TunnelStats } from './grpc/coalesce-stats.ts';
export type { FallbackCounts } from './grpc/fallback-call.ts';
export type { Forward, ForwardedService, ForwardOptions } from './grpc/forward.ts';
export type { UnaryPolicy } from './grpc/policy-call.ts';
export { serverCredentialsWithInterceptors } from './grpc/port-lists.ts';
export { type ReflectDescriptorsOptions, reflectDescriptors } from './grpc/reflection.ts';
export type { RetryOnResponse } from './grpc/retry-settings.ts';
export type { BatchHandled, BatchHandlersOf, TypedBatches } from './grpc/typed-batches.ts';
export type { TypedClient, TypedMethod, TypedMethodDefinition } from './grpc/typed-client.ts';
export type { Requests } from './grpc/typed-streams.ts';
export { type Validator, type Validators, validatedClient, validatedHandlers } from './grpc/typed-validation.ts';
export type { FieldViolation } from './grpc/typed-violations.ts';
export type { UnaryPolicies } from './grpc/unary-policies.ts';
export type { WorkerCall, WorkerHandler } from './grpc/worker-call.ts';
export type { WorkerService, WorkerStats, Workers } from './grpc/worker-service.ts';
export type { HedgeOptions } from './hedge/options.ts';
export type { LimitStats } from './limit/limiter.ts';
export type { AdaptiveLimitOptions, LimitAlgorithmName } from './limit/options.ts';
export { createMesh, loadMesh, Mesh } from './mesh.ts';
export type { MeshAdmin } from './mesh-admin.ts';
export type { LoadOptions } from './mesh-file.ts';
export type { ReloadResult } from './mesh-policy.ts';
export { MeshServer, type MeshServerOptions } from './mesh-server.ts';
export type { ClusterDependencies, TrafficDependencies, TrafficStats } from './mesh-traffic.ts';
export type { AttachOptions, MeshDependencies, MeshStats } from './mesh-types.ts';
export type { MirrorStats } from './mirror/mirrors.ts';
export type { MirrorOptions } from './mirror/options.ts';
export type { MetricsOptions, TracingOptions } from './observe/options.ts';
export { renderPrometheus } from './observe/prometheus.ts';
export type * from './observe/views.ts';
export type { FailurePercentageOptions, OutlierOptions, SuccessRateOptions } from './outlier/options.ts';
export type * from './policy/policy.gen.ts';
export { type ConvertedConfig, policyFromServiceConfig } from './policy/service-config-document.ts';
export type { WatchOptions } from './policy/watch-files.ts';
export type { Random } from './random.ts';
export type { ReflectOptions } from './reflect/options.ts';
export { ReflectionError } from './reflect/reflection-error.ts';
export type { AdaptiveThrottleOptions } from './retry/adaptive-throttle.ts';
export type { RetryBudgetOptions, RetryOptions, ThrottleOptions } from './retry/options.ts';
export type { CallMatchOptions, HeaderOptions } from './route/match.ts';
export type { FieldOptions, RouteMatchOptions, RouteOptions, SplitKeyOptions } from './route/options.ts';
export type { ValueOptions } from './route/value.ts';
export type { WorkersOptions } from './workers/options.ts';

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    /** Wishes for this one call; see `InmeshCallOptions`. */
    inmesh?: import('./call.ts').InmeshCallOptions;
  }
}
