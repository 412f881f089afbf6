/**
 * How long a thread that died is waited for.
 *
 * One that had been up is replaced within a second, however often it crashes: at once, but if it keeps crashing soon after
 * it came up, after a short wait that grows to half a second, so that a poisonous request costs no whole core. One that never came up is tried again
 * ever more seldom: its module will hardly mend itself.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';

/** A thread that was up for so long counts as sound: its next crash is a first one. */
const SOUND_MS = 10_000;
const CRASH_FIRST_MS = 50;
const CRASH_MAX_MS = 500;
const START_FIRST_MS = 100;
const START_MAX_MS = 30_000;
/** Share by which chance may shorten a wait: threads that died together need not load together. */
const JITTER = 0.2;

/** The deaths of the threads of one seat. */
export class Restarts {
  readonly #random: Random;
  #crashes = 0;
  #failedStarts = 0;

  constructor(random: Random) {
    this.#random = random;
  }
  /** True while the last start, or several in a row, came to nothing. */
  get failing(): boolean {
    return this.#failedStarts > 0;
  }
  /** The thread has loaded its module. */
  cameUp(): void {
    this.#failedStarts = 0;
  }
  /** It died after `livedMs` of being up. The wait in ms before the next. */
  afterCrash(livedMs: number): number {
    this.#crashes = livedMs >= SOUND_MS ? 1 : this.#crashes + 1;
    return this.#crashes === 1 ? 0 : this.#jittered(CRASH_FIRST_MS, this.#crashes - 2, CRASH_MAX_MS);
  }
  /** It died before it was up. The wait in ms before the next. */
  afterFailedStart(): number {
    this.#failedStarts++;
    return this.#jittered(START_FIRST_MS, this.#failedStarts - 1, START_MAX_MS);
  }
  #jittered(firstMs: number, doublings: number, maxMs: number): number {
    return Math.min(firstMs * 2 ** doublings, maxMs) * (1 - JITTER * this.#random());
  }
}
