/**
 * Streams whose callers have gone and that may not be reset yet: each is left to finish, and reset once the budget has room.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { type DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { ResetBudget } from './reset-budget.ts';

/** A stream that nobody waits for. */
export interface Leftover {
  /** The endpoint it is at. */
  readonly address: string;
  /** Its place among the others, kept here for {@link Leftovers}. */
  place: DeadlineHandle<Leftover> | undefined;
  /** Resets it. It says `finished` in its own time, as if it had finished by itself. */
  reset(): void;
}

/** How soon a stream that was refused a reset asks again. */
export const ASK_AGAIN_MS = 1000;
/** Streams left open on one channel, at most: past that the oldest is reset whatever the budget says. */
const MAX_LEFT = 5000;

/** The leftovers of one channel, on one timer. */
export class Leftovers {
  readonly #budget: ResetBudget;
  readonly #maxLeft: number;
  readonly #clock: Clock;
  readonly #due: DeadlineQueue<Leftover>;
  readonly #left = new Set<Leftover>();

  constructor(budget: ResetBudget, clock: Clock, maxLeft: number = MAX_LEFT) {
    this.#budget = budget;
    this.#clock = clock;
    this.#maxLeft = maxLeft;
    this.#due = new DeadlineQueue(clock, (leftover) => this.#ask(leftover));
  }

  /** Streams that are left open. */
  get size(): number {
    return this.#left.size;
  }

  /** Leaves a stream to finish; the budget is asked for its reset in `afterMs`, and again until it grants it. */
  leave(leftover: Leftover, afterMs: number = ASK_AGAIN_MS): void {
    if (this.#left.size >= this.#maxLeft) this.#resetOldest();
    this.#left.add(leftover);
    this.#budget.counts.left++;
    leftover.place = this.#due.add(leftover, this.#clock.nowMs() + afterMs);
  }

  /** A stream has finished, by itself or because it was reset. Harmless when it was not left here. */
  finished(leftover: Leftover): void {
    if (!this.#left.delete(leftover)) return;
    this.#budget.counts.left--;
    if (leftover.place !== undefined) this.#due.remove(leftover.place);
    leftover.place = undefined;
  }

  /** Resets them all at once: the channel is being closed, so nobody's call is on its connections any more. */
  clear(): void {
    for (const leftover of [...this.#left]) this.#reset(leftover);
  }

  #ask(leftover: Leftover): void {
    leftover.place = undefined;
    if (this.#budget.tryReset(leftover.address, true)) this.#reset(leftover);
    else leftover.place = this.#due.add(leftover, this.#clock.nowMs() + ASK_AGAIN_MS);
  }

  #resetOldest(): void {
    for (const oldest of this.#left) {
      this.#reset(oldest);
      return;
    }
  }

  #reset(leftover: Leftover): void {
    this.finished(leftover);
    leftover.reset();
  }
}
