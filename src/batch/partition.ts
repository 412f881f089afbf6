/**
 * One batch key's queue: when does what waits go out, and together with whom.
 *
 * A pure state machine on virtual time: it knows neither bytes nor channels. It keeps the limits, the turns of the event
 * loop, the timer and the deadlines; a flush policy says how many batches may be unanswered and how long the queue waits
 * for company. By default (natural batching) items go out at the end of the turn in which they came, or at once where there
 * never is company, as long as few batches are unanswered; else when one is answered, when a batch is full, or after
 * `maxHoldMs`. "Unanswered" and not "being written": a gate on the write merges next to nothing (pingcap/tidb#55206).
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';
import type { FlushPolicy, QueueView } from './flush/flush-policy.ts';
import { flushPolicyOf } from './flush/flush-rules.ts';
import { PayMeter } from './flush/pay-meter.ts';
import type { ResolvedCoalesceOptions } from './options.ts';

/** What the queue needs to know about an item. */
export interface QueueItem {
  /** Bytes of its request. */
  readonly size: number;
  /** Place in the queue; -1 when not queued. Owned by the partition. */
  slot: number;
  /** When its caller gives up, on the partition's clock. Infinity or undefined: never. An item waits for a tenth of its time at most. */
  readonly deadlineMs?: number | undefined;
}

/**
 * Why a batch went out. `lead`: alone and at once, because nothing has joined anything for a while. `hold`: it has waited
 * for as long as it may, at a shut gate, for company, or by a deadline.
 */
export type FlushReason = 'lead' | 'tick' | 'full' | 'bytes' | 'answer' | 'hold';

/** Takes what goes out. `items` is the receiver's to keep; it has at least one. */
export type Send<I> = (items: I[], reason: FlushReason) => void;

/** Share of an item's time that it may wait in the queue. */
const DEADLINE_SHARE = 0.1;
/** Timers fire a little early or late; a wait shorter than that is over. */
const TIMER_SLACK_MS = 0.5;

export class Partition<I extends QueueItem> implements QueueView {
  readonly #options: ResolvedCoalesceOptions;
  readonly #clock: Clock;
  readonly #send: Send<I>;
  readonly #policy: FlushPolicy;
  readonly #pay = new PayMeter();
  #queue: (I | undefined)[] = [];
  #waiting = 0;
  #bytes = 0;
  #carriers = 0;
  #carried = 0;
  /** Items of the batch that is being sent. */
  #sending = 1;
  #scheduled = false;
  /** An item went ahead alone and is not answered yet: whoever comes now has company. */
  #leadOut = false;
  #sinceMs = 0;
  /** The earliest deadline among those that wait, or one that was among them. */
  #deadlineMs = Number.POSITIVE_INFINITY;
  /** Since when a shut gate holds what waits; NaN: it does not. */
  #heldMs = Number.NaN;
  #alarmMs = Number.POSITIVE_INFINITY;
  #cancelAlarm: CancelTimer | undefined;

  /** @param policy - Default: the one that the options name. */
  constructor(options: ResolvedCoalesceOptions, clock: Clock, send: Send<I>, policy: FlushPolicy = flushPolicyOf(options)) {
    this.#options = options;
    this.#clock = clock;
    this.#send = send;
    this.#policy = policy;
  }

  /** Items waiting. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Batches out and unanswered. */
  get carriers(): number {
    return this.#carriers;
  }
  /** Items in them. */
  get carried(): number {
    return this.#carried;
  }
  /** When the first of those that wait came, or earlier. */
  get sinceMs(): number {
    return this.#sinceMs;
  }
  /** Batches that may be unanswered at present; Infinity where there is no gate. */
  get limit(): number {
    return this.#policy.limit;
  }
  /** Nothing waits and nothing is out. */
  get idle(): boolean {
    return this.#waiting === 0 && this.#carriers === 0 && !this.#scheduled && !this.#leadOut;
  }

  /** False when the queue is full (four batches): the caller sends the item alone. */
  add(item: I): boolean {
    const { maxItems, maxBytes } = this.#options;
    this.#policy.arrived?.(this.#clock.nowMs());
    if (this.#pay.goesAhead && this.idle) {
      this.#leadOut = true;
      this.#pay.wentAhead();
      this.#send([item], 'lead');
      return true;
    }
    if (this.#waiting >= 4 * maxItems) return false;
    if (this.#bytes + item.size > maxBytes && this.#waiting > 0) this.#flush('bytes');
    if (this.#waiting === 0) this.#sinceMs = this.#clock.nowMs();
    item.slot = this.#queue.push(item) - 1;
    this.#waiting++;
    this.#bytes += item.size;
    const sooner = item.deadlineMs !== undefined && item.deadlineMs < this.#deadlineMs;
    if (sooner) this.#deadlineMs = item.deadlineMs;
    if (!this.#open) {
      if (sooner || Number.isNaN(this.#heldMs)) this.#hold();
    } else if (this.#waiting >= maxItems) this.#flush('full');
    else this.#schedule();
    return true;
  }

  /** Takes an item out that has not gone yet. O(1). */
  remove(item: I): boolean {
    if (item.slot < 0 || this.#queue[item.slot] !== item) return false;
    this.#queue[item.slot] = undefined;
    this.#left(item);
    if (this.#waiting === 0) {
      this.#queue = [];
      this.#emptied();
    }
    return true;
  }

  /**
   * A batch is out. Called by the receiver of `send` for what it sent as a batch; items sent alone don't count.
   *
   * @param items - How many are in it. Default: all that `send` was last given.
   */
  carrierSent(items: number = this.#sending): void {
    this.#carriers++;
    this.#carried += items;
  }

  /** What went out by the reason `lead` has ended. */
  leadEnded(): void {
    this.#leadOut = false;
  }

  /**
   * The first answer to a batch is in, or it failed. Once for each `carrierSent`.
   *
   * @param items - How many were in it, as told to `carrierSent`. Default: the mean of those that are out.
   */
  carrierAnswered(items: number = this.#carried / this.#carriers): void {
    this.#carriers--;
    this.#carried = this.#carriers === 0 ? 0 : Math.max(0, this.#carried - items);
    this.#policy.answered?.(items, this, this.#clock.nowMs());
    // At the end of the turn, so that what the answered callers ask next goes along.
    if (this.#waiting > 0) this.#schedule('answer');
  }

  get #open(): boolean {
    return this.#carriers < this.#policy.limit;
  }

  #schedule(reason: FlushReason = 'tick'): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(() => {
      this.#scheduled = false;
      if (this.#waiting > 0) this.#decide(reason, 0);
    });
  }

  /** Go, or wait on: for company, or for the gate. */
  #decide(reason: FlushReason, slackMs: number): void {
    if (!this.#open) {
      this.#hold();
      return;
    }
    const nowMs = this.#clock.nowMs();
    const wishedMs = this.#pay.lingers ? this.#policy.waitUntil(this, nowMs) : nowMs;
    const untilMs = Math.min(wishedMs, this.#dueMs);
    if (untilMs <= nowMs + slackMs) this.#flush(reason);
    else this.#wake(untilMs, nowMs);
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
      this.#keep(queue.slice(next));
    }
    if (this.#waiting === 0) this.#emptied();
    this.#pay.flushed(batch.length, this.#leadOut);
    const size = batch.length; // the array is the receiver's from now on
    this.#sending = size;
    this.#send(batch, reason);
    this.#policy.flushed?.(size, this, this.#clock.nowMs());
  }

  /** These stay behind. */
  #keep(queue: (I | undefined)[]): void {
    this.#queue = queue;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < queue.length; i++) {
      const item = queue[i];
      if (item === undefined) continue;
      item.slot = i;
      this.#deadlineMs = Math.min(this.#deadlineMs, item.deadlineMs ?? Number.POSITIVE_INFINITY);
    }
  }

  #left(item: I): void {
    item.slot = -1;
    this.#waiting--;
    this.#bytes -= item.size;
  }

  /** When the first of a tenth of anybody's time is over, or earlier. */
  get #dueMs(): number {
    return this.#sinceMs + DEADLINE_SHARE * Math.max(0, this.#deadlineMs - this.#sinceMs);
  }

  /** The gate is shut: wait for an answer, but no longer than `maxHoldMs` (slow handlers must not hold strangers back). */
  #hold(): void {
    const nowMs = this.#clock.nowMs();
    if (Number.isNaN(this.#heldMs)) this.#heldMs = nowMs;
    this.#wake(this.#heldUntilMs, nowMs);
  }

  /** NaN while no gate holds anything. */
  get #heldUntilMs(): number {
    return Math.min(this.#heldMs + this.#options.maxHoldMs, this.#dueMs);
  }

  #wake(atMs: number, nowMs: number): void {
    if (atMs >= this.#alarmMs) return;
    this.#cancelAlarm?.();
    this.#alarmMs = atMs;
    this.#cancelAlarm = this.#clock.setTimer(this.#rings, atMs - nowMs);
  }

  readonly #rings = (): void => {
    this.#cancelAlarm = undefined;
    this.#alarmMs = Number.POSITIVE_INFINITY;
    if (this.#waiting === 0) return;
    if (!this.#open && this.#heldUntilMs <= this.#clock.nowMs() + TIMER_SLACK_MS) {
      this.#take('hold');
      if (this.#waiting === 0) return;
      this.#heldMs = this.#sinceMs = this.#clock.nowMs();
    }
    this.#decide('hold', TIMER_SLACK_MS);
  };

  #emptied(): void {
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#heldMs = Number.NaN;
    this.#cancelAlarm?.();
    this.#cancelAlarm = undefined;
    this.#alarmMs = Number.POSITIVE_INFINITY;
  }
}
