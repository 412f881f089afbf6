/**
 * Gradient: the limit follows the quotient of the median latency at little concurrency and the median latency now.
 *
 * limit = limit * clamp(1.25 * little / now, 0.5, 1) + sqrt(limit), once for each window of calls. Medians are compared with
 * medians, so latency may vary as it likes. What the latency is at little concurrency is seen whenever calls use half of the limit
 * or less; where they never do, the limit is halved for a moment now and then, so that the queue at the callee drains. Each
 * dropped call of a window takes its share of half the limit away.
 *
 * Source: Envoy's adaptive concurrency filter (gradient controller). Differences: there the latency is taken at a fixed concurrency
 * of 3 once a minute, the quotient may be up to 2, and dropped calls count like others.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import { bounded, type LimitAlgorithm, type LimitBounds, usableRtt } from './algorithm.ts';
import { SampleWindow } from './window.ts';

/** Settings of {@link GradientLimit}. */
export interface GradientSettings extends LimitBounds {
  /** How much latency may grow before the limit shrinks, >= 0. Default 0.25. */
  readonly buffer?: number;
  /** Shortest window in ms. Default 100. */
  readonly windowMs?: number;
  /** Calls in a window at least. Default 20. */
  readonly minSamples?: number;
  /** Longest time without a look at little concurrency in ms, give or take 15 %. Default 5000, or 30 times the latency. */
  readonly probeMs?: number;
}

const LOWEST_QUOTIENT = 0.5;
const MEDIAN = 0.5;
/** A look costs two or three latencies at half the limit: that often, it costs a few percent at most. */
const LATENCIES_BETWEEN_PROBES = 30;

export class GradientLimit implements LimitAlgorithm {
  readonly #bounds: LimitBounds;
  readonly #random: Random;
  readonly #tolerance: number;
  readonly #windowMs: number;
  readonly #minSamples: number;
  readonly #probeMs: number;
  readonly #window = new SampleWindow();
  #limit: number;
  /** Latency at little concurrency; 0: not known yet. */
  #littleMs = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #probeAtMs = Number.NEGATIVE_INFINITY;
  #probing = false;

  /** @param random - So that many limits do not probe at the same time. */
  constructor(settings: GradientSettings, random: Random) {
    this.#bounds = settings;
    this.#random = random;
    this.#tolerance = 1 + (settings.buffer ?? 0.25);
    this.#windowMs = settings.windowMs ?? 100;
    this.#minSamples = settings.minSamples ?? 20;
    this.#probeMs = settings.probeMs ?? 5000;
    this.#limit = settings.initial;
  }
  get limit(): number {
    return this.#probing ? this.#little : Math.trunc(this.#limit);
  }
  onSample(rttMs: number, inflight: number, dropped: boolean, nowMs: number): number {
    const rtt = usableRtt(rttMs);
    // What began before the queue had drained says nothing about little concurrency; that it was dropped, it says.
    if (rtt === undefined || (this.#probing && !dropped && inflight > this.#little)) return this.limit;
    if (this.#window.samples === 0) this.#sinceMs = nowMs;
    this.#window.add(rtt, inflight, dropped);
    if (this.#window.samples >= this.#minSamples && nowMs - this.#sinceMs >= this.#windowMs) {
      this.#learn(this.#window.percentile(MEDIAN), nowMs);
      this.#window.clear();
    }
    return this.limit;
  }

  #learn(median: number | undefined, nowMs: number): void {
    const { inflight, dropped, samples } = this.#window;
    if (dropped > 0) this.#limit = bounded(this.#limit * (1 - (LOWEST_QUOTIENT * dropped) / samples), this.#bounds);
    if (median === undefined) return;
    if (inflight <= this.#little) {
      // Who does not use what he has shows nothing about what more would do (A7), but all about the latency.
      this.#littleMs = median;
      this.#probing = false;
      const nextMs = Math.max(this.#probeMs, median * LATENCIES_BETWEEN_PROBES);
      this.#probeAtMs = nowMs + nextMs * (0.85 + 0.3 * this.#random());
    } else if (nowMs >= this.#probeAtMs) {
      this.#probing = true;
      return;
    }
    if (inflight * 2 < this.#limit) return;
    const quotient = bounded((this.#tolerance * this.#littleMs) / median, { min: LOWEST_QUOTIENT, max: 1 });
    this.#limit = bounded(this.#limit * quotient + Math.sqrt(this.#limit), this.#bounds);
  }

  /** Concurrency at which there should be no queue. */
  get #little(): number {
    return Math.max(this.#bounds.min, Math.trunc(this.#limit / 2));
  }
}
