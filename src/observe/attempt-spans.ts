/**
 * Spans of attempts, children of the call's span (gRFC A72). In `auto` a call that succeeds at once has none; when a second
 * attempt starts, the first gets its span too, with its true times.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Span } from '@opentelemetry/api';
import { MessageEvents, NAME_DELAYED, PICK_DELAYED, TRANSPARENT_RETRY } from './a72.ts';
import { TracerSource } from './api.ts';
import type { AttemptLog, CallLog, CallRecord } from './call-record.ts';
import { HEDGE, KIND_CLIENT, LOST, PREVIOUS_ATTEMPTS } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, Propagation } from './propagation.ts';
import { type CallEnd, describeEnd } from './span-end.ts';
import { SpanStarts } from './span-start.ts';

/** What all attempts share. */
interface Shared {
  readonly options: ResolvedTracing;
  readonly tracer: TracerSource;
  readonly starts: SpanStarts;
  readonly propagation: Propagation;
}

/** Follows the attempts of traced calls. */
export class AttemptSpans {
  readonly #shared: Shared;

  constructor(options: ResolvedTracing) {
    const starts = new SpanStarts(options, 'Attempt');
    this.#shared = { options, tracer: new TracerSource(options.otel), starts, propagation: new Propagation(options) };
  }

  /** True where attempts tell of their messages and their way to a connection (A72). */
  get detailed(): boolean {
    return this.#shared.options.names !== 'semconv';
  }

  /** Begins an attempt of a traced call. `hedges`: the call is hedged, so all attempts but its first are hedges. */
  start({ call }: CallRecord, path: string, hedges: boolean): AttemptTrace {
    const trace = new AttemptTrace(this.#shared, call, path, call.attempts++, hedges);
    if (call.first !== undefined) {
      call.first.reveal();
      call.first = undefined;
    }
    if (this.#shared.options.attemptSpans === 'always' || call.attempts > 1) trace.reveal();
    else call.first = trace;
    return trace;
  }
}

/** One attempt. */
export class AttemptTrace implements AttemptLog {
  readonly #shared: Shared;
  readonly #call: CallLog;
  readonly #path: string;
  readonly #previous: number;
  readonly #hedges: boolean;
  readonly #startTime: number;
  #span: Span | undefined;
  #end: CallEnd | undefined;
  #endTime = 0;
  #lost = false;

  constructor(shared: Shared, call: CallLog, path: string, previous: number, hedges: boolean) {
    this.#shared = shared;
    this.#call = call;
    this.#path = path;
    this.#previous = previous;
    this.#hedges = hedges;
    this.#startTime = call.time();
  }

  /** What the layers below know of the spans above them; undefined while the attempt has none of its own. */
  get record(): CallRecord | undefined {
    return this.#span && { span: this.#span, call: this.#call };
  }

  reveal(): void {
    const { starts, tracer } = this.#shared;
    const { name, attributes } = starts.of(this.#path);
    const own = { ...attributes, [PREVIOUS_ATTEMPTS]: this.#previous, ...(this.#hedges && this.#previous > 0 ? { [HEDGE]: true } : {}) };
    const options = { kind: KIND_CLIENT, attributes: own, startTime: this.#startTime };
    this.#span = tracer.tracer.startSpan(name, options, this.#call.context);
    if (this.#end !== undefined) this.#finish(this.#span, this.#end);
  }

  /** What to hear of while it runs; undefined: nothing, for it has no span yet. */
  events(namesKnown: boolean): AttemptEvents | undefined {
    return this.#span && new AttemptEvents(this.#span, this.#call.span, namesKnown);
  }

  /** The metadata with the attempt's own trace context, if it has a span. */
  inject<M extends Carried>(metadata: M): M {
    if (this.#span === undefined) return metadata;
    const { options, propagation } = this.#shared;
    return propagation.injected(options.otel.trace.setSpan(this.#call.context, this.#span), metadata);
  }

  /** Another attempt has answered: its end is no failure. */
  lost(): void {
    this.#lost = true;
  }

  /** The attempt is over; called once. */
  end(end: CallEnd): void {
    this.#end = this.#lost ? { ...end, error: false } : end;
    this.#endTime = this.#call.time();
    if (this.#span !== undefined) this.#finish(this.#span, this.#end);
  }

  #finish(span: Span, end: CallEnd): void {
    if (this.#lost) span.setAttribute(LOST, true);
    describeEnd(span, end, this.#shared.options);
    span.end(this.#endTime);
  }
}

/** The events that A72 puts on the spans of a call and its attempt. */
export class AttemptEvents {
  readonly #span: Span;
  readonly #callSpan: Span;
  readonly #messages = new MessageEvents();
  #namesKnown: boolean;
  #picks = 0;
  #streams = 0;

  /** @param namesKnown - The target's addresses are known already. */
  constructor(span: Span, callSpan: Span, namesKnown: boolean) {
    this.#span = span;
    this.#callSpan = callSpan;
    this.#namesKnown = namesKnown;
  }
  sent(message: unknown): void {
    this.#messages.outbound(this.#span, message);
  }
  received(message: unknown): void {
    this.#messages.inbound(this.#span, message);
  }
  /** A connection is asked for; again, if there was none. */
  picking(): void {
    if (!this.#namesKnown) this.#callSpan.addEvent(NAME_DELAYED);
    this.#namesKnown = true;
    this.#picks++;
  }
  /** Its stream was opened; again, if grpc-js has tried anew by itself. One span is all they have. */
  started(): void {
    if (++this.#streams > 1) this.#span.setAttribute(TRANSPARENT_RETRY, true);
    else if (this.#picks > 1) this.#span.addEvent(PICK_DELAYED);
  }
}
