/**
 * One batch key's queue: when does what waits go out, and together with whom.
 *
 * A pure state machine on virtual time: it knows neither bytes nor channels. Items go out at the end of the event-loop
 * turn in which they came (natural batching: no timer), or at once where there never is company, as long as fewer than
 * `maxCarriers` batches are unanswered; else when one is answered, when a batch is full, or after `maxHoldMs`.
 * "Unanswered" and not "being written": a gate on the write merges next to nothing (pingcap/tidb#55206).
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';
import type { ResolvedCoalesceOptions } from './options.ts';

/** What the queue needs to know about an item. */
export interface QueueItem {
  /** Bytes of its request. */
  readonly size: number;
  /** Place in the queue; -1 when not queued. Owned by the partition. */
  slot: number;
}

/** Why a batch went out. `lead`: alone and at once, because nothing has joined anything for a while. */
export type FlushReason = 'lead' | 'tick' | 'full' | 'bytes' | 'answer' | 'hold';

/** Takes what goes out. `items` is the receiver's to keep; it has at least one. */
export type Send<I> = (items: I[], reason: FlushReason) => void;

/** After so many flushes of one item in a row the next one does not wait for company. */
const LONE_FLUSHES = 8;

export class Partition<I extends QueueItem> {
  readonly #options: ResolvedCoalesceOptions;
  readonly #clock: Clock;
  readonly #send: Send<I>;
  #queue: (I | undefined)[] = [];
  #waiting = 0;
  #bytes = 0;
  #carriers = 0;
  #scheduled = false;
  #lone = 0;
  /** An item went ahead alone and is not answered yet: whoever comes now has company. */
  #leadOut = false;
  #cancelHold: CancelTimer | undefined;
  constructor(options: ResolvedCoalesceOptions, clock: Clock, send: Send<I>) {
    this.#options = options;
    this.#clock = clock;
    this.#send = send;
  }

  /** Items waiting. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Batches out and unanswered. */
  get carriers(): number {
    return this.#carriers;
  }
  /** Nothing waits and nothing is out. */
  get idle(): boolean {
    return this.#waiting === 0 && this.#carriers === 0 && !this.#scheduled && !this.#leadOut;
  }

  /** False when the queue is full (four batches): the caller sends the item alone. */
  add(item: I): boolean {
    const { maxItems, maxBytes } = this.#options;
    if (this.#lone >= LONE_FLUSHES && this.idle) {
      this.#leadOut = true;
      this.#send([item], 'lead');
      return true;
    }
    if (this.#waiting >= 4 * maxItems) return false;
    if (this.#bytes + item.size > maxBytes && this.#waiting > 0) this.#flush('bytes');
    item.slot = this.#queue.push(item) - 1;
    this.#waiting++;
    this.#bytes += item.size;
    if (this.#waiting >= maxItems && this.#open) this.#flush('full');
    else if (this.#open) this.#schedule();
    else this.#hold();
    return true;
  }

  /** Takes an item out that has not gone yet. O(1). */
  remove(item: I): boolean {
    if (item.slot < 0 || this.#queue[item.slot] !== item) return false;
    this.#queue[item.slot] = undefined;
    this.#left(item);
    if (this.#waiting === 0) {
      this.#queue = [];
      this.#release();
    }
    return true;
  }

  /** A batch is out. Called by the receiver of `send` for what it sent as a batch; items sent alone don't count. */
  carrierSent(): void {
    this.#carriers++;
  }

  /** What went out by the reason `lead` has ended. */
  leadEnded(): void {
    this.#leadOut = false;
  }

  /** The first answer to a batch is in, or it failed. Once for each `carrierSent`. */
  carrierAnswered(): void {
    this.#carriers--;
    // At the end of the turn, so that what the answered callers ask next goes along.
    if (this.#waiting > 0) this.#schedule('answer');
  }

  get #open(): boolean {
    return this.#carriers < this.#options.maxCarriers;
  }

  #schedule(reason: FlushReason = 'tick'): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(() => {
      this.#scheduled = false;
      this.#flush(reason);
    });
  }

  #flush(reason: FlushReason): void {
    while (this.#waiting > 0 && this.#open) this.#take(reason);
    if (this.#waiting > 0) this.#hold();
  }

  #take(reason: FlushReason): void {
    const { maxItems, maxBytes } = this.#options;
    const queue = this.#queue;
    let batch: I[];
    if (this.#waiting === queue.length && this.#waiting <= maxItems && this.#bytes <= maxBytes) {
      batch = queue as I[]; // the usual case: the whole queue, no copy
      this.#queue = [];
      for (const item of batch) item.slot = -1;
      this.#waiting = this.#bytes = 0;
    } else {
      batch = [];
      let bytes = 0;
      let next = 0;
      for (; next < queue.length && batch.length < maxItems; next++) {
        const item = queue[next];
        if (item === undefined) continue;
        if (batch.length > 0 && bytes + item.size > maxBytes) break;
        bytes += item.size;
        this.#left(item);
        batch.push(item);
      }
      this.#queue = queue.slice(next);
      for (let i = 0; i < this.#queue.length; i++) {
        const item = this.#queue[i];
        if (item !== undefined) item.slot = i;
      }
    }
    if (this.#waiting === 0) this.#release();
    this.#lone = batch.length === 1 && !this.#leadOut ? this.#lone + 1 : 0;
    this.#send(batch, reason);
  }

  #left(item: I): void {
    item.slot = -1;
    this.#waiting--;
    this.#bytes -= item.size;
  }

  /** The gate is shut: wait for an answer, but no longer than `maxHoldMs` (slow handlers must not hold strangers back). */
  #hold(): void {
    this.#cancelHold ??= this.#clock.setTimer(() => {
      this.#cancelHold = undefined;
      if (this.#waiting > 0) this.#take('hold');
      if (this.#waiting > 0) this.#flush('hold');
    }, this.#options.maxHoldMs);
  }

  #release(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
  }
}
