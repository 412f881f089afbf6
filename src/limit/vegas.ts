/**
 * Vegas: the queue at the callee, reckoned from how much longer a call takes than the fastest seen, is kept at a few calls.
 *
 * queue = limit * (1 - fastest / now). Below `alpha` the limit grows, above `beta` it shrinks, by about log10(limit). The fastest
 * time is taken anew now and then, for a callee may have become slower for good. For callees whose latency hardly varies.
 * Source: Netflix concurrency-limits `VegasLimit`. Differences: while the fastest time is taken anew the limit is halved, for else
 * what is measured is the queue (there the limit drifts to three times the right one); and a dropped call shrinks the limit whatever
 * its time, which is never taken for the fastest, for a refusal comes quicker than any answer.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import { bounded, type LimitAlgorithm, type LimitBounds, usableRtt } from './algorithm.ts';

type OfLimit = (limit: number) => number;

/** Settings of {@link VegasLimit}; the functions are of the limit. */
export interface VegasSettings extends LimitBounds {
  /** Calls queued below which the limit grows. Default 3 log10. */
  readonly alpha?: OfLimit;
  /** Calls queued above which it shrinks, and how much it grows at a time while there is no queue. Default 6 log10. */
  readonly beta?: OfLimit;
  /** The next smaller limit. Default limit - log10. */
  readonly decrease?: OfLimit;
  /** How much of a new limit is taken, above 0, at most 1. Default 1. */
  readonly smoothing?: number;
  /** The fastest time is taken anew after this many times the limit of samples, half to all of it by chance. Default 30. */
  readonly probeMultiplier?: number;
}

/** Calls of which the fastest gives the new fastest time. */
const PROBE_SAMPLES = 10;

const log10 = (limit: number): number => Math.max(1, Math.trunc(Math.log10(limit)));

export class VegasLimit implements LimitAlgorithm {
  readonly #bounds: LimitBounds;
  readonly #random: Random;
  readonly #alpha: OfLimit;
  readonly #beta: OfLimit;
  readonly #decrease: OfLimit;
  readonly #smoothing: number;
  readonly #probeMultiplier: number;
  #limit: number;
  #fastestMs = 0;
  #sinceProbe = 0;
  #jitter: number;
  /** Samples that the probe under way still needs; 0: there is none. */
  #probing = 0;
  #probedMs = 0;

  /** @param random - So that many limits do not probe at the same time. */
  constructor(settings: VegasSettings, random: Random) {
    this.#bounds = settings;
    this.#random = random;
    this.#alpha = settings.alpha ?? ((limit) => 3 * log10(limit));
    this.#beta = settings.beta ?? ((limit) => 6 * log10(limit));
    this.#decrease = settings.decrease ?? ((limit) => limit - log10(limit));
    this.#smoothing = settings.smoothing ?? 1;
    this.#probeMultiplier = settings.probeMultiplier ?? 30;
    this.#limit = settings.initial;
    this.#jitter = this.#nextJitter();
  }
  get limit(): number {
    return this.#probing > 0 ? this.#probeLimit : Math.trunc(this.#limit);
  }
  onSample(rttMs: number, inflight: number, dropped: boolean): number {
    const rtt = usableRtt(rttMs);
    if (dropped) this.#moveTo(this.#decrease(this.#limit));
    else if (rtt !== undefined) this.#answered(rtt, inflight);
    return this.limit;
  }

  #answered(rtt: number, inflight: number): void {
    this.#sinceProbe++;
    if (this.#probing > 0) this.#probe(rtt, inflight);
    else if (this.#fastestMs === 0 || rtt < this.#fastestMs) this.#fastestMs = rtt;
    else if (this.#sinceProbe >= this.#jitter * this.#probeMultiplier * this.#limit) this.#startProbe();
    else this.#learn(rtt, inflight);
  }

  #learn(rtt: number, inflight: number): void {
    // Who does not use what he has shows nothing about what more would do (A7).
    if (inflight * 2 <= this.#limit) return;
    const whole = Math.trunc(this.#limit);
    const queue = Math.ceil(this.#limit * (1 - this.#fastestMs / rtt));
    if (queue <= log10(whole)) this.#moveTo(this.#limit + this.#beta(whole));
    else if (queue < this.#alpha(whole)) this.#moveTo(this.#limit + log10(whole));
    else if (queue > this.#beta(whole)) this.#moveTo(this.#decrease(this.#limit));
  }

  #moveTo(limit: number): void {
    this.#limit = this.#limit * (1 - this.#smoothing) + bounded(limit, this.#bounds) * this.#smoothing;
  }

  get #probeLimit(): number {
    return Math.max(this.#bounds.min, Math.ceil(this.#limit / 2));
  }

  #startProbe(): void {
    this.#jitter = this.#nextJitter();
    this.#probing = PROBE_SAMPLES;
    this.#probedMs = Number.POSITIVE_INFINITY;
  }

  /** Calls that began before the queue had drained do not count. */
  #probe(rtt: number, inflight: number): void {
    if (inflight > this.#probeLimit) return;
    this.#probedMs = Math.min(this.#probedMs, rtt);
    if (--this.#probing > 0) return;
    this.#fastestMs = this.#probedMs;
    this.#sinceProbe = 0;
  }

  #nextJitter(): number {
    return 0.5 + this.#random() / 2;
  }
}
