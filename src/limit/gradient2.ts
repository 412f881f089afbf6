/**
 * Gradient2: the limit follows the quotient of a long average of the latency and the latency now, plus a small queue.
 *
 * limit = limit * clamp(tolerance * long / now, 0.5, 1) + queue, smoothed. A latency that is up for good becomes the new
 * average in time, so that the limit does not collapse.
 * Source: Netflix concurrency-limits `Gradient2Limit`. One difference: there a dropped call is a sample like any other; here
 * it counts as the lowest quotient without a queue (a tenth less), and its time is not averaged.
 *
 * @packageDocumentation
 */
import { bounded, type LimitAlgorithm, type LimitBounds, usableRtt } from './algorithm.ts';

/** Settings of {@link Gradient2Limit}. */
export interface Gradient2Settings extends LimitBounds {
  /** Calls that may queue at the callee, and growth while all is well. Default 4. */
  readonly queueSize?: number;
  /** How much of a new limit is taken, above 0, at most 1. Default 0.2. */
  readonly smoothing?: number;
  /** How much latency may grow before the limit shrinks, >= 1. Default 1.5. */
  readonly tolerance?: number;
  /** Samples in the long average. Default 600. */
  readonly longWindow?: number;
}

const LOWEST_QUOTIENT = 0.5;
/** Samples averaged plainly, before the exponential average begins. */
const WARM_UP = 10;

export class Gradient2Limit implements LimitAlgorithm {
  readonly #bounds: LimitBounds;
  readonly #queueSize: number;
  readonly #smoothing: number;
  readonly #tolerance: number;
  readonly #factor: number;
  #limit: number;
  #longMs = 0;
  #samples = 0;

  constructor(settings: Gradient2Settings) {
    this.#bounds = settings;
    this.#queueSize = settings.queueSize ?? 4;
    this.#smoothing = settings.smoothing ?? 0.2;
    this.#tolerance = settings.tolerance ?? 1.5;
    this.#factor = 2 / ((settings.longWindow ?? 600) + 1);
    this.#limit = settings.initial;
  }
  get limit(): number {
    return Math.trunc(this.#limit);
  }
  onSample(rttMs: number, inflight: number, dropped: boolean): number {
    const rtt = usableRtt(rttMs);
    if (dropped) this.#moveTo(this.#limit * LOWEST_QUOTIENT);
    else if (rtt !== undefined) this.#learn(rtt, inflight);
    return this.limit;
  }

  #learn(rtt: number, inflight: number): void {
    const longMs = this.#average(rtt);
    // Back to normal after a long overload: the average must not take 600 samples to believe it.
    if (longMs / rtt > 2) this.#longMs *= 0.95;
    // Who does not use what he has shows nothing about what more would do (A7).
    if (inflight < this.#limit / 2) return;
    const quotient = bounded((this.#tolerance * longMs) / rtt, { min: LOWEST_QUOTIENT, max: 1 });
    this.#moveTo(this.#limit * quotient + this.#queueSize);
  }

  #average(rtt: number): number {
    const factor = this.#samples < WARM_UP ? 1 / ++this.#samples : this.#factor;
    this.#longMs += (rtt - this.#longMs) * factor;
    return this.#longMs;
  }

  #moveTo(limit: number): void {
    this.#limit = bounded(this.#limit * (1 - this.#smoothing) + limit * this.#smoothing, this.#bounds);
  }
}
