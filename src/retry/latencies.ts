/**
 * How fast each method answers: what a try's timeout and a hedge's delay are learned from.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { QuantileWindow } from '../math/quantile-window.ts';

/** How far back answers count. */
const WINDOW_MS = 60_000;
/** Answers without which nothing is concluded. */
const MIN_SAMPLES = 100;
/** Methods with a window of their own; the rest is never recorded, so that names can't fill the memory. */
const MAX_METHODS = 1000;

/** One window for each method, shared by retry and hedging. Only the latency of attempts that answered OK belongs in it. */
export class MethodLatencies {
  readonly #clock: Clock;
  readonly #byMethod = new Map<string, QuantileWindow>();
  #overflow: QuantileWindow | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The window of a method, in ms. @param method - `/pkg.Service/Method`. */
  of(method: string): QuantileWindow {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    if (this.#byMethod.size >= MAX_METHODS) {
      // Asks for more than it can ever have: nothing is learned of methods mixed together.
      this.#overflow ??= new QuantileWindow({ windowMs: WINDOW_MS, minSamples: Number.POSITIVE_INFINITY }, this.#clock.nowMs());
      return this.#overflow;
    }
    const made = new QuantileWindow({ windowMs: WINDOW_MS, minSamples: MIN_SAMPLES }, this.#clock.nowMs());
    this.#byMethod.set(method, made);
    return made;
  }
}
