/**
 * Natural batching: what waits goes at the end of the turn, as long as few batches are unanswered; else the wait for an
 * answer is what fills the next batch. How many is few is learned: by hill climbing on the time that an item spends here
 * and on the way, which Little's law gives without a clock for each item (items inside, over time, by items answered).
 *
 * @packageDocumentation
 */
import type { FlushPolicy, QueueView } from './flush-policy.ts';
import { HillClimb } from './hill-climb.ts';

/** Batches that may be out before anything is learned. */
const START = 4;
/** Answers in a block of the search. */
const BLOCK = 16;
/** The limit matters only if at least this share of a block's answers opened a gate that somebody waited at. */
const BOUND_SHARE = 0.1;

export class NaturalPolicy implements FlushPolicy {
  readonly #climb: HillClimb;
  #lastMs = Number.NaN;
  /** Items waiting or out, after the last event. */
  #inside = 0;
  /** Item-milliseconds of this block. */
  #area = 0;
  #items = 0;
  #answers = 0;
  #bound = 0;

  /** @param max - Most batches ever out at a time, 1 to 8. */
  constructor(max: number) {
    this.#climb = new HillClimb(START, 1, max);
  }

  get limit(): number {
    return this.#climb.value;
  }

  waitUntil(): number {
    return 0;
  }

  flushed(_items: number, queue: QueueView, nowMs: number): void {
    const inside = queue.waiting + queue.carried;
    this.#pass(inside, inside, nowMs);
  }

  answered(items: number, queue: QueueView, nowMs: number): void {
    const inside = queue.waiting + queue.carried;
    this.#pass(inside + items, inside, nowMs);
    this.#items += items;
    if (queue.waiting > 0 && queue.carriers + 1 >= this.limit) this.#bound++;
    if (++this.#answers < BLOCK) return;
    this.#climb.observe(this.#area / this.#items, this.#bound >= BOUND_SHARE * BLOCK);
    this.#area = this.#items = this.#answers = this.#bound = 0;
  }

  /** Between events the number inside is taken to grow evenly, up to `before`. */
  #pass(before: number, after: number, nowMs: number): void {
    if (!Number.isNaN(this.#lastMs)) this.#area += ((this.#inside + before) / 2) * Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#inside = after;
  }
}
