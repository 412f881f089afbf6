/**
 * Cassandra's rule: wait only if as many items again are expected within the window, then double the wait for as long as it
 * stays inside. Its two ways to know the gap between items: the last 16 gaps (MOVINGAVERAGE), or the count of about the
 * last second (TIMEHORIZON, Cassandra's own default).
 *
 * Source: apache/cassandra src/java/org/apache/cassandra/net/CoalescingStrategies.java (3.x).
 *
 * @packageDocumentation
 */
import type { FlushPolicy, QueueView } from './flush-policy.ts';

/** Mean time between items. */
export interface GapMeter {
  arrived(nowMs: number): void;
  /** Infinity while nothing is known. */
  gapMs(nowMs: number): number;
}

const SAMPLES = 16;

/** MOVINGAVERAGE: mean of the last 16 gaps. */
export class MovingAverageGap implements GapMeter {
  readonly #gaps = new Float64Array(SAMPLES);
  #next = 0;
  #known = 0;
  #sumMs = 0;
  #lastMs = Number.NaN;

  arrived(nowMs: number): void {
    if (!Number.isNaN(this.#lastMs)) {
      const gap = Math.max(0, nowMs - this.#lastMs);
      this.#sumMs += gap - (this.#gaps[this.#next] as number);
      this.#gaps[this.#next] = gap;
      this.#next = (this.#next + 1) % SAMPLES;
      this.#known = Math.min(SAMPLES, this.#known + 1);
    }
    this.#lastMs = nowMs;
  }

  gapMs(): number {
    return this.#known < SAMPLES ? Number.POSITIVE_INFINITY : Math.max(0, this.#sumMs) / SAMPLES;
  }
}

/** 2^26 ns, as there. */
const BUCKET_MS = 67.108864;

/** TIMEHORIZON: count of the last 15 full buckets. */
export class TimeHorizonGap implements GapMeter {
  readonly #counts = new Uint32Array(SAMPLES);
  #epoch = Number.NaN;
  #sum = 0;

  arrived(nowMs: number): void {
    const epoch = this.#roll(nowMs);
    this.#counts[epoch % SAMPLES] = (this.#counts[epoch % SAMPLES] as number) + 1;
    this.#sum++;
  }

  gapMs(nowMs: number): number {
    const epoch = this.#roll(nowMs);
    const full = this.#sum - (this.#counts[epoch % SAMPLES] as number);
    return full === 0 ? Number.POSITIVE_INFINITY : ((SAMPLES - 1) * BUCKET_MS) / full;
  }

  /** Forgets what is over the horizon; gives the current bucket's number. */
  #roll(nowMs: number): number {
    const now = Math.floor(nowMs / BUCKET_MS);
    if (Number.isNaN(this.#epoch)) this.#epoch = now;
    for (let steps = Math.min(now - this.#epoch, SAMPLES), epoch = this.#epoch; steps > 0; steps--) {
      epoch++;
      this.#sum -= this.#counts[epoch % SAMPLES] as number;
      this.#counts[epoch % SAMPLES] = 0;
    }
    this.#epoch = Math.max(this.#epoch, now);
    return this.#epoch;
  }
}

export class CassandraPolicy implements FlushPolicy {
  readonly limit: number;
  readonly #windowMs: number;
  readonly #meter: GapMeter;
  #untilMs = Number.NaN;

  /** @param windowMs - Longest wait, > 0. */
  constructor(windowMs: number, limit: number, meter: GapMeter = new TimeHorizonGap()) {
    this.#windowMs = windowMs;
    this.limit = limit;
    this.#meter = meter;
  }

  arrived(nowMs: number): void {
    this.#meter.arrived(nowMs);
  }

  /** Decided once for each batch, at the end of the turn of its first item. */
  waitUntil(queue: QueueView, nowMs: number): number {
    if (Number.isNaN(this.#untilMs)) this.#untilMs = nowMs + this.#waitMs(queue.waiting * this.#meter.gapMs(nowMs));
    return Math.min(this.#untilMs, queue.sinceMs + this.#windowMs);
  }

  #waitMs(doublingMs: number): number {
    if (doublingMs <= 0 || doublingMs > this.#windowMs) return 0;
    let waitMs = doublingMs;
    while (waitMs * 2 < this.#windowMs) waitMs *= 2;
    return waitMs;
  }

  flushed(): void {
    this.#untilMs = Number.NaN;
  }
}
