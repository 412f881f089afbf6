/**
 * Something that is done again and again while a channel is in use, and not at all when it is not.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';

const EVERY_MS = 250;
/** So long after the last use there is another round. */
const IDLE_AFTER_MS = 10_000;

/** What is done each round. */
export interface RoundsHome {
  /** Whether the channel is in use though {@link Rounds.used} was not called lately: a call is out. */
  busy(): boolean;
  /**
   * One round.
   *
   * @param late - This process was held up: whatever looks silent may have answered long ago.
   */
  round(nowMs: number, late: boolean): void;
}

export class Rounds {
  readonly #home: RoundsHome;
  readonly #clock: Clock;
  #timer: CancelTimer | undefined;
  #stopped = false;
  #used = false;
  #usedAtMs = 0;
  #dueMs = 0;

  constructor(home: RoundsHome, clock: Clock) {
    this.#home = home;
    this.#clock = clock;
  }
  /** The channel is in use. Called for every pick; after a pause the next round comes at once. */
  used(): void {
    this.#used = true;
    if (this.#timer === undefined && !this.#stopped) this.#schedule(0);
  }
  /** No more rounds, for ever. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.();
    this.#timer = undefined;
  }

  #schedule(inMs: number): void {
    this.#dueMs = this.#clock.nowMs() + inMs;
    this.#timer = this.#clock.setTimer(this.#run, inMs);
  }
  readonly #run = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    if (this.#used || this.#home.busy()) this.#usedAtMs = nowMs;
    this.#used = false;
    this.#home.round(nowMs, nowMs - this.#dueMs > EVERY_MS);
    if (!this.#stopped && nowMs - this.#usedAtMs < IDLE_AFTER_MS) this.#schedule(EVERY_MS);
  };
}
