/**
 * Every behaviour on its own, as grpc-js interceptors. Put several into one list in the order of pipeline.ts: they fuse.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import { type CoalesceOptions, resolveCoalesceOptions } from '../src/batch/options.ts';
import { KeyedBulkheads } from '../src/bulkhead/keyed.ts';
import { type BulkheadOptions, resolveBulkheadOptions } from '../src/bulkhead/options.ts';
import { systemClock } from '../src/clock.ts';
import { ConfigError } from '../src/errors.ts';
import { servedTenant } from '../src/grpc/bulkhead-call.ts';
import { RawChannel } from '../src/grpc/channel-door.ts';
import type { Door } from '../src/grpc/client-call.ts';
import { emptyCounts } from '../src/grpc/coalescer.ts';
import { asInterceptor } from '../src/grpc/interceptor-door.ts';
import type { ServerInfo } from '../src/grpc/server-call.ts';
import { asServerInterceptor } from '../src/grpc/server-door.ts';
import { tenantOf } from '../src/grpc/traits.ts';
import { pathSet } from '../src/input/paths.ts';
import { show } from '../src/input/show.ts';
import { carrierSpans } from '../src/observe/carrier-span.ts';
import type { MetricsOptions, TracingOptions } from '../src/observe/options.ts';
import { systemRandom } from '../src/random.ts';
import { bulkheadClient, bulkheadServer } from './bulkhead.ts';
import { coalesceClient } from './coalesce.ts';
import { metricsAttemptInterceptor, metricsClientInterceptor, metricsServerLayer } from './metrics.ts';
import { placed } from './pipeline.ts';
import { attemptTracingInterceptor, tracingClientInterceptor, tracingServerLayer } from './tracing.ts';

const warn = (line: string): void => process.emitWarning(line, 'InmeshWarning');

/** A span for each call. @throws ConfigError on a bad option. */
export function tracingInterceptor(options?: TracingOptions): Interceptor {
  return asInterceptor(placed('tracing', tracingClientInterceptor(options)));
}
/** A span for each attempt; below {@link retryInterceptor}. @throws ConfigError on a bad option. */
export function attemptInterceptor(options?: TracingOptions): Interceptor {
  return asInterceptor(placed('attempt', attemptTracingInterceptor(options)));
}
/** A span for each served call, in which its handler runs. @throws ConfigError on a bad option. */
export function tracingServerInterceptor(options?: TracingOptions): ServerInterceptor {
  return asServerInterceptor(tracingServerLayer(options));
}
/** Durations of calls. @throws ConfigError on a bad option. */
export function metricsInterceptor(options?: MetricsOptions): Interceptor {
  return asInterceptor(placed('metrics', metricsClientInterceptor(options)));
}
/** Durations and sizes of attempts, by gRPC's names; below {@link retryInterceptor}. @throws ConfigError on a bad option. */
export function attemptMetricsInterceptor(options: MetricsOptions = {}): Interceptor {
  return asInterceptor(placed('attempt', metricsAttemptInterceptor({ ...options, names: options.names ?? 'grpc' })));
}
/** Durations of served calls. @throws ConfigError on a bad option. */
export function metricsServerInterceptor(options?: MetricsOptions): ServerInterceptor {
  return asServerInterceptor(metricsServerLayer(options));
}

/** Limits calls in flight, each method for itself. @throws ConfigError on a bad option. */
export function bulkheadInterceptor(options: BulkheadOptions): Interceptor {
  const bulkheads = ofEachMethod(options, tenantOf);
  return asInterceptor(placed('bulkhead', bulkheadClient({ clock: systemClock, bulkheadOf: (info) => bulkheads.for(info) })));
}
/** Limits calls being served, each method for itself. @throws ConfigError on a bad option. */
export function bulkheadServerInterceptor(options: BulkheadOptions): ServerInterceptor {
  const bulkheads = ofEachMethod<ServerInfo>(options, servedTenant);
  return asServerInterceptor(bulkheadServer({ clock: systemClock, bulkheadOf: (info) => bulkheads.for(info) }));
}
function ofEachMethod<Call extends { readonly method: string }>(
  options: BulkheadOptions,
  tenant: (call: Call) => string | undefined,
): KeyedBulkheads<Call> {
  const { by } = resolveBulkheadOptions(options, 'bulkhead');
  if (by === 'method') throw new ConfigError('bulkhead.by', 'expected "tenant" or "priority", got "method", for each method has its own');
  return new KeyedBulkheads(() => options, systemClock, tenant);
}

/** Options of {@link coalesceInterceptor}. */
export interface CoalesceInterceptorOptions extends CoalesceOptions {
  /** The client's channel, which an interceptor can't know: `() => client.getChannel()`. Batches are opened on it. */
  readonly channel: () => ChannelInterface;
  /** Paths of the methods whose calls may travel together. Default: every unary method. */
  readonly methods?: readonly string[];
}
/** Merges unary calls into batches. Must be the last of the list. @throws ConfigError on a bad option. */
export function coalesceInterceptor(options: CoalesceInterceptorOptions): Interceptor {
  const { channel, methods, ...own } = options;
  if (typeof channel !== 'function') throw new ConfigError('coalesce.channel', `expected () => client.getChannel(), got ${show(channel)}`);
  const only = methods === undefined ? undefined : pathSet(methods, 'coalesce.methods');
  const coalesce = coalesceClient({
    options: resolveCoalesceOptions(own),
    clock: systemClock,
    random: systemRandom,
    isOn: ({ method }) => only?.has(method) ?? true,
    carrierSpan: carrierSpans(),
    counts: emptyCounts(),
    metrics: {},
    warn,
  });
  let door: Door | undefined;
  return asInterceptor(
    placed('coalesce', (info, next) => {
      if (info.door.channel !== undefined) return coalesce(info, next);
      door ??= { ...info.door, target: channel().getTarget(), channel: new RawChannel(channel(), systemClock) };
      return coalesce({ ...info, door }, next);
    }),
  );
}

export { balanceOptions } from './balance.ts';
export { type DeadlineOptions, type DeadlineServerOptions, deadlineInterceptor, deadlineServerInterceptor } from './standalone/deadline.ts';
export { type RetryInterceptorOptions, retryInterceptor } from './standalone/retry.ts';
