/**
 * Quantiles of the recent past: the latency that 95 of 100 calls of the last minute did not exceed, in under 3 KiB.
 *
 * Two log-linear histograms take turns: one fills for half the window, then the other is emptied and fills. What is asked for
 * is read from both, so a value counts for at least half the window and at most the whole.
 * Source: HdrHistogram's steps (see histogram.ts, which is finer and keeps for ever).
 *
 * @packageDocumentation
 */

/** Steps in each power of two: 2^5. A quantile is at most 3.2 % too high, never too low. */
const STEP_BITS = 5;
/** Powers of two: from 1/32 ms to 131 s. */
const OCTAVES = 22;
const STEPS = OCTAVES << STEP_BITS;
const SMALLEST_MS = 2 ** -5;
const LARGEST_MS = SMALLEST_MS * 2 ** OCTAVES * (1 - Number.EPSILON);
/** Bits of a double's upper half below the ones that we want, and what the smallest value has there. */
const DROPPED_BITS = 20 - STEP_BITS;
const INDEX_OF_SMALLEST = (1023 - 5) << STEP_BITS;
/** A step that is full halves its histogram: shares stay what they were. */
const FULL = 0xffff;
/** How long an answer stands before it is worked out again, in ms. */
const STANDS_MS = 1000;

const asDouble = new Float64Array(1);
const asWords = new Uint32Array(asDouble.buffer);
/** Where the upper half of a double stands on this machine. */
const UPPER = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

interface Answer {
  readonly q: number;
  readonly value: number;
  readonly atMs: number;
}

/** Time is an argument; where it runs backwards, it counts as standing still. */
export class QuantileWindow {
  readonly #halfMs: number;
  readonly #minSamples: number;
  #filling: Uint16Array = new Uint16Array(STEPS);
  #resting: Uint16Array = new Uint16Array(STEPS);
  #inFilling = 0;
  #inResting = 0;
  #sinceMs: number;
  /** The last answers, at most two: a window serves two askers, with one quantile each. */
  #latest: Answer | undefined;
  #before: Answer | undefined;

  /**
   * @param options - `windowMs`: how long a value counts at most, > 0. `minSamples`: values below which nothing is known, >= 1.
   * @param nowMs - On the scale of all other times.
   */
  constructor(options: { readonly windowMs: number; readonly minSamples: number }, nowMs: number) {
    this.#halfMs = options.windowMs / 2;
    this.#minSamples = options.minSamples;
    this.#sinceMs = nowMs;
  }

  /** Records one value in ms. What lies outside 1/32 ms to 131 s counts as the nearest end, NaN as the smallest. About 10 ns. */
  record(valueMs: number, nowMs: number): void {
    if (nowMs - this.#sinceMs >= this.#halfMs) this.#turn(nowMs);
    asDouble[0] = valueMs >= SMALLEST_MS ? Math.min(valueMs, LARGEST_MS) : SMALLEST_MS;
    const index = ((asWords[UPPER] ?? 0) >>> DROPPED_BITS) - INDEX_OF_SMALLEST;
    if (this.#filling[index] === FULL) this.#halve();
    this.#filling[index] = (this.#filling[index] ?? 0) + 1;
    this.#inFilling++;
  }

  /** Values in the window; fewer than were recorded where one step was full. */
  count(nowMs: number): number {
    if (nowMs - this.#sinceMs >= this.#halfMs) this.#turn(nowMs);
    return this.#inFilling + this.#inResting;
  }

  /**
   * A bound in ms that a share `q` of the values in the window does not exceed: the true one or up to 3.2 % more. Undefined
   * while there are fewer than `minSamples`. The same answer stands for a second.
   *
   * @param q - Above 0, at most 1.
   */
  quantile(q: number, nowMs: number): number | undefined {
    const count = this.count(nowMs);
    if (count < this.#minSamples) return undefined;
    const known = this.#latest?.q === q ? this.#latest : this.#before;
    if (known?.q === q && nowMs - known.atMs < STANDS_MS) return known.value;
    const value = this.#compute(q, count);
    if (this.#latest?.q !== q) this.#before = this.#latest;
    this.#latest = { q, value, atMs: nowMs };
    return value;
  }

  #compute(q: number, count: number): number {
    let left = Math.max(1, Math.ceil(q * count));
    let index = 0;
    for (; index < STEPS - 1; index++) {
      left -= (this.#filling[index] ?? 0) + (this.#resting[index] ?? 0);
      if (left <= 0) break;
    }
    return upperEndOf(index);
  }

  /** A new half begins; whoever was away for longer finds the window empty. */
  #turn(nowMs: number): void {
    const emptied = this.#resting.fill(0);
    this.#resting = this.#filling;
    this.#inResting = this.#inFilling;
    this.#filling = emptied;
    this.#inFilling = 0;
    if (nowMs - this.#sinceMs >= 2 * this.#halfMs) {
      this.#resting.fill(0);
      this.#inResting = 0;
    }
    this.#sinceMs = nowMs;
  }

  #halve(): void {
    this.#inFilling = 0;
    for (let index = 0; index < STEPS; index++) {
      const half = (this.#filling[index] ?? 0) >>> 1;
      this.#filling[index] = half;
      this.#inFilling += half;
    }
  }
}

/** Where a step ends. */
function upperEndOf(index: number): number {
  const steps = 1 << STEP_BITS;
  return SMALLEST_MS * 2 ** (index >> STEP_BITS) * (1 + ((index & (steps - 1)) + 1) / steps);
}
