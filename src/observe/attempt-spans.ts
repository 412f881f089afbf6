/**
 * Spans of attempts, children of the call's span (gRFC A72). In `auto` a call that succeeds at once has none; when a second
 * attempt starts, the first gets its span too, with its true times.
 *
 * @packageDocumentation
 */
import type { Span } from '@opentelemetry/api';
import { peerAddress } from './address.ts';
import { TracerSource } from './api.ts';
import type { AttemptLog, CallLog, CallRecord } from './call-record.ts';
import { KIND_CLIENT, PREVIOUS_ATTEMPTS, RPC_METHOD, RPC_SYSTEM, rpcMethod } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, inject } from './propagation.ts';
import { type CallEnd, describeEnd } from './span-end.ts';

/** Follows the attempts of traced calls. */
export class AttemptSpans {
  readonly #options: ResolvedTracing;
  readonly #tracer: TracerSource;

  constructor(options: ResolvedTracing) {
    this.#options = options;
    this.#tracer = new TracerSource(options.otel);
  }

  /** Begins an attempt of a traced call; undefined when attempts have no spans. */
  start(record: CallRecord, path: string): AttemptTrace | undefined {
    const { attemptSpans } = this.#options;
    if (attemptSpans === 'off') return undefined;
    const { call } = record;
    const trace = new AttemptTrace(this.#options, this.#tracer, call, path, call.attempts++);
    if (call.first !== undefined) {
      call.first.reveal();
      call.first = undefined;
    }
    if (attemptSpans === 'always' || call.attempts > 1) trace.reveal();
    else call.first = trace;
    return trace;
  }
}

/** One attempt. */
export class AttemptTrace implements AttemptLog {
  readonly #options: ResolvedTracing;
  readonly #tracer: TracerSource;
  readonly #call: CallLog;
  readonly #path: string;
  readonly #previous: number;
  readonly #startTime: number;
  #span: Span | undefined;
  #end: CallEnd | undefined;
  #endTime = 0;

  constructor(options: ResolvedTracing, tracer: TracerSource, call: CallLog, path: string, previous: number) {
    this.#options = options;
    this.#tracer = tracer;
    this.#call = call;
    this.#path = path;
    this.#previous = previous;
    this.#startTime = call.time();
  }

  /** What the layers below know of the spans above them; undefined while the attempt has none of its own. */
  get record(): CallRecord | undefined {
    return this.#span && { span: this.#span, call: this.#call };
  }

  reveal(): void {
    const attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod(this.#path), [PREVIOUS_ATTEMPTS]: this.#previous };
    const options = { kind: KIND_CLIENT, attributes, startTime: this.#startTime };
    this.#span = this.#tracer.tracer.startSpan(`Attempt.${rpcMethod(this.#path)}`, options, this.#call.context);
    if (this.#end !== undefined) this.#finish(this.#span, this.#end);
  }

  /** The metadata with the attempt's own trace context, if it has a span. */
  inject<M extends Carried>(metadata: M): M {
    if (this.#span === undefined) return metadata;
    const { otel } = this.#options;
    return inject(otel, otel.trace.setSpan(this.#call.context, this.#span), metadata);
  }

  /** The attempt is over; called once. */
  end(end: CallEnd): void {
    this.#end = end;
    this.#endTime = this.#call.time();
    if (peerAddress(end.peer) !== undefined) this.#call.endpoints.push(end.peer);
    if (this.#span !== undefined) this.#finish(this.#span, end);
  }

  #finish(span: Span, end: CallEnd): void {
    describeEnd(span, end);
    span.end(this.#endTime);
  }
}
