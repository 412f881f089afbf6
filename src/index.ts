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
export type { BalanceOptions } from './balance/options.ts';
export type { CoalesceOptions } from './batch/options.ts';
export type { BulkheadOptions } from './bulkhead/options.ts';
export type { InmeshCallOptions } from './call.ts';
export type { CancelTimer, Clock } from './clock.ts';
export { AMBIGUOUS_KEY, ConfigError, LOCAL, REASON_KEY, UsageError } from './errors.ts';
export { serverCredentialsWithInterceptors } from './grpc/port-lists.ts';
export { type AttachOptions, createMesh, type EndpointStats, loadMesh, Mesh, type MeshDependencies, type MeshStats } from './mesh.ts';
export { MeshServer, type MeshServerOptions } from './mesh-server.ts';
export type { MetricsOptions, TracingOptions } from './observe/options.ts';
export type * from './policy/policy.gen.ts';
export type { Random } from './random.ts';
export type { RetryBudgetOptions, RetryOptions } from './retry/options.ts';

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    /** Wishes for this one call; see `InmeshCallOptions`. */
    inmesh?: import('./call.ts').InmeshCallOptions;
  }
}
