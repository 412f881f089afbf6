/**
 * Retry budget: how many calls may be re-sent, so that retries never multiply an outage.
 *
 * Each call earns `ratio` retries, which lapse after `ttlMs`. `minPerSecond * ttlMs` retries are there besides in any
 * `ttlMs`, for quiet times and cold starts. So N calls over T ms are sent at most
 * `N * (1 + ratio) + minPerSecond / 1000 * (T + ttlMs)` times, and after an idle hour no more than the reserve is there.
 * Source: Finagle's `RetryBudget` (windowed leaky bucket).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import type { RetryBudgetOptions } from './options.ts';
import { resolveRetryBudgetOptions } from './options.ts';

/** A call counts for `ttlMs`, and at most a hundredth longer. */
const WINDOW_BUCKETS = 100;
/** Lets five calls at 0.2 make one retry, though floating point may see a hair less. */
const ROUNDING = 1e-9;

/** One budget for all that is re-sent to one service: retries, hedges, batch items. */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #reserve: number;
  // Whole numbers in both, so that nothing drifts.
  readonly #calls: SlidingWindow;
  readonly #retries: SlidingWindow;

  /** @throws ConfigError on a bad option. */
  constructor(options: RetryBudgetOptions, clock: Clock) {
    const { ratio, minPerSecond, ttlMs } = resolveRetryBudgetOptions(options, 'retryBudget');
    this.#clock = clock;
    this.#ratio = ratio;
    this.#reserve = (minPerSecond * ttlMs) / 1000;
    const nowMs = clock.nowMs();
    this.#calls = new SlidingWindow(ttlMs, WINDOW_BUCKETS, nowMs);
    this.#retries = new SlidingWindow(ttlMs, WINDOW_BUCKETS, nowMs);
  }

  /** A call was made: once per call, not per attempt. */
  deposit(): void {
    this.#calls.add(1, this.#clock.nowMs());
  }

  /** Takes one retry out; false: there is none, do not retry. */
  tryWithdraw(): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#credit(nowMs) + ROUNDING < 1) return false;
    this.#retries.add(1, nowMs);
    return true;
  }

  /** Retries that could be taken out now. Never negative. */
  balance(): number {
    return Math.max(0, Math.floor(this.#credit(this.#clock.nowMs()) + ROUNDING));
  }

  #credit(nowMs: number): number {
    return this.#reserve + this.#ratio * this.#calls.sum(nowMs) - this.#retries.sum(nowMs);
  }
}
