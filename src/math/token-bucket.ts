/**
 * Token bucket: a rate with a burst. Time is an argument; there is no timer, tokens are counted when asked for.
 *
 * @packageDocumentation
 */

/** Holds up to `capacity` tokens and gains `perSecond` of them; starts full. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  /**
   * @param capacity - The burst, >= 0.
   * @param perSecond - The refill, >= 0.
   * @param tokens - What is in it at first. @defaultValue capacity
   */
  constructor(capacity: number, perSecond: number, nowMs: number, tokens: number = capacity) {
    this.#capacity = capacity;
    this.#perMs = perSecond / 1000;
    this.#tokens = Math.min(tokens, capacity);
    this.#atMs = nowMs;
  }

  /** Tokens there are now, with a fraction; 0 to `capacity`. */
  tokens(nowMs: number): number {
    if (nowMs > this.#atMs) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
      this.#atMs = nowMs;
    }
    return this.#tokens;
  }

  /** Takes `count` tokens out, all or none. */
  tryTake(count: number, nowMs: number): boolean {
    if (this.tokens(nowMs) < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Time in ms until `count` tokens are there, if nobody else takes any; Infinity when that can't be. */
  waitMs(count: number, nowMs: number): number {
    const missing = count - this.tokens(nowMs);
    if (missing <= 0) return 0;
    return count > this.#capacity ? Number.POSITIVE_INFINITY : missing / this.#perMs;
  }
}
