/**
 * The span of a client call: one for each call of the application, whatever it takes in attempts.
 *
 * Where `@opentelemetry/instrumentation-grpc` has already opened a span for the call, that one is enriched instead.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Span } from '@opentelemetry/api';
import type { Clock } from '../clock.ts';
import { TracerSource } from './api.ts';
import { CallLog, type CallLogSource } from './call-record.ts';
import { isForeign } from './foreign.ts';
import { KIND_CLIENT, NO_TRACE, REQUEST_METADATA, RESPONSE_METADATA, RPC_SYSTEM, rpcMethod } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, Propagation, shownMetadata } from './propagation.ts';
import { type CallEnd, describeEnd } from './span-end.ts';
import { TargetStarts } from './span-start.ts';

/** A call that is recorded, or the context to hand on with one that is not (not sampled). */
export type CallTrace = CallLog | Context;

/** Makes the spans of client calls. */
export class ClientSpans implements CallLogSource {
  readonly clock: Clock;
  readonly tracer: TracerSource;
  readonly #options: ResolvedTracing;
  readonly #propagation: Propagation;
  readonly #starts: TargetStarts;

  constructor(options: ResolvedTracing) {
    this.#options = options;
    this.clock = options.clock;
    this.tracer = new TracerSource(options.otel);
    this.#propagation = new Propagation(options);
    this.#starts = new TargetStarts(options);
  }

  /** What is active at the call site; undefined while there is nothing to record and nothing to hand on, whatever the call. */
  parent(): Context | undefined {
    return this.tracer.live ? this.#options.otel.context.active() : undefined;
  }

  /** Begins the span of a call made now; undefined when there is nothing to record and nothing to hand on. */
  start(path: string, target: string, parent: Context): CallTrace | undefined {
    const { otel, clock, names } = this.#options;
    const active = otel.trace.getSpan(parent);
    if (active !== undefined && isTheirs(active, path)) {
      if (names !== 'grpc') active.setAttribute(RPC_SYSTEM, 'grpc');
      return new CallLog(this, clock.wallMs(), active, parent, false);
    }
    const { name, attributes } = this.#starts.of(target, path);
    const startTime = clock.wallMs();
    const span = this.tracer.tracer.startSpan(name, { kind: KIND_CLIENT, attributes: { ...attributes }, startTime }, parent);
    if (span.isRecording()) return new CallLog(this, startTime, span, otel.trace.setSpan(parent, span), true);
    if (span.spanContext().traceId !== NO_TRACE) return otel.trace.setSpan(parent, span);
    return parent === otel.ROOT_CONTEXT ? undefined : parent;
  }

  /** Writes the call's trace into its metadata, which is its own. */
  inject(trace: CallTrace, metadata: Carried): void {
    if (!(trace instanceof CallLog)) {
      this.#propagation.inject(trace, metadata);
      return;
    }
    const { requestMetadata } = this.#options;
    if (requestMetadata.length > 0) setShown(trace.span, metadata, requestMetadata, REQUEST_METADATA);
    if (trace.own) this.#propagation.inject(trace.context, metadata); // else the other instrumentation has done it
  }
  /** Response metadata has come. */
  metadata({ span }: CallLog, metadata: Carried): void {
    const { responseMetadata } = this.#options;
    if (responseMetadata.length > 0) setShown(span, metadata, responseMetadata, RESPONSE_METADATA);
  }
  /** The call is over; called once. */
  end(log: CallLog, end: CallEnd): void {
    describeEnd(log.span, end, this.#options);
    if (log.own) log.span.end(log.time());
  }
}

function setShown(span: Span, metadata: Carried, keys: readonly string[], prefix: string): void {
  const shown = shownMetadata(metadata, keys, prefix);
  if (shown !== undefined) span.setAttributes(shown);
}

/** Their name of the call's span tells it from that of a stream in whose event handler this call is made. */
function isTheirs(span: Span, path: string): boolean {
  return isForeign(span, KIND_CLIENT) && span.isRecording() && 'name' in span && span.name === `grpc.${rpcMethod(path)}`;
}
