/**
 * Metrics: how long calls take, by method and outcome, through the OpenTelemetry API.
 *
 * - Scope and place: client, just below tracing, once a call whatever it takes in attempts; server, just above tracing, so
 *   that refused calls count. Items of a batch count as calls of their own.
 * - Rejects nothing. Without a meter provider no layer is built.
 * - Streams count at their status. State (the instruments) lives in what the factories return.
 * - Source: semconv 1.45 RPC metrics (stable): `rpc.client.call.duration`, `rpc.server.call.duration`.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Clock } from '../src/clock.ts';
import type { CallInfo, CallListener, ClientCall, ClientInterceptor } from '../src/grpc/client-call.ts';
import { ForwardingCall } from '../src/grpc/client-call.ts';
import type { ServerCall, ServerLayer, ServerListener, ServerStatus } from '../src/grpc/server-call.ts';
import { ForwardingServerCall } from '../src/grpc/server-call.ts';
import { serverAttributes } from '../src/observe/address.ts';
import { type DurationKind, Durations, type MethodLabels, methodLabels } from '../src/observe/durations.ts';
import type { MethodTable } from '../src/observe/method-table.ts';
import { CLIENT_DURATION, isClientError, isServerError, SERVER_DURATION } from '../src/observe/names.ts';
import { type MetricsOptions, resolveMetrics } from '../src/observe/options.ts';
import { cancelledCode } from '../src/observe/span-end.ts';

const CLIENT: DurationKind = { name: CLIENT_DURATION, description: 'Duration of outgoing calls', isError: isClientError };
const SERVER: DurationKind = { name: SERVER_DURATION, description: 'Duration of incoming calls', isError: isServerError };

/** Times outgoing calls. @throws ConfigError on a bad option, at registration. @public */
export function metricsClientInterceptor(options?: MetricsOptions): ClientInterceptor {
  const resolved = resolveMetrics(options);
  if (resolved === undefined) return (info, next) => next(info);
  const durations = new Durations(resolved, CLIENT);
  const byTarget = new Map<string, MethodTable<MethodLabels>>();
  return (info, next) => {
    if (!durations.live) return next(info);
    const { target } = info.door;
    let labels = byTarget.get(target);
    if (labels === undefined) {
      labels = methodLabels(resolved, CLIENT, serverAttributes(target));
      byTarget.set(target, labels);
    }
    return new TimedCall(next(info), info, durations, labels.get(info.method), resolved.clock);
  };
}

/** Times incoming calls. @throws ConfigError on a bad option, at registration. @public */
export function metricsServerLayer(options?: MetricsOptions): ServerLayer {
  const resolved = resolveMetrics(options);
  if (resolved === undefined) return (_info, call) => call;
  const durations = new Durations(resolved, SERVER);
  const labels = methodLabels(resolved, SERVER, {});
  return (info, call) => (durations.live ? new TimedServerCall(call, durations, labels.get(info.method), resolved.clock) : call);
}

class TimedCall extends ForwardingCall {
  readonly #info: CallInfo;
  readonly #durations: Durations;
  readonly #labels: MethodLabels;
  readonly #clock: Clock;
  #startMs = 0;
  constructor(lower: ClientCall, info: CallInfo, durations: Durations, labels: MethodLabels, clock: Clock) {
    super(lower);
    this.#info = info;
    this.#durations = durations;
    this.#labels = labels;
    this.#clock = clock;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#startMs = this.#info.record?.call.startedMs ?? this.#clock.nowMs(); // the value is the span's duration
    super.start(metadata, listener);
  }
  override onReceiveStatus(status: StatusObject): void {
    const elapsedMs = this.#clock.nowMs() - this.#startMs;
    this.#durations.record(this.#labels, status.code, elapsedMs, this.#info.record?.call.context);
    this.upper.onReceiveStatus(status);
  }
}

class TimedServerCall extends ForwardingServerCall {
  readonly #durations: Durations;
  readonly #labels: MethodLabels;
  readonly #clock: Clock;
  #startMs = 0;
  #over = false;
  constructor(lower: ServerCall, durations: Durations, labels: MethodLabels, clock: Clock) {
    super(lower);
    this.#durations = durations;
    this.#labels = labels;
    this.#clock = clock;
  }
  override start(listener: ServerListener): void {
    this.#startMs = this.#clock.nowMs();
    super.start(listener);
  }
  override sendStatus(status: ServerStatus): void {
    this.#end(status.code);
    this.lower.sendStatus(status);
  }
  override onCancel(): void {
    // Comes after every call; it is the end only where no status was sent.
    if (!this.#over) this.#end(cancelledCode(Number(this.lower.getDeadline()), this.#clock));
    this.upper.onCancel();
  }
  #end(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#durations.record(this.#labels, code, this.#clock.nowMs() - this.#startMs);
  }
}
