/**
 * Batches that arrive together are begun in turns of the event loop of their own.
 *
 * Begun one after the other in one turn, they would be answered together when all are done; their client would then answer all callers at
 * once, whose next calls would arrive together again: each side idle while the other works. Begun apart, the answers to one are on the wire
 * while the next is worked on, and the two sides work side by side from then on (1.6 times the calls of 256 callers). And whatever else
 * waits for the event loop gets its turn in between.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';

/** A turn in which so many items were begun is full. */
const ITEMS_A_TURN = 64;
/** Smaller batches neither fill a turn nor wait for one. */
const FEW_ITEMS = 16;

interface Work {
  readonly items: number;
  readonly begin: () => void;
}

/** The turns of one server. */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: Work[] = [];
  #begun = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a batch of so many items has to wait for a later turn. */
  defers(items: number): boolean {
    return items >= FEW_ITEMS && (this.#begun >= ITEMS_A_TURN || this.#waiting.length > 0);
  }

  /** A batch is begun in this turn. */
  began(items: number): void {
    if (items < FEW_ITEMS) return;
    this.#begun += items;
    this.#schedule();
  }

  /** Calls `begin` in a later turn, after all that waits already. */
  later(items: number, begin: () => void): void {
    this.#waiting.push({ items, begin });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(this.#next);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    this.#begun = 0;
    if (this.#waiting.length > 0) this.#schedule(); // first, for what is begun may throw
    while (this.#begun < ITEMS_A_TURN) {
      const work = this.#waiting.shift();
      if (work === undefined) return;
      this.#begun += work.items;
      work.begin();
    }
  };
}
