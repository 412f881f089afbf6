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
  #ratio = 0;
  #reserve = 0;
  #ttlMs = 0;
  // Whole numbers in both as long as the options stay, so that nothing drifts.
  #calls: SlidingWindow;
  #retries: SlidingWindow;
  #carriedCap = 0;
  #carried: number;
  /** Answers with OK that no join has used up. */
  #answers: number;
  #maxAnswers = 0;
  #answersPerJoin = 0;

  /**
   * @param carried - Most retries besides for calls that were lost with their carrier. Nothing where the options allow no retry at all.
   * @param onEmpty - Told when there is nothing to take out: must not throw.
   * @throws ConfigError on a bad option.
   */
  constructor(options: RetryBudgetOptions, clock: Clock, carried = 0, onEmpty: () => void = () => {}) {
    this.#clock = clock;
    this.#onEmpty = onEmpty;
    this.#tune(options, carried);
    this.#answers = this.#maxAnswers;
    this.#carried = this.#carriedCap;
    this.#calls = this.#window(0);
    this.#retries = this.#window(0);
  }

  /**
   * Takes other options, and stays as full as it was: what has been used of the old budget is used of the new one (F7). Calls of the last
   * `ttlMs` go on earning, by the new ratio. @throws ConfigError on a bad option.
   */
  retune(options: RetryBudgetOptions, carried: number): void {
    const nowMs = this.#clock.nowMs();
    const [calls, retries] = [this.#calls.sum(nowMs), this.#retries.sum(nowMs)];
    const before = { all: this.#reserve + this.#ratio * calls, carried: this.#carriedCap, answers: this.#maxAnswers, ttlMs: this.#ttlMs };
    this.#tune(options, carried);
    const share = (now: number, then: number): number => (then > 0 ? now / then : 1);
    // A shorter memory holds so much less of what went evenly.
    const kept = Math.min(1, share(this.#ttlMs, before.ttlMs));
    const used = share(this.#reserve + this.#ratio * calls * kept, before.all);
    if (this.#ttlMs === before.ttlMs) this.#retries.scale(used);
    else {
      this.#calls = this.#window(calls * kept);
      this.#retries = this.#window(retries * used);
    }
    this.#carried = before.carried === 0 ? this.#carriedCap : this.#carried * share(this.#carriedCap, before.carried);
    this.#answers = Math.min(this.#maxAnswers, this.#answers * share(this.#maxAnswers, before.answers));
  }

  #tune(options: RetryBudgetOptions, carried: number): void {
    const { ratio, minPerSecond, ttlMs } = resolveRetryBudgetOptions(options, 'retryBudget');
    this.#ratio = ratio;
    this.#ttlMs = ttlMs;
    this.#reserve = (minPerSecond * ttlMs) / 1000;
    this.#answersPerJoin = Math.min(MAX_ANSWERS_PER_JOIN, 1 / ratio);
    this.#maxAnswers = JOINS * this.#answersPerJoin;
    this.#carriedCap = ratio > 0 || minPerSecond > 0 ? carried : 0;
  }

  #window(sum: number): SlidingWindow {
    const nowMs = this.#clock.nowMs();
    const window = new SlidingWindow(this.#ttlMs, WINDOW_BUCKETS, nowMs);
    if (sum > 0) window.add(sum, nowMs);
    return window;
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
