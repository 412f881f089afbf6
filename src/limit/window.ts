/**
 * The calls of a short time as one: a percentile of their latency, the highest concurrency, the share that was dropped.
 * Source: Netflix concurrency-limits `PercentileSampleWindow`.
 *
 * @packageDocumentation
 */

/** Times kept of one window; of more calls, the first count. */
const MAX_KEPT = 1000;

export class SampleWindow {
  readonly #times = new Float64Array(MAX_KEPT);
  #kept = 0;
  #samples = 0;
  #dropped = 0;
  /** Highest concurrency at which a call began. */
  inflight = 0;

  /** Calls, dropped ones included. */
  get samples(): number {
    return this.#samples;
  }
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a call in. The time of one that was dropped says nothing. */
  add(rttMs: number, inflight: number, dropped: boolean): void {
    this.#samples++;
    if (inflight > this.inflight) this.inflight = inflight;
    if (dropped) {
      this.#dropped++;
      return;
    }
    if (this.#kept < MAX_KEPT) this.#times[this.#kept++] = rttMs;
  }

  /** A percentile (above 0, at most 1) of the answered calls' times; undefined when there were none. */
  percentile(percentile: number): number | undefined {
    const place = Math.max(1, Math.round(this.#kept * percentile));
    return this.#times.subarray(0, this.#kept).sort()[place - 1];
  }

  /** Begins anew. */
  clear(): void {
    this.#kept = this.#samples = this.#dropped = this.inflight = 0;
  }
}
