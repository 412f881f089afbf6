/**
 * The last minute of one method, second by second, and its latencies of the last ten seconds. About 14 KiB.
 *
 * Nothing turns by itself: the seconds that have passed are made up for by the next call, or by who asks.
 *
 * @packageDocumentation
 */
import { Histogram } from '../math/histogram.ts';
import type { HistoryView, LatencyView } from './views.ts';

/** Points of history. */
const SECONDS = 60;
/** Rates are of so many seconds. */
const RATE_SECONDS = 10;
/** Latencies are of two blocks of so many seconds, and the running second. */
const BLOCK_SECONDS = 5;
/** Where latencies are put together: only while one is read. */
const SCRATCH = new Histogram();

/** What the last ten seconds were like. */
export interface RatesView {
  readonly callsPerSecond: number;
  readonly attemptsPerSecond: number;
  readonly success: number;
  readonly attemptSuccess: number;
}

/** Counts of one second. */
class Points {
  readonly calls: Uint32Array = new Uint32Array(SECONDS);
  readonly failed: Uint32Array = new Uint32Array(SECONDS);
  readonly attempts: Uint32Array = new Uint32Array(SECONDS);
  readonly good: Uint32Array = new Uint32Array(SECONDS);
  readonly p99Ms: Float64Array = new Float64Array(SECONDS);
}

/** Seconds, latencies and rates of one method. A call counts in the second that it ended in. */
export class LiveWindow {
  readonly #points = new Points();
  readonly #madeMs: number;
  /** The running second, and where its point will stand. */
  #second: number;
  #at = 0;
  #calls = 0;
  #failed = 0;
  #attempts = 0;
  #good = 0;
  readonly #running = new Histogram();
  #block = new Histogram();
  #before = new Histogram();

  /** @param nowMs - On `Clock.nowMs`. */
  constructor(nowMs: number) {
    this.#madeMs = nowMs;
    this.#second = Math.floor(nowMs / 1000);
  }

  /** A call has ended. */
  add(nowMs: number, durationMs: number, failed: boolean, attempts: number, good: number): void {
    if (nowMs >= (this.#second + 1) * 1000) this.#turn(nowMs);
    this.#calls++;
    if (failed) this.#failed++;
    this.#attempts += attempts;
    this.#good += good;
    this.#running.record(durationMs * 1000);
  }

  /** True when nothing of it would show any more. */
  idle(nowMs: number): boolean {
    this.#turn(nowMs);
    return this.#calls === 0 && this.#points.calls.every((calls) => calls === 0);
  }

  /** Sixty points, the oldest first; the running second is not among them. */
  history(nowMs: number): HistoryView {
    this.#turn(nowMs);
    const { calls, failed, attempts, p99Ms } = this.#points;
    return { calls: this.#ordered(calls), failed: this.#ordered(failed), attempts: this.#ordered(attempts), p99Ms: this.#ordered(p99Ms) };
  }

  /** Over the last ten seconds and the running one; of what is younger, over its age. */
  rates(nowMs: number): RatesView {
    this.#turn(nowMs);
    let [calls, failed, attempts, good] = [this.#calls, this.#failed, this.#attempts, this.#good];
    for (let back = 1; back <= RATE_SECONDS; back++) {
      const at = (this.#at - back + SECONDS) % SECONDS;
      calls += this.#points.calls[at] ?? 0;
      failed += this.#points.failed[at] ?? 0;
      attempts += this.#points.attempts[at] ?? 0;
      good += this.#points.good[at] ?? 0;
    }
    const seconds = Math.max(1, Math.min(nowMs - this.#madeMs, nowMs - (this.#second - RATE_SECONDS) * 1000) / 1000);
    return {
      callsPerSecond: calls / seconds,
      attemptsPerSecond: attempts / seconds,
      success: calls === 0 ? 1 : (calls - failed) / calls,
      attemptSuccess: attempts === 0 ? 1 : Math.min(1, good / attempts),
    };
  }

  /** Of five to ten seconds back until now, within 1.6 %. */
  latency(nowMs: number): LatencyView {
    this.#turn(nowMs);
    const all = SCRATCH;
    all.reset();
    all.merge(this.#before);
    all.merge(this.#block);
    all.merge(this.#running);
    return { p50: all.percentile(50) / 1000, p95: all.percentile(95) / 1000, p99: all.percentile(99) / 1000 };
  }

  /** Makes points of the seconds that have passed. */
  #turn(nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    // After a long silence it is enough to let the points run out.
    if (now - this.#second > SECONDS + 1) {
      this.#close();
      this.#second = now - SECONDS - 1;
    }
    while (this.#second < now) {
      this.#close();
      this.#second++;
      if (this.#second % BLOCK_SECONDS === 0) this.#nextBlock();
    }
  }
  #close(): void {
    const { calls, failed, attempts, good, p99Ms } = this.#points;
    calls[this.#at] = this.#calls;
    failed[this.#at] = this.#failed;
    attempts[this.#at] = this.#attempts;
    good[this.#at] = this.#good;
    p99Ms[this.#at] = this.#running.percentile(99) / 1000;
    this.#at = (this.#at + 1) % SECONDS;
    if (this.#running.count > 0) {
      this.#block.merge(this.#running);
      this.#running.reset();
    }
    this.#calls = this.#failed = this.#attempts = this.#good = 0;
  }
  #nextBlock(): void {
    const oldest = this.#before;
    this.#before = this.#block;
    if (oldest.count > 0) oldest.reset();
    this.#block = oldest;
  }
  #ordered(points: Uint32Array | Float64Array): number[] {
    return [...points.subarray(this.#at), ...points.subarray(0, this.#at)];
  }
}
