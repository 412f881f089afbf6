/**
 * What telemetry keeps of one traced call, and how the layers of one call find each other: the call's span is made at the top,
 * the attempts' below retry, the link to a carrier below that. It rides on `CallInfo.record`.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Span } from '@opentelemetry/api';
import type { Clock } from '../clock.ts';
import type { TracerSource } from './api.ts';
import { type QueueName, recordWait, type WaitLog } from './queue-span.ts';

/** What a layer of a call knows of the spans above it. */
export interface CallRecord {
  /** The nearest span above: the attempt's if it has one, else the call's. A carrier links to it. */
  readonly span: Span;
  /** The call as a whole, shared by its attempts. */
  readonly call: CallLog;
}

/** An attempt of which a span may yet be made, when a second one follows. */
export interface AttemptLog {
  /** Makes the span, with its true start and, if it is over, its end. */
  reveal(): void;
}

/** What makes the spans of all calls of a client. */
export interface CallLogSource {
  readonly clock: Clock;
  readonly tracer: TracerSource;
}

/** One traced call. */
export class CallLog implements CallRecord, WaitLog {
  readonly span: Span;
  /** What was active at the call site, with the call's span in it: parent of the attempts' spans. */
  readonly context: Context;
  /** False: another instrumentation has opened the span, and ends it. */
  readonly own: boolean;
  /** When the call began, on `Clock.nowMs`. */
  readonly startedMs: number;
  /** Attempts begun, hedges included. */
  attempts = 0;
  /** The first attempt while it has no span. */
  first: AttemptLog | undefined = undefined;
  readonly #source: CallLogSource;
  readonly #wallMs: number;

  /** @param wallMs - The wall clock at the call's start. */
  constructor(source: CallLogSource, wallMs: number, span: Span, context: Context, own: boolean) {
    this.#source = source;
    this.#wallMs = wallMs;
    this.startedMs = source.clock.nowMs();
    this.span = span;
    this.context = context;
    this.own = own;
  }
  get call(): CallLog {
    return this;
  }
  /** Now, in milliseconds since 1970: the wall clock at the call's start plus monotonic time, so that no child outlasts its parent by a clock step. */
  time(): number {
    return this.#at(this.#source.clock.nowMs());
  }
  waited(queue: QueueName, sinceMs: number): void {
    recordWait(this.#source.tracer.tracer, this.context, queue, this.#at(sinceMs), this.time());
  }
  #at(monotonicMs: number): number {
    return this.#wallMs + (monotonicMs - this.startedMs);
  }
}
