/**
 * Tracing: one span for a call and one for each further attempt, trace context in the metadata, through the OpenTelemetry API.
 *
 * - Scope and place: client, top of the stack, once a call; attempts, just below retry; server, nearest the wire. So calls
 *   that another behaviour refuses are seen too. Items of a batch come through the same server layer as calls of their own.
 * - Rejects nothing. Without the API, an SDK or a sampled trace next to nothing is built.
 * - Streams: the span ends with the status. State lives in what the factories return.
 * - Source: semconv 1.45 RPC (stable), gRFC A72 for attempts.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type CallInfo, type CallListener, type ClientCall, type ClientInterceptor, ForwardingCall } from '../src/grpc/client-call.ts';
import { clientEnd, handlersAreTraced, servedEnd } from '../src/grpc/otel.ts';
import type { ServerCall, ServerInfo, ServerLayer, ServerStatus } from '../src/grpc/server-call.ts';
import { ForwardingServerCall } from '../src/grpc/server-call.ts';
import { AttemptSpans, type AttemptTrace } from '../src/observe/attempt-spans.ts';
import { type CallTrace, ClientSpans } from '../src/observe/client-spans.ts';
import { resolveTracing, type TracingOptions } from '../src/observe/options.ts';
import { runIn, type ServedCall, ServerSpans } from '../src/observe/server-spans.ts';

/** Opens the span of each call and hands its trace on. @throws ConfigError on a bad option, at registration. @public */
export function tracingClientInterceptor(options?: TracingOptions): ClientInterceptor {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return (info, next) => next(info);
  const spans = new ClientSpans(resolved);
  return (info, next) => {
    const trace = spans.start(info.method, info.door.target);
    if (trace === undefined) return next(info);
    return new TracedCall(next(trace.log === undefined ? info : { ...info, record: trace.log }), trace);
  };
}

/** Opens the spans of attempts of traced calls. Place it below retry. @throws ConfigError on a bad option, at registration. @public */
export function attemptTracingInterceptor(options?: TracingOptions): ClientInterceptor {
  const resolved = resolveTracing(options);
  if (resolved === undefined || resolved.attemptSpans === 'off') return (info, next) => next(info);
  const spans = new AttemptSpans(resolved);
  return (info, next) => {
    const attempt = info.record && spans.start(info.record, info.method);
    if (attempt === undefined) return next(info);
    const { record } = attempt;
    return new TracedAttempt(next(record === undefined ? info : { ...info, record }), info, attempt);
  };
}

/** Opens the span of each served call and runs its handler inside. @throws ConfigError on a bad option, at registration. @public */
export function tracingServerLayer(options?: TracingOptions): ServerLayer {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return (_info, call) => call;
  const spans = new ServerSpans(resolved);
  return (info, call) => (spans.live ? new TracedServerCall(info, call, spans) : call);
}

class TracedCall extends ForwardingCall {
  readonly #trace: CallTrace;
  constructor(lower: ClientCall, trace: CallTrace) {
    super(lower);
    this.#trace = trace;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.upper = listener;
    // Nothing to hear when nothing is recorded: the answer then passes by this layer.
    this.lower.start(this.#trace.inject(metadata), this.#trace.log === undefined ? listener : this);
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#trace.metadata(metadata);
    this.upper.onReceiveMetadata(metadata);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#trace.end(clientEnd(status, this.lower.getPeer())); // before the app hears it: it may call again in there
    this.upper.onReceiveStatus(status);
  }
}

class TracedAttempt extends ForwardingCall {
  readonly #info: CallInfo;
  readonly #attempt: AttemptTrace;
  constructor(lower: ClientCall, info: CallInfo, attempt: AttemptTrace) {
    super(lower);
    this.#info = info;
    this.#attempt = attempt;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.upper = listener;
    this.lower.start(this.#attempt.inject(metadata), this);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#attempt.end(clientEnd(status, this.#info.attempt?.picked || this.lower.getPeer()));
    this.upper.onReceiveStatus(status);
  }
}

class TracedServerCall extends ForwardingServerCall {
  readonly #info: ServerInfo;
  readonly #spans: ServerSpans;
  #trace: ServedCall | undefined;
  constructor(info: ServerInfo, lower: ServerCall, spans: ServerSpans) {
    super(lower);
    this.#info = info;
    this.#spans = spans;
  }
  // The handler of a unary call runs in any of the three inbound hooks' contexts but `start`'s, hence all three.
  override onReceiveMetadata(metadata: Metadata): void {
    const { method, item } = this.#info;
    const beside = item === undefined && handlersAreTraced();
    this.#trace = beside ? this.#spans.startBeside(method, metadata) : this.#spans.start(method, metadata, item);
    runIn(this.#trace, this.upper.onReceiveMetadata, this.upper, metadata);
  }
  override onReceiveMessage(message: unknown): void {
    runIn(this.#trace, this.upper.onReceiveMessage, this.upper, message);
  }
  override onReceiveHalfClose(): void {
    runIn(this.#trace, this.upper.onReceiveHalfClose, this.upper, undefined);
  }
  override onCancel(): void {
    // Comes after every call; it is the end only where no status was sent.
    if (this.#trace?.open) this.#trace.cancelled(Number(this.lower.getDeadline()), this.lower.getPeer());
    this.upper.onCancel();
  }
  override sendMetadata(metadata: Metadata): void {
    this.#trace?.metadata(metadata);
    this.lower.sendMetadata(metadata);
  }
  override sendStatus(status: ServerStatus): void {
    if (this.#trace?.open) this.#trace.end(servedEnd(status, this.lower.getPeer()));
    this.lower.sendStatus(status);
  }
}
