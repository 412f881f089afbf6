/**
 * Latencies of the last ten seconds, in 8 KiB: two blocks of five seconds, the older of which is let go when a third begins.
 *
 * @packageDocumentation
 */
import { Histogram } from '../math/histogram.ts';
import type { LatencyView } from './views.ts';

const BLOCK_MS = 5_000;

/** Percentiles of what was recorded between five and ten seconds back and now, within 1.6 %. */
export class RecentLatencies {
  #now = new Histogram();
  #before = new Histogram();
  #block = Number.NEGATIVE_INFINITY;

  record(valueMs: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#now.record(valueMs * 1000);
  }

  view(nowMs: number): LatencyView {
    this.#turn(nowMs);
    const all = new Histogram();
    all.merge(this.#before);
    all.merge(this.#now);
    return { p50: all.percentile(50) / 1000, p95: all.percentile(95) / 1000, p99: all.percentile(99) / 1000 };
  }

  #turn(nowMs: number): void {
    const block = Math.floor(nowMs / BLOCK_MS);
    if (block <= this.#block) return;
    const oldest = this.#before;
    this.#before = this.#now;
    oldest.reset();
    this.#now = oldest;
    if (block > this.#block + 1) this.#before.reset();
    this.#block = block;
  }
}
