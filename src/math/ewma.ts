/**
 * Averages in which the past fades with time, not with the number of samples. Time is an argument.
 *
 * Both forget at the time constant `tauMs`: after that long without news, e^-1 = 37 % of a value is left. Where time runs
 * backwards, it counts as standing still.
 *
 * @packageDocumentation
 */

/** What is left of a value after `elapsedMs`, 0 to 1. */
function fading(elapsedMs: number, tauMs: number): number {
  return elapsedMs > 0 ? Math.exp(-elapsedMs / tauMs) : 1;
}

/** Exponentially weighted moving average: a sample weighs more the longer the silence before it. */
export class Ewma {
  readonly #tauMs: number;
  #value: number | undefined;
  #atMs = 0;

  /** @param tauMs - Time constant, > 0. */
  constructor(tauMs: number) {
    this.#tauMs = tauMs;
  }

  /** The average; undefined before the first sample, which sets it. */
  get value(): number | undefined {
    return this.#value;
  }

  /** Takes a sample in. */
  observe(sample: number, nowMs: number): void {
    if (this.#value === undefined) {
      this.#value = sample;
      this.#atMs = nowMs;
      return;
    }
    const left = fading(nowMs - this.#atMs, this.#tauMs);
    this.#value = this.#value * left + sample * (1 - left);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
}

/**
 * Peak EWMA: bad news at once, good news slowly. A sample above the average replaces it; below, it is averaged in. Without
 * news the value fades to 0, so that what was slow once is tried again. Source: Finagle's `Metric` of `p2c_peak_ewma`.
 */
export class PeakEwma {
  readonly #tauMs: number;
  #value = 0;
  #atMs = 0;

  /** @param tauMs - Time constant, > 0. */
  constructor(tauMs: number) {
    this.#tauMs = tauMs;
  }

  /** Takes a sample (>= 0) in. */
  observe(sample: number, nowMs: number): void {
    if (sample >= this.#value) {
      this.#value = sample;
    } else {
      const left = fading(nowMs - this.#atMs, this.#tauMs);
      this.#value = this.#value * left + sample * (1 - left);
    }
    this.#atMs = Math.max(this.#atMs, nowMs);
  }

  /** The value, faded to now; 0 before the first sample. */
  value(nowMs: number): number {
    return this.#value * fading(nowMs - this.#atMs, this.#tauMs);
  }
}
