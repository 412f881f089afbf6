/**
 * Bulkhead: so many calls in flight, so many waiting, no more.
 *
 * - A newcomer never overtakes a waiter. Single calls among themselves: first come, first served; those and the calls of
 *   batches take turns ({@link FairQueue}).
 * - A waiter hears exactly one of `granted` and `refused`, or nothing after `cancel`; it leaves at its time, not when reached (W2).
 * - Every permit ('granted', or `granted()`) is given back by exactly one `release()`; that is its holder's duty.
 * - Leaving is O(1) from any place in the queue (W3), and all waiters share one timer.
 * - Source: Netflix concurrency-limits (gate), cockatiel (slots and queue).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { UsageError } from '../errors.ts';
import { FairQueue, type Line, type Place } from './fair-queue.ts';
import type { BulkheadOptions, BulkheadRules } from './options.ts';
import { resolveBulkheadOptions } from './options.ts';

/** A call that wants a slot. May wait in one bulkhead at a time. */
export interface Waiter {
  /** When it is no longer worth waiting, on `Clock.nowMs`; Infinity: never. Read once, by `acquire`. */
  readonly deadlineMs: number;
  /** What it came with, by identity: the batch that it is a call of. Undefined: it came alone. Read once, by `acquire`. */
  readonly group?: object | undefined;
  /** Its turn has come: it holds a permit from now on, even if this throws. */
  granted(): void;
  /** It waited until its deadline or for `queueTimeoutMs`, and holds nothing. */
  refused(why: 'timeout'): void;
  /** Its place in the queue, written by the bulkhead only. Declare it as undefined, so that the object keeps its shape. */
  ticket?: Ticket | undefined;
}

/** A place in the queue of a {@link Bulkhead}; opaque. Made only for calls that wait. */
export class Ticket implements Place<Ticket> {
  /** @internal */ readonly waiter: Waiter;
  /** @internal */ readonly bulkhead: Bulkhead;
  /** @internal */ readonly untilMs: number;
  /** @internal */ previous: Ticket | undefined;
  /** @internal */ next: Ticket | undefined;
  /** @internal */ line: Line<Ticket> | undefined;
  /** @internal */ expiry: DeadlineHandle<Ticket> | undefined;

  constructor(waiter: Waiter, bulkhead: Bulkhead, untilMs: number) {
    this.waiter = waiter;
    this.bulkhead = bulkhead;
    this.untilMs = untilMs;
  }
}

/** The timer that many bulkheads can share. */
export function createExpiries(clock: Clock): DeadlineQueue<Ticket> {
  return new DeadlineQueue<Ticket>(clock, (ticket) => ticket.bulkhead.expire(ticket));
}

/** Slots and a bounded queue. */
export class Bulkhead {
  readonly #clock: Clock;
  readonly #expiries: DeadlineQueue<Ticket>;
  readonly #queueTimeoutMs: number;
  #slots: number;
  #queue: number;
  #inUse = 0;
  readonly #waiters = new FairQueue<Ticket>();
  #granting = false;

  /**
   * @param expiries - From {@link createExpiries}, to share a timer. Default: one of its own.
   * @throws ConfigError on a bad option.
   */
  constructor(options: BulkheadOptions, clock: Clock, expiries: DeadlineQueue<Ticket> = createExpiries(clock)) {
    const rules: BulkheadRules = resolveBulkheadOptions(options, 'bulkhead');
    this.#slots = rules.slots;
    this.#queue = rules.queue;
    this.#queueTimeoutMs = rules.queueTimeoutMs;
    this.#clock = clock;
    this.#expiries = expiries;
  }

  /** Permits out. Above the slots only for a while after a shrink. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * Asks for a slot. 'granted': a permit is held now, and `granted()` is not called. 'queued': one of the waiter's callbacks
   * comes later, never from inside this call. 'full': nothing is held and nothing comes.
   * @throws UsageError when the waiter already waits.
   */
  acquire(waiter: Waiter): 'granted' | 'queued' | 'full' {
    if (this.#inUse < this.#slots && this.#waiters.size === 0) {
      this.#inUse++;
      return 'granted';
    }
    if (waiter.ticket !== undefined) throw new UsageError('Bulkhead.acquire: this waiter already waits');
    if (this.#waiters.size >= this.#queue) return 'full';
    this.#enqueue(waiter);
    return 'queued';
  }

  /** The waiter goes away on its own account and hears nothing. Harmless when it does not wait here. O(1). */
  cancel(waiter: Waiter): void {
    const ticket = waiter.ticket;
    if (ticket?.bulkhead === this) this.#remove(ticket);
  }

  /** Gives one permit back, and passes it on to the waiter whose turn it is. @throws UsageError when none is out: a double release. */
  release(): void {
    if (this.#inUse === 0) throw new UsageError('Bulkhead.release: no permit is out; it was released twice');
    this.#inUse--;
    if (this.#waiters.size > 0) this.#grant();
  }

  /**
   * Changes the size. Permits that are out stay out, and whoever waits goes on waiting: a smaller bulkhead only takes
   * fewer from now on. @throws ConfigError on a bad number.
   */
  resize(slots: number, queue: number): void {
    const rules = resolveBulkheadOptions({ slots, queue }, 'bulkhead');
    this.#slots = rules.slots;
    this.#queue = rules.queue;
    this.#grant();
  }

  /** @internal The time of a waiter is over. */
  expire(ticket: Ticket): void {
    this.#remove(ticket);
    this.#call(ticket.waiter, false);
  }

  #enqueue(waiter: Waiter): void {
    const queueEndMs =
      this.#queueTimeoutMs === Number.POSITIVE_INFINITY ? this.#queueTimeoutMs : this.#clock.nowMs() + this.#queueTimeoutMs;
    const ticket = new Ticket(waiter, this, Math.min(waiter.deadlineMs, queueEndMs));
    if (ticket.untilMs !== Number.POSITIVE_INFINITY) ticket.expiry = this.#expiries.add(ticket, ticket.untilMs);
    waiter.ticket = ticket;
    this.#waiters.push(ticket, waiter.group);
  }

  #remove(ticket: Ticket): void {
    this.#waiters.remove(ticket);
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
    while (this.#inUse < this.#slots) {
      const ticket = this.#waiters.shift();
      if (ticket === undefined) break;
      this.#forget(ticket);
      // Its timer may be late (a busy event loop); a call past its deadline must not start (D6).
      const inTime = ticket.untilMs === Number.POSITIVE_INFINITY || ticket.untilMs > this.#clock.nowMs();
      if (inTime) this.#inUse++;
      this.#call(ticket.waiter, inTime);
    }
    this.#granting = false;
  }

  /** A waiter that throws must not break the call that released the slot, nor the waiters behind it: its error surfaces on its own. */
  #call(waiter: Waiter, granted: boolean): void {
    try {
      if (granted) waiter.granted();
      else waiter.refused('timeout');
    } catch (error) {
      this.#clock.endOfTurn(() => {
        throw error;
      });
    }
  }
}
