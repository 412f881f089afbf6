/**
 * A server as queueing theory sees it: slots, a time of service, a queue in the order of arrival.
 *
 * @packageDocumentation
 */
import type { VirtualTime } from './virtual-time.ts';

/** What a server makes of an attempt. `late`: it was refused unseen; `down`: there is no server. */
export type Verdict = 'ok' | 'late' | 'full' | 'down';

/** An attempt, as its server sees it. */
export interface Job {
  /** After this its caller is gone: what it wants is not worth doing. */
  readonly expiresMs: number;
  /** Hears once what became of it; nothing when the server dies with it. */
  done(verdict: Verdict): void;
}

export interface StationOptions {
  readonly slots: number;
  /** How long one job takes, drawn anew for each. */
  readonly serviceMs: () => number;
  /** Late jobs are refused when their turn comes, and cost nothing. Ours does so; a bare server runs them. */
  readonly dropLate: boolean;
  /** Most jobs inside, waiting included; beyond: refused at once. @defaultValue Infinity */
  readonly limit?: number;
}

/** Places of a queue that are given back at a time. */
const COMPACT = 1024;

export class Station {
  readonly #time: VirtualTime;
  readonly #options: StationOptions;
  #queue: Job[] = [];
  /** Those before it have been taken out. */
  #head = 0;
  #running = new Set<Job>();
  /** Ended while all stood still. */
  #held: (() => void)[] = [];
  #stalled = false;
  #down = false;
  /** All service takes so many times as long. */
  slowness = 1;

  constructor(time: VirtualTime, options: StationOptions) {
    this.#time = time;
    this.#options = options;
  }

  get down(): boolean {
    return this.#down;
  }

  offer(job: Job): void {
    const { limit = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#down) job.done('down');
    else if (this.#running.size + this.#queue.length - this.#head >= limit) job.done('full');
    else {
      this.#queue.push(job);
      this.#serve();
    }
  }

  /** Nothing starts and nothing ends from now on for so long; arrivals wait. */
  stall(ms: number): void {
    this.#stalled = true;
    this.#time.setTimer(() => {
      this.#stalled = false;
      for (const finish of this.#held.splice(0)) finish();
      this.#serve();
    }, ms);
  }

  /** Dies with all that it has; each of its callers hears at once, as from a broken connection. */
  kill(): void {
    this.#down = true;
    const lost = [...this.#running, ...this.#queue.slice(this.#head)];
    this.#running = new Set();
    this.#queue = [];
    this.#head = 0;
    for (const job of lost) job.done('down');
  }

  revive(): void {
    this.#down = false;
  }

  #serve(): void {
    const { slots, serviceMs, dropLate } = this.#options;
    while (!this.#stalled && this.#running.size < slots && this.#head < this.#queue.length) {
      const job = this.#queue[this.#head++];
      if (job === undefined) break;
      if (this.#head === COMPACT) this.#queue.splice(0, COMPACT);
      this.#head %= COMPACT;
      if (dropLate && job.expiresMs <= this.#time.nowMs()) {
        job.done('late');
        continue;
      }
      this.#running.add(job);
      this.#time.setTimer(() => this.#finish(job), serviceMs() * this.slowness);
    }
  }

  #finish(job: Job): void {
    if (this.#stalled) this.#held.push(() => this.#finish(job));
    else if (this.#running.delete(job)) {
      job.done('ok');
      this.#serve();
    }
  }
}
