/**
 * Additive increase, multiplicative decrease: one more while all is well, a tenth less after a call that failed or took too long.
 *
 * Needs no steady latency, only a sign of overload; without one (no deadlines, no refusals) it grows to its maximum.
 * Source: Netflix concurrency-limits `AIMDLimit`; TCP Reno, from which it has that the limit changes once in the time of a call
 * (there each call changes it, and a burst of late ones brings it down to its minimum).
 *
 * @packageDocumentation
 */
import { bounded, type LimitAlgorithm, type LimitBounds, usableRtt } from './algorithm.ts';

/** Settings of {@link AimdLimit}. */
export interface AimdSettings extends LimitBounds {
  /** What is left of the limit after a drop, 0.5 to 1. Default 0.9. */
  readonly backoff?: number;
  /** A call that took longer counts as dropped, in ms. Default 5000. */
  readonly timeoutMs?: number;
}

export class AimdLimit implements LimitAlgorithm {
  readonly #bounds: LimitBounds;
  readonly #backoff: number;
  readonly #timeoutMs: number;
  #limit: number;
  #changedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: AimdSettings) {
    this.#bounds = settings;
    this.#backoff = settings.backoff ?? 0.9;
    this.#timeoutMs = settings.timeoutMs ?? 5000;
    this.#limit = settings.initial;
  }
  get limit(): number {
    return this.#limit;
  }
  onSample(rttMs: number, inflight: number, dropped: boolean, nowMs: number): number {
    const rtt = usableRtt(rttMs);
    if (rtt === undefined && !dropped) return this.#limit;
    const startedMs = nowMs - (rtt ?? 0);
    if (dropped || rttMs > this.#timeoutMs) {
      // Calls that were out already when the limit last shrank tell of the same overload once more.
      if (startedMs >= this.#changedMs) this.#moveTo(Math.trunc(this.#limit * this.#backoff), nowMs);
    } else if (inflight * 2 >= this.#limit && startedMs >= this.#changedMs) {
      this.#moveTo(this.#limit + 1, nowMs);
    }
    return this.#limit;
  }

  #moveTo(limit: number, nowMs: number): void {
    this.#limit = bounded(limit, this.#bounds);
    this.#changedMs = nowMs;
  }
}
