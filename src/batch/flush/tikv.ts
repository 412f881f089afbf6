/**
 * TiKV's rule for `BatchCommands` (policy "standard"): after what is there has been collected, wait only if batches have
 * come so close together of late that another item is due within the wait, and stop at the usual size of a batch.
 *
 * TiKV waits 100 us; no Node timer is that fine, so here the wait is 1 ms or more.
 * Source: tikv/client-go internal/client/conn_batch.go and client_batch.go (turboBatchTrigger), b75f6ef.
 *
 * @packageDocumentation
 */
import type { FlushPolicy, QueueView } from './flush-policy.ts';

/** Weight of the newest gap and of the newest batch size. */
const WEIGHT = 0.2;
/** Waits when the gap is below this share of the wait. */
const NEAR = 0.8;
/** A longer gap counts as so many waits, so that one pause is not remembered for long. */
const LONGEST_GAP = 5;
/** Fraction of a batch size from which it is rounded up. */
const ROUND_UP = 0.8;
/** Usual size before anything is known. */
const FIRST_SIZE = 8;

export class TikvPolicy implements FlushPolicy {
  readonly limit: number;
  readonly #waitMs: number;
  #headMs = Number.NaN;
  #gapMs = Number.NaN;
  #size = FIRST_SIZE;
  #waits = false;
  #decided = false;

  /** @param waitMs - Longest wait of a batch's first item, > 0. */
  constructor(waitMs: number, limit: number) {
    this.#waitMs = waitMs;
    this.limit = limit;
  }

  waitUntil(queue: QueueView): number {
    if (!this.#decided) {
      this.#decided = true;
      this.#heads(queue.sinceMs);
      this.#waits = this.#gapMs < NEAR * this.#waitMs;
    }
    if (!this.#waits) return Number.NEGATIVE_INFINITY;
    const whole = Math.floor(this.#size);
    const usual = this.#size - whole >= ROUND_UP ? whole + 1 : whole;
    return queue.waiting >= usual ? Number.NEGATIVE_INFINITY : queue.sinceMs + this.#waitMs;
  }

  flushed(items: number, _queue: QueueView, nowMs: number): void {
    if (!this.#decided) this.#heads(nowMs); // it went before the turn's end
    this.#decided = false;
    this.#size += WEIGHT * (items - this.#size);
  }

  /** The first item of a batch came at `atMs`. */
  #heads(atMs: number): void {
    if (!Number.isNaN(this.#headMs)) {
      const gapMs = Math.min(Math.max(0, atMs - this.#headMs), LONGEST_GAP * this.#waitMs);
      this.#gapMs = Number.isNaN(this.#gapMs) ? gapMs : this.#gapMs + WEIGHT * (gapMs - this.#gapMs);
    }
    this.#headMs = atMs;
  }
}
