import type { Ticket, Waiter } from '../../../src/bulkhead/bulkhead.ts';

/** Whom a waiter is for, and what it does when its turn comes. */
export interface WaiterWishes {
  readonly rank?: number;
  readonly partition?: string;
  readonly onGranted?: () => void;
}

/** A waiter that writes down what it hears, and can do something when its turn comes. */
export class LoggingWaiter implements Waiter {
  readonly id: string;
  readonly deadlineMs: number;
  readonly rank: number;
  readonly partition: string | undefined;
  readonly #log: string[];
  readonly #onGranted: (() => void) | undefined;
  ticket: Ticket | undefined = undefined;

  constructor(id: string, log: string[], deadlineMs: number = Number.POSITIVE_INFINITY, wishes: WaiterWishes | (() => void) = {}) {
    this.id = id;
    this.#log = log;
    this.deadlineMs = deadlineMs;
    const { rank = 1, partition, onGranted } = typeof wishes === 'function' ? { onGranted: wishes } : wishes;
    this.rank = rank;
    this.partition = partition;
    this.#onGranted = onGranted;
  }
  granted(): void {
    this.#log.push(`${this.id} granted`);
    this.#onGranted?.();
  }
  refused(why: 'timeout' | 'evicted'): void {
    this.#log.push(`${this.id} ${why}`);
  }
}
