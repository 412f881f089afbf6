/**
 * Bulkhead: so many calls in flight, so many waiting, no more.
 *
 * - A newcomer never overtakes a waiter of its own priority or of a higher one. Among equals, single calls are first come, first
 *   served; those and the calls of batches take turns ({@link FairQueue}).
 * - A waiter hears exactly one of `granted` and `refused`, or nothing after `cancel`; it leaves at its time, not when reached (W2).
 *   When the queue is full, a newcomer takes the place of the newest waiter of the lowest priority, if that is below its own.
 * - Partitions: an idle share is lent, and its owner gets in at once all the same, over the slots until what is lent is back
 *   (W5); slots that nobody is owed go to the highest priority, then to the partitions in turn.
 * - Every permit ('granted', or `granted()`) is given back by exactly one `release()`; that is its holder's duty.
 * - Leaving is O(1) from any place in the queue (W3), and all waiters share one timer.
 * - Source: Netflix concurrency-limits (gate, partitions), cockatiel (slots and queue).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { UsageError } from '../errors.ts';
import { checkedNumber } from '../input/checks.ts';
import type { Line } from './fair-queue.ts';
import { DEFAULT_RANK, type Lane, type Ranked } from './lane.ts';
import { Lanes } from './lanes.ts';
import type { BulkheadBy, BulkheadOptions, BulkheadRules } from './options.ts';
import { COUNT, resolveBulkheadOptions } from './options.ts';

/** A call that wants a slot. May wait in one bulkhead at a time. */
export interface Waiter {
  /** When it is no longer worth waiting, on `Clock.nowMs`; Infinity: never. Read once, when it must wait. */
  readonly deadlineMs: number;
  /** What it came with, by identity: the batch that it is a call of. Undefined: it came alone. Read once, when it must wait. */
  readonly group?: object | undefined;
  /** Priority, 0 (goes first) to 2. Default 1. Read once, when it must wait. */
  readonly rank?: number;
  /** Name of its partition. Read by `acquire` and by `release`, where there are partitions. */
  readonly partition?: string | undefined;
  /** Its turn has come: it holds a permit from now on, even if this throws. */
  granted(): void;
  /** It waited too long (`timeout`: until its deadline or for `queueTimeoutMs`) or had to make room (`evicted`), and holds nothing. */
  refused(why: 'timeout' | 'evicted'): void;
  /** Its place in the queue, written by the bulkhead only. Declare it as undefined, so that the object keeps its shape. */
  ticket?: Ticket | undefined;
}

/** A place in the queue of a {@link Bulkhead}; opaque. Made only for calls that wait. */
export class Ticket implements Ranked<Ticket> {
  /** @internal */ readonly waiter: Waiter;
  /** @internal */ readonly bulkhead: Bulkhead;
  /** @internal */ readonly untilMs: number;
  /** @internal */ readonly rank: number;
  /** @internal */ readonly lane: Lane<Ticket>;
  /** @internal */ previous: Ticket | undefined;
  /** @internal */ next: Ticket | undefined;
  /** @internal */ line: Line<Ticket> | undefined;
  /** @internal */ expiry: DeadlineHandle<Ticket> | undefined;

  constructor(waiter: Waiter, bulkhead: Bulkhead, untilMs: number, lane: Lane<Ticket>) {
    this.waiter = waiter;
    this.bulkhead = bulkhead;
    this.untilMs = untilMs;
    this.rank = waiter.rank ?? DEFAULT_RANK;
    this.lane = lane;
  }
}

/** The timer that many bulkheads can share. */
export function createExpiries(clock: Clock): DeadlineQueue<Ticket> {
  return new DeadlineQueue<Ticket>(clock, (ticket) => ticket.bulkhead.expire(ticket));
}

/** Slots and a bounded queue. */
export class Bulkhead {
  /** What its partitions are told apart by. Undefined: there are none. */
  by: BulkheadBy | undefined;
  readonly #clock: Clock;
  readonly #expiries: DeadlineQueue<Ticket>;
  #queueTimeoutMs: number;
  readonly #lanes: Lanes<Ticket>;
  /** Calls that got no slot, whatever the reason. */
  refused = 0;
  #slots: number;
  #queue: number;
  #inUse = 0;
  #granting = false;

  /**
   * @param expiries - From {@link createExpiries}, to share a timer. Default: one of its own.
   * @throws ConfigError on a bad option.
   */
  constructor(options: BulkheadOptions, clock: Clock, expiries: DeadlineQueue<Ticket> = createExpiries(clock)) {
    const rules: BulkheadRules = resolveBulkheadOptions(options, 'bulkhead');
    this.by = rules.partitions.size === 0 ? undefined : rules.by;
    this.#slots = rules.slots;
    this.#queue = rules.queue;
    this.#queueTimeoutMs = rules.queueTimeoutMs;
    this.#lanes = new Lanes<Ticket>(rules.partitions);
    this.#lanes.resize(rules.slots, rules.queue);
    this.#clock = clock;
    this.#expiries = expiries;
  }

  /** Slots now. */
  get slots(): number {
    return this.#slots;
  }

  /** Permits out. Above the slots only for a while: after a shrink, or until lent slots are back. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#lanes.size;
  }

  /**
   * Asks for a slot. 'granted': a permit is held now, and `granted()` is not called. 'queued': one of the waiter's callbacks
   * comes later, never from inside this call. 'full': nothing is held and nothing comes.
   * @throws UsageError when the waiter already waits.
   */
  acquire(waiter: Waiter): 'granted' | 'queued' | 'full' {
    const lane = this.#lanes.of(waiter);
    if ((this.#inUse < this.#slots && this.#lanes.size === 0) || (lane.busy < lane.slots && lane.size === 0)) {
      this.#inUse++;
      lane.busy++;
      return 'granted';
    }
    if (waiter.ticket !== undefined) throw new UsageError('Bulkhead.acquire: this waiter already waits');
    const room = this.#lanes.size < this.#queue || lane.size < lane.queue;
    const evicted = room ? undefined : this.#lanes.lowestBelow(waiter.rank ?? DEFAULT_RANK, lane);
    if (!room && evicted === undefined) {
      this.refused++;
      return 'full';
    }
    if (evicted !== undefined) this.#remove(evicted);
    this.#enqueue(waiter, lane);
    if (evicted !== undefined) this.#call(evicted.waiter, 'evicted');
    return 'queued';
  }

  /** The waiter goes away on its own account and hears nothing. Harmless when it does not wait here. O(1). */
  cancel(waiter: Waiter): void {
    const ticket = waiter.ticket;
    if (ticket?.bulkhead === this) this.#remove(ticket);
  }

  /**
   * Gives one permit back, and passes it on to the waiter whose turn it is.
   *
   * @param holder - Who held it; needed where there are partitions.
   * @throws UsageError when none is out: a double release.
   */
  release(holder?: Pick<Waiter, 'partition'>): void {
    const lane = this.#lanes.holding(holder);
    if (lane === undefined) throw new UsageError('Bulkhead.release: no permit is out; it was released twice');
    this.#inUse--;
    lane.busy--;
    if (this.#lanes.size > 0) this.#grant();
  }

  /**
   * Changes the size. Permits that are out stay out, and whoever waits goes on waiting: a smaller bulkhead only takes
   * fewer from now on. @throws ConfigError on a bad number.
   */
  resize(slots: number, queue: number = this.#queue): void {
    this.#slots = checkedNumber(slots, 0, COUNT, 'bulkhead.slots');
    this.#queue = checkedNumber(queue, 0, COUNT, 'bulkhead.queue');
    this.#lanes.resize(slots, queue);
    this.#grant();
  }

  /**
   * Takes other options, as `resize` does: permits stay out, whoever waits goes on waiting, in its partition and for the time that it was
   * promised. @throws ConfigError on a bad option; then nothing has changed.
   */
  retune(options: BulkheadOptions): void {
    const rules = resolveBulkheadOptions(options, 'bulkhead');
    this.by = rules.partitions.size === 0 ? undefined : rules.by;
    this.#queueTimeoutMs = rules.queueTimeoutMs;
    this.#lanes.reshape(rules.partitions);
    this.resize(rules.slots, rules.queue);
  }

  /** @internal The time of a waiter is over. */
  expire(ticket: Ticket): void {
    this.#remove(ticket);
    this.#call(ticket.waiter, 'timeout');
  }

  #enqueue(waiter: Waiter, lane: Lane<Ticket>): void {
    const queueEndMs =
      this.#queueTimeoutMs === Number.POSITIVE_INFINITY ? this.#queueTimeoutMs : this.#clock.nowMs() + this.#queueTimeoutMs;
    const ticket = new Ticket(waiter, this, Math.min(waiter.deadlineMs, queueEndMs), lane);
    if (ticket.untilMs !== Number.POSITIVE_INFINITY) ticket.expiry = this.#expiries.add(ticket, ticket.untilMs);
    waiter.ticket = ticket;
    this.#lanes.push(ticket, waiter.group);
  }

  #remove(ticket: Ticket): void {
    this.#lanes.remove(ticket);
    this.#forget(ticket);
  }

  #forget(ticket: Ticket): void {
    ticket.waiter.ticket = undefined;
    if (ticket.expiry !== undefined) this.#expiries.remove(ticket.expiry);
  }

  /** Hands free slots to waiters. A loop, not a recursion: a granted call may end and release at once, ten thousand times in a row. */
  #grant(): void {
    if (this.#granting) return;
    this.#granting = true;
    for (;;) {
      const ticket = this.#lanes.shift(this.#inUse < this.#slots);
      if (ticket === undefined) break;
      this.#forget(ticket);
      // Its timer may be late (a busy event loop); a call past its deadline must not start (D6).
      const inTime = ticket.untilMs === Number.POSITIVE_INFINITY || ticket.untilMs > this.#clock.nowMs();
      if (inTime) {
        this.#inUse++;
        ticket.lane.busy++;
      }
      this.#call(ticket.waiter, inTime ? 'granted' : 'timeout');
    }
    this.#granting = false;
  }

  /** A waiter that throws must not break the call that released the slot, nor the waiters behind it: its error surfaces on its own. */
  #call(waiter: Waiter, what: 'granted' | 'timeout' | 'evicted'): void {
    try {
      if (what === 'granted') waiter.granted();
      else {
        this.refused++;
        waiter.refused(what);
      }
    } catch (error) {
      this.#clock.endOfTurn(() => {
        throw error;
      });
    }
  }
}
