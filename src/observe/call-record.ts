/**
 * What telemetry keeps of one call, and how the layers of one call find each other: the call's span is made at the top, the
 * attempts' below retry, the link to a carrier below that. It rides on `CallInfo.record`.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Span } from '@opentelemetry/api';
import type { Clock } from '../clock.ts';

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

/** One traced call. */
export class CallLog implements CallRecord {
  readonly span: Span;
  /** What was active at the call site, with the call's span in it: parent of the attempts' spans. */
  readonly context: Context;
  /** Attempts begun, hedges included. */
  attempts = 0;
  /** The first attempt while it has no span. */
  first: AttemptLog | undefined = undefined;
  /** Endpoints tried, `host:port`, in the order of the attempts' ends. */
  readonly endpoints: string[] = [];
  /** Status code; undefined while the call runs. */
  code: number | undefined = undefined;
  /** Who refused the call, if it was one of us: the text of `inmesh-reason`. */
  refusedBy: string | undefined = undefined;
  readonly #clock: Clock;
  readonly #wallMs: number;
  readonly #startMs: number;

  constructor(clock: Clock, wallMs: number, startMs: number, span: Span, context: Context) {
    this.#clock = clock;
    this.#wallMs = wallMs;
    this.#startMs = startMs;
    this.span = span;
    this.context = context;
  }
  get call(): CallLog {
    return this;
  }
  /** When the call began, on `Clock.nowMs`. */
  get startedMs(): number {
    return this.#startMs;
  }
  /** Now, in milliseconds since 1970: the wall clock at the call's start plus monotonic time, so that no child outlasts its parent by a clock step. */
  time(): number {
    return this.#wallMs + (this.#clock.nowMs() - this.#startMs);
  }
}
