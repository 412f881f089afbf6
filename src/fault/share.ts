/**
 * So many of a hundred, to the call: after n calls exactly `floor(n * percent / 100)` were chosen, and of any run of calls so many,
 * give or take one. Chance would be off by a square root, which a test of ten calls, or a small share, cannot bear.
 *
 * Source: Bresenham 1965, whose line it draws.
 *
 * @packageDocumentation
 */

/** Percent are counted to four decimals. */
const UNITS_PER_PERCENT = 10_000;
const WHOLE = 100 * UNITS_PER_PERCENT;

export class ExactShare {
  readonly #step: number;
  #left = 0;

  /** @param percent - 0 to 100. */
  constructor(percent: number) {
    this.#step = Math.round(percent * UNITS_PER_PERCENT);
  }

  /** Counts a call; true: it is one of them. */
  take(): boolean {
    this.#left += this.#step;
    if (this.#left < WHOLE) return false;
    this.#left -= WHOLE;
    return true;
  }
}
