/**
 * Retry budget: how many calls may be re-sent, so that retries never multiply an outage.
 *
 * Each call earns `ratio` retries, which lapse after `ttlMs`. `minPerSecond * ttlMs` retries are there besides in any
 * `ttlMs`, for quiet times and cold starts. So N calls over T ms are sent at most
 * `N * (1 + ratio) + minPerSecond / 1000 * (T + ttlMs)` times, and after an idle hour no more than the reserve is there.
 * Source: Finagle's `RetryBudget` (windowed leaky bucket).
 *
 * Calls that share a carrier fail together: a thousand at once, while the window holds what a few callers earned. For them
 * there is a second, capped purse, `carried`, as large as the most that one lost connection takes along. It is touched
 * only when the window is empty, and only successes fill it again (`ratio` each, as gRFC A6's throttle), so an outage gets it once.
 *
 * Attempts that join slow ones ({@link Budget.tryJoin}), hedges among them, need answers with OK besides, `1 / ratio` for each, five at
 * most: in an outage by slowness they would be paid by calls that fail, and keep it up.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import type { RetryBudgetOptions } from './options.ts';
import { resolveRetryBudgetOptions } from './options.ts';

/** Attempts that may join slow ones before there are answers: what a replica that falls silent takes until it is found out. */
const JOINS = 100;
/** Most answers with OK that pay for one more; fewer where the ratio says so. */
const MAX_ANSWERS_PER_JOIN = 5;
/** A call counts for `ttlMs`, and at most a hundredth longer. */
const WINDOW_BUCKETS = 100;
/** Lets five calls at 0.2 make one retry, though floating point may see a hair less. */
const ROUNDING = 1e-9;

/** What says how much may be re-sent to one service: a {@link RetryBudget} or gRFC A6's throttle. */
export interface Budget {
  /** A call was made: once per call, not per attempt. */
  deposit(): void;
  /** A call, or an attempt at it, came to its end with OK. */
  succeeded(): void;
  /** An attempt failed in a way that another might mend, or its server says "not again". Told before `tryWithdraw`. */
  failed(): void;
  /**
   * Takes one retry out; false: there is none, do not retry.
   *
   * @param carried - The call was lost with a carrier that it shared with others.
   */
  tryWithdraw(carried?: boolean): boolean;
  /**
   * Takes one out for an attempt that joins one which is only slow. When everything is slow, answers stay away, and more load
   * would keep them away: so besides the budget it takes answers with OK.
   */
  tryJoin(): boolean;
  /** Retries that could be taken out now. Never negative. */
  balance(): number;
  /** Attempts that it has paid for, and those that it has not, since the start. */
  readonly drawn: number;
  readonly refused: number;
}

/** One budget for all that is re-sent to one service: retries, hedges, batch items. */
export class RetryBudget implements Budget {
  drawn = 0;
  refused = 0;
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #ratio: number;
  readonly #reserve: number;
  // Whole numbers in both, so that nothing drifts.
  readonly #calls: SlidingWindow;
  readonly #retries: SlidingWindow;
  readonly #carriedCap: number;
  #carried: number;
  /** Answers with OK that no join has used up. */
  #answers: number;
  readonly #maxAnswers: number;
  readonly #answersPerJoin: number;

  /**
   * @param carried - Most retries besides for calls that were lost with their carrier. Nothing where the options allow no retry at all.
   * @param onEmpty - Told when there is nothing to take out: must not throw.
   * @throws ConfigError on a bad option.
   */
  constructor(options: RetryBudgetOptions, clock: Clock, carried = 0, onEmpty: () => void = () => {}) {
    const { ratio, minPerSecond, ttlMs } = resolveRetryBudgetOptions(options, 'retryBudget');
    this.#clock = clock;
    this.#onEmpty = onEmpty;
    this.#ratio = ratio;
    this.#reserve = (minPerSecond * ttlMs) / 1000;
    this.#answersPerJoin = Math.min(MAX_ANSWERS_PER_JOIN, 1 / ratio);
    this.#answers = this.#maxAnswers = JOINS * this.#answersPerJoin;
    this.#carriedCap = this.#carried = ratio > 0 || minPerSecond > 0 ? carried : 0;
    const nowMs = clock.nowMs();
    this.#calls = new SlidingWindow(ttlMs, WINDOW_BUCKETS, nowMs);
    this.#retries = new SlidingWindow(ttlMs, WINDOW_BUCKETS, nowMs);
  }

  deposit(): void {
    this.#calls.add(1, this.#clock.nowMs());
  }

  succeeded(): void {
    if (this.#answers < this.#maxAnswers) this.#answers++;
    if (this.#carried < this.#carriedCap) this.#carried = Math.min(this.#carriedCap, this.#carried + this.#ratio);
  }

  /** Failures cost nothing here. */
  failed(): void {}

  tryWithdraw(carried = false): boolean {
    const paid = this.#withdraw(carried);
    if (paid) this.drawn++;
    else {
      this.refused++;
      this.#onEmpty();
    }
    return paid;
  }

  tryJoin(): boolean {
    if (this.#answers + ROUNDING < this.#answersPerJoin) {
      this.refused++;
      return false;
    }
    if (!this.tryWithdraw()) return false;
    this.#answers -= this.#answersPerJoin;
    return true;
  }

  balance(): number {
    return Math.max(0, Math.floor(this.#credit(this.#clock.nowMs()) + ROUNDING));
  }

  #withdraw(carried: boolean): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#credit(nowMs) + ROUNDING >= 1) {
      this.#retries.add(1, nowMs);
      return true;
    }
    if (!carried || this.#carried + ROUNDING < 1) return false;
    this.#carried -= 1;
    return true;
  }

  #credit(nowMs: number): number {
    return this.#reserve + this.#ratio * this.#calls.sum(nowMs) - this.#retries.sum(nowMs);
  }
}
