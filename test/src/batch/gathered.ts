import type { Gathered } from '../../../src/batch/gather.ts';

/** A call that writes down what it hears. */
export class LoggingCall implements Gathered {
  readonly id: string;
  readonly deadlineMs: number;
  readonly size = 0;
  slot = -1;
  gather: Gathered['gather'] = undefined;
  run: Gathered['run'] = undefined;
  expiry: Gathered['expiry'] = undefined;
  readonly #log: string[];

  constructor(id: string, log: string[], deadlineMs: number = Number.POSITIVE_INFINITY) {
    this.id = id;
    this.deadlineMs = deadlineMs;
    this.#log = log;
  }
  refused(): void {
    this.#log.push(`${this.id} refused`);
  }
  expired(running: boolean): void {
    this.#log.push(`${this.id} expired ${running ? 'running' : 'waiting'}`);
  }
}
