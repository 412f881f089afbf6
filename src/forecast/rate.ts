/**
 * How fast do things arrive, now and soon? Counts in bins of time, smoothed. O(1) for each arrival; time is an argument.
 *
 * @packageDocumentation
 */

/** A forecast of an arrival rate. */
export interface RateForecast {
  arrived(nowMs: number): void;
  /** Expected arrivals for each ms, from now on. */
  perMs(nowMs: number): number;
}

/** Counts arrivals in bins of equal length and hands each full bin on, empty ones too. */
class Bins {
  readonly #binMs: number;
  readonly #maxEmpty: number;
  #bin = Number.NaN;
  #count = 0;

  /** @param maxEmpty - After so many empty bins in a row nothing is left to forget. */
  constructor(binMs: number, maxEmpty: number) {
    this.#binMs = binMs;
    this.#maxEmpty = maxEmpty;
  }

  /** Calls `full` for each bin that has ended by now, oldest first, then adds `count` to the present one. */
  pass(nowMs: number, count: number, full: (perMs: number) => void): void {
    const now = Math.floor(nowMs / this.#binMs);
    if (Number.isNaN(this.#bin)) this.#bin = now;
    if (now > this.#bin) {
      full(this.#count / this.#binMs);
      for (let empty = Math.min(now - this.#bin - 1, this.#maxEmpty); empty > 0; empty--) full(0);
      this.#bin = now;
      this.#count = 0;
    }
    this.#count += count;
  }
}

/** Weight of the newest bin in the level. */
const LEVEL_WEIGHT = 0.2;
/** Weight of the newest change in the trend. */
const TREND_WEIGHT = 0.1;
/** Length of a bin: long enough to hold several arrivals where merging is worth anything, short enough to see a burst. */
const BIN_MS = 5;
/** 0.8^64 is nothing. */
const MAX_EMPTY = 64;

/** Exponentially weighted mean of the bins: tomorrow is as today. */
export class EwmaRate implements RateForecast {
  readonly #bins = new Bins(BIN_MS, MAX_EMPTY);
  #level = Number.NaN;

  arrived(nowMs: number): void {
    this.#bins.pass(nowMs, 1, this.#full);
  }

  perMs(nowMs: number): number {
    this.#bins.pass(nowMs, 0, this.#full);
    return Number.isNaN(this.#level) ? 0 : this.#level;
  }

  readonly #full = (perMs: number): void => {
    this.#level = Number.isNaN(this.#level) ? perMs : this.#level + LEVEL_WEIGHT * (perMs - this.#level);
  };
}

/**
 * Holt's linear method: a level and a trend, one bin ahead; never below 0. Source: C. C. Holt 1957, "Forecasting seasonals and trends
 * by exponentially weighted moving averages" (Int. J. Forecasting 20, 2004).
 */
export class HoltRate implements RateForecast {
  readonly #bins = new Bins(BIN_MS, MAX_EMPTY);
  #level = Number.NaN;
  #trend = 0;

  arrived(nowMs: number): void {
    this.#bins.pass(nowMs, 1, this.#full);
  }

  perMs(nowMs: number): number {
    this.#bins.pass(nowMs, 0, this.#full);
    return Number.isNaN(this.#level) ? 0 : Math.max(0, this.#level + this.#trend);
  }

  readonly #full = (perMs: number): void => {
    if (Number.isNaN(this.#level)) {
      this.#level = perMs;
      return;
    }
    const before = this.#level;
    this.#level = Math.max(0, LEVEL_WEIGHT * perMs + (1 - LEVEL_WEIGHT) * (before + this.#trend));
    this.#trend += TREND_WEIGHT * (this.#level - before - this.#trend);
  };
}
