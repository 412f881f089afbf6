import type { Ticket, Waiter } from '../../../src/bulkhead/bulkhead.ts';

/** A waiter that writes down what it hears, and can do something when its turn comes. */
export class LoggingWaiter implements Waiter {
  readonly id: string;
  readonly deadlineMs: number;
  readonly #log: string[];
  readonly #onGranted: (() => void) | undefined;
  ticket: Ticket | undefined = undefined;

  constructor(id: string, log: string[], deadlineMs: number = Number.POSITIVE_INFINITY, onGranted?: () => void) {
    this.id = id;
    this.#log = log;
    this.deadlineMs = deadlineMs;
    this.#onGranted = onGranted;
  }
  granted(): void {
    this.#log.push(`${this.id} granted`);
    this.#onGranted?.();
  }
  refused(why: 'timeout'): void {
    this.#log.push(`${this.id} ${why}`);
  }
}
