/**
 * Count and rate of the recent past, in constant memory.
 *
 * @packageDocumentation
 */

/**
 * Sums what happened in the last `spanMs`, in `buckets` steps. What is added counts for at least `spanMs` and at most one
 * step longer. Sums of whole numbers are exact. Time is an argument; where it runs backwards, it counts as standing still.
 */
export class SlidingWindow {
  readonly #stepMs: number;
  /** One more than the span needs: the step that is just being filled. */
  readonly #buckets: Float64Array;
  #step: number;
  #at = 0;
  #sum = 0;

  /** @param spanMs - > 0. @param buckets - Whole number >= 1: memory and precision. */
  constructor(spanMs: number, buckets: number, nowMs: number) {
    this.#stepMs = spanMs / buckets;
    this.#buckets = new Float64Array(buckets + 1);
    this.#step = Math.floor(nowMs / this.#stepMs);
  }

  /** Adds `amount` now. */
  add(amount: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#buckets[this.#at] = (this.#buckets[this.#at] ?? 0) + amount;
    this.#sum += amount;
  }

  /** What was added in the window. */
  sum(nowMs: number): number {
    this.#advance(nowMs);
    return this.#sum;
  }

  /** Takes all that was added times `factor`, >= 0. */
  scale(factor: number): void {
    for (let i = 0; i < this.#buckets.length; i++) this.#buckets[i] = (this.#buckets[i] ?? 0) * factor;
    this.#sum = this.#buckets.reduce((sum, amount) => sum + amount, 0);
  }

  /** Sum per second over the time that the window covers. */
  ratePerSecond(nowMs: number): number {
    const filledMs = Math.max(nowMs, this.#step * this.#stepMs) % this.#stepMs;
    return (this.sum(nowMs) * 1000) / ((this.#buckets.length - 1) * this.#stepMs + filledMs);
  }

  /** Empties the steps that have left the window: O(1) amortised, never more than the whole window. */
  #advance(nowMs: number): void {
    const step = Math.floor(nowMs / this.#stepMs);
    if (step <= this.#step) return;
    const size = this.#buckets.length;
    if (step - this.#step >= size) {
      this.#buckets.fill(0);
      this.#sum = 0;
    } else {
      for (let passed = step - this.#step; passed > 0; passed--) {
        this.#at = this.#at + 1 === size ? 0 : this.#at + 1;
        this.#sum -= this.#buckets[this.#at] ?? 0;
        this.#buckets[this.#at] = 0;
      }
    }
    this.#step = step;
  }
}
