/**
 * When the attempts of one hedged call begin, and when the call is over: gRFC A6's hedging as a state machine that knows neither
 * clock nor transport. Its owner tells it what happened and when, and does what it answers.
 *
 * - The original is always sent. Every further attempt is paid from the budget; once that refuses, there are no more.
 * - Where the delay is learned, a hedge needs its part of the promised share besides. Without it, it is put off until the attempt before it
 *   is so late that a retry would give it up: an endpoint that falls silent must not keep a call for want of a share.
 * - Attempts begin `delayMs` apart. One that fails in a way that is not fatal lets the next begin at once, and the delay
 *   counts from there.
 * - A server's pushback puts the next one off, or forbids it; what is out lives on and may win.
 * - Nothing begins at the deadline or after it, nor after `stop`.
 *
 * Source: gRFC A6; grpc-java's RetriableStream. The budget is ours.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { parsePushback } from '../retry/pushback.ts';

/** What pays for every attempt but the first. */
export interface HedgeBudget {
  /** @param carried - The attempt before was lost with a carrier that it shared with other calls. */
  tryWithdraw(carried?: boolean): boolean;
  /** For an attempt beside one that may still answer: in an outage by slowness answers must pay for it besides. */
  tryJoin(): boolean;
  /** An attempt failed in a way that another might mend, or its server says "not again". */
  failed(): void;
}

/** What of a learned delay is promised, by count. */
export interface HedgeAllowance {
  /** Asked before a hedge that only time brings; false: not now. */
  readonly share: { tryTake(): boolean };
  /** From the start of the attempt before until nobody asks for the share, in ms. */
  readonly lateMs: number;
}

/** What holds for one call. */
export interface HedgeTerms {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  /** Time between two attempts in ms; 0: all at once. Undefined: not known, so only a failure brings another attempt. */
  readonly delayMs: number | undefined;
  /** Undefined: the delay is not learned, and the budget is all that hedges need. */
  readonly allowance?: HedgeAllowance | undefined;
  readonly nonFatalCodes: ReadonlySet<number>;
  /** On the scale of all times; Infinity: none. */
  readonly deadlineMs: number;
  readonly budget: HedgeBudget;
}

/** How one attempt ended. */
export interface HedgeAnswer {
  readonly code: number;
  /** Values of the pushback trailer. */
  readonly pushback: readonly string[];
  /** The server provably never ran its handler. */
  readonly unprocessed: boolean;
  /** It was lost with a carrier that it shared with other calls. @defaultValue false */
  readonly carried?: boolean;
}

/** What is to be done: begin an attempt and ask again, wait until `nextAtMs` or an answer, or end the call with the last answer. */
export type HedgeStep = 'start' | 'wait' | 'end';

const NEVER = Number.POSITIVE_INFINITY;

/** One hedged call. */
export class HedgePlan {
  readonly #terms: HedgeTerms;
  #begun = 0;
  #out = 0;
  #nextAtMs = NEVER;
  /** From then on hedges need no share. */
  #lateAtMs = NEVER;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #paid = false;
  #stopped = false;

  constructor(terms: HedgeTerms) {
    this.#terms = terms;
  }

  /** Attempts that were begun. */
  get begun(): number {
    return this.#begun;
  }
  /** When to ask `due`; Infinity: never. */
  get nextAtMs(): number {
    return this.#nextAtMs;
  }

  /** The original begins. Ask `due` next: with a delay of 0 the others begin too. */
  start(nowMs: number): void {
    this.#begin(nowMs);
  }

  /** Whether an attempt begins now. */
  due(nowMs: number): HedgeStep {
    if (nowMs < this.#nextAtMs) return 'wait';
    const { budget, deadlineMs } = this.#terms;
    if (nowMs >= deadlineMs) return this.#noMore();
    if (!this.#paid) {
      if (!this.#shareTaken(nowMs)) {
        this.#nextAtMs = this.#lateAtMs;
        return this.#nextAtMs < deadlineMs ? 'wait' : this.#noMore();
      }
      if (!budget.tryJoin()) return this.#noMore();
    }
    this.#begin(nowMs);
    return 'start';
  }

  /** An attempt has ended. */
  ended({ code, pushback, unprocessed, carried = false }: HedgeAnswer, nowMs: number): HedgeStep {
    this.#out--;
    const { nonFatalCodes, budget, deadlineMs } = this.#terms;
    const fatal = !nonFatalCodes.has(code) && !(unprocessed && (code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED));
    if (code === Code.OK || fatal) {
      this.stop();
      return 'end';
    }
    budget.failed();
    const asked = parsePushback(pushback);
    if (asked.kind === 'stop' || this.#stopped || this.#begun >= this.#terms.maxAttempts) return this.#noMore();
    if (asked.kind === 'delay') this.#notBeforeMs = nowMs + asked.delayMs;
    this.#nextAtMs = Math.max(nowMs, this.#notBeforeMs);
    if (this.#nextAtMs >= deadlineMs) return this.#noMore();
    // With nobody out the call would wait for nothing if the budget refused only then.
    if (!this.#paid && (this.#out === 0 || this.#nextAtMs <= nowMs)) {
      if (!budget.tryWithdraw(carried)) return this.#noMore();
      this.#paid = true;
    }
    return this.due(nowMs);
  }

  /** Nothing begins any more: the call is decided, committed or cancelled. */
  stop(): void {
    this.#stopped = true;
    this.#nextAtMs = NEVER;
  }

  #shareTaken(nowMs: number): boolean {
    const { allowance } = this.#terms;
    return allowance === undefined || nowMs >= this.#lateAtMs || allowance.share.tryTake();
  }
  #noMore(): HedgeStep {
    this.stop();
    return this.#out === 0 ? 'end' : 'wait';
  }

  #begin(nowMs: number): void {
    const { maxAttempts, delayMs, deadlineMs, allowance } = this.#terms;
    this.#begun++;
    this.#out++;
    this.#paid = false;
    if (allowance !== undefined) this.#lateAtMs = nowMs + allowance.lateMs;
    const nextAtMs = delayMs === undefined || this.#begun >= maxAttempts ? NEVER : Math.max(nowMs + delayMs, this.#notBeforeMs);
    this.#nextAtMs = nextAtMs < deadlineMs ? nextAtMs : NEVER;
  }
}
