/**
 * Tracing: one span for a call and one for each further attempt, trace context in the metadata, through the OpenTelemetry API.
 *
 * - Scope and place: client, top of the stack, once a call; attempts, just below retry; server, nearest the wire. So calls
 *   that another behaviour refuses are seen too. Items of a batch come through the same server layer as calls of their own.
 * - Rejects nothing. Without the API, an SDK or a sampled trace next to nothing is built.
 * - What an exporter sends (inside `suppressTracing`) has no span, and goes out once and alone.
 * - Streams: the span ends with the status. State lives in what the factories return.
 * - Source: semconv 1.45 RPC (stable), gRFC A72 for attempts, and for everything where its names are asked for.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type CallInfo, type CallListener, type ClientCall, type ClientInterceptor, ForwardingCall } from '../src/grpc/client-call.ts';
import { HedgeContext } from '../src/grpc/hedge-attempt.ts';
import { clientEnd } from '../src/grpc/otel.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';
import { DetailedAttempt, TracedAttempt } from '../src/grpc/traced-attempt.ts';
import { DetailedServerCall, TracedServerCall } from '../src/grpc/traced-server-call.ts';
import { isSuppressed, loadOtel } from '../src/observe/api.ts';
import { AttemptSpans } from '../src/observe/attempt-spans.ts';
import { CallLog } from '../src/observe/call-record.ts';
import { type CallTrace, ClientSpans } from '../src/observe/client-spans.ts';
import { type ObserveOptions, resolveTracing, type TracingOptions } from '../src/observe/options.ts';
import { ServerSpans } from '../src/observe/server-spans.ts';

/** Opens the span of each call and hands its trace on. @throws ConfigError on a bad option, at registration. @public */
export function tracingClientInterceptor(options?: TracingOptions): ClientInterceptor {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return (info, next) => next(info);
  const spans = new ClientSpans(resolved);
  return (info, next) => {
    const parent = spans.parent();
    if (parent === undefined) return next(info);
    if (isSuppressed(parent)) return next(alone(info));
    const trace = spans.start(info.method, info.door.target, parent);
    if (trace === undefined) return next(info);
    const owned = info.ownsMetadata === true;
    info.ownsMetadata = true; // what is below gets a clone of ours
    if (!(trace instanceof CallLog)) return new HandingOnCall(next(info), spans, trace, owned);
    info.record = trace;
    return new TracedCall(next(info), spans, trace, owned);
  };
}

/** What is left of tracing where it is switched off: what exporters send goes out once and alone. */
export function exporterCalls({ otel = loadOtel() }: ObserveOptions): ClientInterceptor {
  if (otel === undefined) return (info, next) => next(info);
  return (info, next) => next(isSuppressed(otel.context.active()) ? alone(info) : info);
}

/** Opens the spans of attempts of traced calls. Place it below retry. @throws ConfigError on a bad option, at registration. @public */
export function attemptTracingInterceptor(options?: TracingOptions): ClientInterceptor {
  const resolved = resolveTracing(options);
  if (resolved === undefined || resolved.attemptSpans === 'off') return (info, next) => next(info);
  const spans = new AttemptSpans(resolved);
  return (info, next) => {
    if (info.record === undefined) return next(info);
    const attempt = spans.start(info.record, info.method, info.attempt instanceof HedgeContext);
    const { record } = attempt;
    const events = spans.detailed ? attempt.events(info.door.book?.attached !== false) : undefined;
    if (events !== undefined && info.attempt !== undefined) info.attempt.watch = events;
    const below = next(record === undefined ? info : { ...info, record });
    return events === undefined ? new TracedAttempt(below, info, attempt) : new DetailedAttempt(below, info, attempt, events);
  };
}

/** Opens the span of each served call and runs its handler inside. @throws ConfigError on a bad option, at registration. @public */
export function tracingServerLayer(options?: TracingOptions): ServerLayer {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return (_info, call) => call;
  const spans = new ServerSpans(resolved);
  const Call = spans.detailed ? DetailedServerCall : TracedServerCall;
  return (info, call) => (spans.live ? new Call(info, call, spans) : call);
}

/** Trouble with exporting must not make more of it: no second attempt, and no company. */
function alone(info: CallInfo): CallInfo {
  return { ...info, options: { ...info.options, retry: false, coalesce: 'never', cache: 'never' } };
}

/** A call that nothing is recorded of: its answer passes by. */
class HandingOnCall extends ForwardingCall {
  protected readonly spans: ClientSpans;
  protected readonly trace: CallTrace;
  readonly #owned: boolean;

  /** @param owned - The metadata is the call's own. */
  constructor(lower: ClientCall, spans: ClientSpans, trace: CallTrace, owned: boolean) {
    super(lower);
    this.spans = spans;
    this.trace = trace;
    this.#owned = owned;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    const own = this.#owned ? metadata : metadata.clone();
    this.spans.inject(this.trace, own);
    this.upper = listener;
    this.lower.start(own, this.listener);
  }
  /** Who hears the answer. */
  protected get listener(): CallListener {
    return this.upper;
  }
}

class TracedCall extends HandingOnCall {
  declare protected readonly trace: CallLog;

  protected override get listener(): CallListener {
    return this;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.spans.metadata(this.trace, metadata);
    this.upper.onReceiveMetadata(metadata);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.spans.end(this.trace, clientEnd(status, this.lower.getPeer())); // before the app hears it: it may call again in there
    this.upper.onReceiveStatus(status);
  }
}
