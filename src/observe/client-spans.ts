/**
 * The span of a client call: one for each call of the application, whatever it takes in attempts.
 *
 * Where `@opentelemetry/instrumentation-grpc` has already opened a span for the call, that one is enriched instead.
 *
 * @packageDocumentation
 */
import type { Attributes, Context, Span } from '@opentelemetry/api';
import { serverAttributes } from './address.ts';
import { isSuppressed, TracerSource } from './api.ts';
import { CallLog } from './call-record.ts';
import { isForeign } from './foreign.ts';
import { KIND_CLIENT, REQUEST_METADATA, RESPONSE_METADATA, RPC_METHOD, RPC_SYSTEM, rpcMethod } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, inject, shownMetadata } from './propagation.ts';
import { type CallEnd, describeEnd } from './span-end.ts';

/** A call that is traced, or one whose trace is only handed on (not sampled). */
export interface CallTrace {
  /** Undefined when nothing is recorded: then only `inject` has work to do. */
  readonly log: CallLog | undefined;
  /** The request's metadata with the trace context in it, which is a clone if anything was added. */
  inject<M extends Carried>(metadata: M): M;
  /** Response metadata has come. */
  metadata(metadata: Carried): void;
  /** The call is over; called once. */
  end(end: CallEnd): void;
}

/** Makes the spans of client calls. */
export class ClientSpans {
  readonly #options: ResolvedTracing;
  readonly #tracer: TracerSource;
  #target: string | undefined;
  #server: Attributes = {};

  constructor(options: ResolvedTracing) {
    this.#options = options;
    this.#tracer = new TracerSource(options.otel);
  }

  /** Begins the span of a call made now; undefined when there is nothing to record and nothing to hand on. */
  start(path: string, target: string): CallTrace | undefined {
    if (!this.#tracer.live) return undefined;
    const { otel, clock } = this.#options;
    const parent = otel.context.active();
    if (isSuppressed(parent)) return undefined;
    const active = otel.trace.getSpan(parent);
    if (active !== undefined && isTheirs(active, path)) {
      active.setAttribute(RPC_SYSTEM, 'grpc');
      return new RecordedCall(this.#options, new CallLog(clock, clock.wallMs(), clock.nowMs(), active, parent), false);
    }
    const wallMs = clock.wallMs();
    const attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod(path), ...this.#serverOf(target) };
    const span = this.#tracer.tracer.startSpan(rpcMethod(path), { kind: KIND_CLIENT, attributes, startTime: wallMs }, parent);
    if (span.isRecording()) {
      return new RecordedCall(this.#options, new CallLog(clock, wallMs, clock.nowMs(), span, otel.trace.setSpan(parent, span)), true);
    }
    const valid = otel.trace.isSpanContextValid(span.spanContext());
    if (!valid && parent === otel.ROOT_CONTEXT) return undefined;
    return new UnrecordedCall(this.#options, valid ? otel.trace.setSpan(parent, span) : parent);
  }

  /** The target hardly ever changes between the calls of one door. */
  #serverOf(target: string): Attributes {
    if (target !== this.#target) {
      this.#target = target;
      this.#server = serverAttributes(target);
    }
    return this.#server;
  }
}

class RecordedCall implements CallTrace {
  readonly log: CallLog;
  readonly #options: ResolvedTracing;
  readonly #own: boolean;

  constructor(options: ResolvedTracing, log: CallLog, own: boolean) {
    this.#options = options;
    this.log = log;
    this.#own = own;
  }
  inject<M extends Carried>(metadata: M): M {
    const { otel, requestMetadata } = this.#options;
    if (requestMetadata.length > 0) setShown(this.log.span, metadata, requestMetadata, REQUEST_METADATA);
    return this.#own ? inject(otel, this.log.context, metadata) : metadata; // the other instrumentation has done it
  }
  metadata(metadata: Carried): void {
    const { responseMetadata } = this.#options;
    if (responseMetadata.length > 0) setShown(this.log.span, metadata, responseMetadata, RESPONSE_METADATA);
  }
  end(end: CallEnd): void {
    this.log.code = end.code;
    this.log.refusedBy = end.reason;
    describeEnd(this.log.span, end);
    if (this.#own) this.log.span.end(this.log.time());
  }
}

class UnrecordedCall implements CallTrace {
  readonly log = undefined;
  readonly #options: ResolvedTracing;
  readonly #context: Context;

  constructor(options: ResolvedTracing, context: Context) {
    this.#options = options;
    this.#context = context;
  }
  inject<M extends Carried>(metadata: M): M {
    return inject(this.#options.otel, this.#context, metadata);
  }
  metadata(): void {}
  end(): void {}
}

function setShown(span: Span, metadata: Carried, keys: readonly string[], prefix: string): void {
  const shown = shownMetadata(metadata, keys, prefix);
  if (shown !== undefined) span.setAttributes(shown);
}

/** Their name of the call's span tells it from that of a stream in whose event handler this call is made. */
function isTheirs(span: Span, path: string): boolean {
  return isForeign(span, KIND_CLIENT) && span.isRecording() && 'name' in span && span.name === `grpc.${rpcMethod(path)}`;
}
