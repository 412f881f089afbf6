/**
 * Metrics: how long calls take, by method and outcome, through the OpenTelemetry API; on request by gRPC's own names, too.
 *
 * - In a mesh only where gRPC's names are asked for: else the stories of its calls are measured, without a layer.
 * - Scope and place: client, just below tracing, once a call whatever it takes in attempts; attempts, just below retry, for gRPC's
 *   names; server, just above tracing, so that refused calls count. Items of a batch count as calls of their own.
 * - Rejects nothing. Without a meter provider no layer is built.
 * - Streams count at their status. State (the instruments) lives in what the factories return.
 * - Source: semconv 1.45 RPC metrics (stable): `rpc.client.call.duration`, `rpc.server.call.duration`; gRFC A66, A96.
 *
 * @packageDocumentation
 */
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import { isRegistered, MeteredAttempt } from '../src/grpc/metered-attempt.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';
import { TimedCall, TimedServerCall } from '../src/grpc/timed-call.ts';
import { GrpcLabelTable } from '../src/observe/a66.ts';
import { AttemptMetrics } from '../src/observe/attempt-metrics.ts';
import { AttemptTally } from '../src/observe/attempt-tally.ts';
import { CALLED, calledLabels, Durations, SERVED, servedLabels } from '../src/observe/durations.ts';
import { type MetricsOptions, resolveMetrics } from '../src/observe/options.ts';
import type { ReadingSource } from '../src/observe/own-gauges.ts';

/**
 * Times outgoing calls.
 *
 * @param source - The mesh's own numbers, to be shown from the first call on that somebody listens to.
 * @throws ConfigError on a bad option, at registration. @public
 */
export function metricsClientInterceptor(options?: MetricsOptions, source?: ReadingSource): ClientInterceptor {
  const resolved = resolveMetrics(options);
  if (resolved === undefined) return (info, next) => next(info);
  const { clock, knows } = resolved;
  const durations = new Durations(resolved, CALLED, source);
  const labels = calledLabels(resolved, CALLED);
  const { grpc, tally } = durations.wants;
  const table = grpc ? new GrpcLabelTable(resolved) : undefined;
  return (info, next) => {
    if (!durations.live) return next(info);
    const { method, door } = info;
    if (tally) info.tally = new AttemptTally();
    const own = labels.at(door.target).get(method);
    return new TimedCall(next(info), info, durations, own, table?.get(door.target, method, isRegistered(info, knows)), clock);
  };
}

/** Times attempts and weighs their messages, by gRPC's names. Place it below retry. @throws ConfigError on a bad option. @public */
export function metricsAttemptInterceptor(options?: MetricsOptions): ClientInterceptor {
  const resolved = resolveMetrics(options);
  if (resolved === undefined || (resolved.names === 'semconv' && !resolved.retryMetrics)) return (info, next) => next(info);
  const metrics = new AttemptMetrics(resolved);
  const { clock, knows } = resolved;
  return (info, next) => {
    if (!metrics.live) return next(info);
    return new MeteredAttempt(next(info), info, metrics, metrics.labels(info.door.target, info.method, isRegistered(info, knows)), clock);
  };
}

/** Times incoming calls. `source` as above. @throws ConfigError on a bad option, at registration. @public */
export function metricsServerLayer(options?: MetricsOptions, source?: ReadingSource): ServerLayer {
  const resolved = resolveMetrics(options);
  if (resolved === undefined) return (_info, call) => call;
  const durations = new Durations(resolved, SERVED, source);
  const labels = servedLabels(resolved, SERVED);
  // A server's methods are all registered: for others no layer is asked.
  const table = durations.wants.grpc ? new GrpcLabelTable(resolved) : undefined;
  return (info, call) => {
    if (!durations.live) return call;
    const { method } = info;
    return new TimedServerCall(call, info, durations, labels.get(method), table?.get('', method, true), resolved.clock);
  };
}
