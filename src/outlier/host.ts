/**
 * What outlier detection knows of one endpoint: its calls of this interval and of the last, and its ejection.
 *
 * @packageDocumentation
 */

export class OutlierHost {
  /** When it was ejected; undefined: it is not. */
  ejectedAtMs: number | undefined;
  /** Ejections in a row, less one for each interval that went well since. */
  multiplier = 0;
  /** Ejections ever. */
  ejections = 0;
  #successes = 0;
  #failures = 0;
  #judgedSuccesses = 0;
  #judgedFailures = 0;

  /** A call has ended. */
  count(failed: boolean): void {
    if (failed) this.#failures++;
    else this.#successes++;
  }
  /** Calls of the interval that is being judged. */
  get volume(): number {
    return this.#judgedSuccesses + this.#judgedFailures;
  }
  /** Share of successes in the interval that is being judged; 1 without a call. */
  get successRate(): number {
    return this.volume === 0 ? 1 : this.#judgedSuccesses / this.volume;
  }
  /** Share of failures in it, in percent. */
  get failurePercentage(): number {
    return this.volume === 0 ? 0 : (this.#judgedFailures * 100) / this.volume;
  }
  /** An interval is over: its calls can be judged, and counting starts anew. */
  switchBuckets(): void {
    this.#judgedSuccesses = this.#successes;
    this.#judgedFailures = this.#failures;
    this.#successes = 0;
    this.#failures = 0;
  }
  eject(nowMs: number): void {
    this.ejectedAtMs = nowMs;
    this.multiplier++;
    this.ejections++;
  }
  /** Everything forgotten. */
  reset(): void {
    this.switchBuckets();
    this.switchBuckets();
    this.ejectedAtMs = undefined;
    this.multiplier = 0;
  }
}
