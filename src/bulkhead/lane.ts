/**
 * A partition of a bulkhead: what it is owed, what it has out, and who waits in it, by priority.
 *
 * Higher priorities go first, always; within one, a {@link FairQueue} has the order.
 *
 * @packageDocumentation
 */
import { FairQueue, type Place } from './fair-queue.ts';

/** Priorities: 0 goes first. */
export const RANKS = 3;
/** Of a waiter that does not say. */
export const DEFAULT_RANK = 1;

/** What a lane must know of one that waits in it. */
export interface Ranked<T> extends Place<T> {
  /** 0 to {@link RANKS} - 1. */
  readonly rank: number;
}

export class Lane<T extends Ranked<T>> {
  /** Of slots and queue, 0 to 1. */
  share: number;
  /** Slots that it gets whatever the others have. */
  slots = 0;
  /** Waiters that it may have whatever the others have. */
  queue = 0;
  /** Permits out. */
  busy = 0;
  #size = 0;
  readonly #levels: (FairQueue<T> | undefined)[] = new Array<FairQueue<T> | undefined>(RANKS).fill(undefined);

  constructor(share: number) {
    this.share = share;
  }

  /** All that wait. */
  get size(): number {
    return this.#size;
  }

  /** The total has changed. Rounded up, so that whoever has a share has a slot. Source: Netflix's AbstractPartitionedLimiter. */
  resize(slots: number, queue: number): void {
    this.slots = this.share === 0 || slots === 0 ? 0 : Math.max(1, Math.ceil(slots * this.share));
    this.queue = this.share === 0 || queue === 0 ? 0 : Math.ceil(queue * this.share);
  }

  push(one: T, group: object | undefined): void {
    this.#levels[one.rank] ??= new FairQueue<T>();
    this.#levels[one.rank]?.push(one, group);
    this.#size++;
  }

  remove(one: T): void {
    if (this.#levels[one.rank]?.remove(one) === true) this.#size--;
  }

  /** Takes out the one whose turn it is. */
  shift(): T | undefined {
    const one = this.#levels[this.first]?.shift();
    if (one !== undefined) this.#size--;
    return one;
  }

  /** The rank of the one whose turn it is; {@link RANKS}: nobody waits. */
  get first(): number {
    for (let rank = 0; rank < RANKS; rank++) if ((this.#levels[rank]?.size ?? 0) > 0) return rank;
    return RANKS;
  }

  /** The lowest rank that waits; -1: nobody waits. */
  get last(): number {
    for (let rank = RANKS - 1; rank >= 0; rank--) if ((this.#levels[rank]?.size ?? 0) > 0) return rank;
    return -1;
  }

  /** The one that has waited least among those of the lowest rank, still in the queue. */
  get newest(): T | undefined {
    return this.#levels[this.last]?.newest;
  }
}
