/**
 * Does merging pay here? Watches the size of batches and switches off, by steps, what brings no company:
 *
 * - Eight batches of one in a row: the next item that finds nothing under way goes ahead at once, without waiting for the
 *   end of its turn. Whoever comes while it is out waits for the others, so company is seen as soon as there is some.
 * - A mean below 1.2 over 64 batches: nothing lingers for the next 512. What is made in one turn still travels together, for
 *   that costs nobody anything. Then lingering is tried again.
 *
 * @packageDocumentation
 */

/** After so many batches of one in a row the next item does not wait for company. */
const LONE = 8;
/** Batches over which the mean is taken. */
const WINDOW = 64;
/** Least mean size for which lingering goes on. */
const LEAST_MEAN = 1.2;
/** Batches without a linger until it is tried again. */
const PAUSE = 512;

export class PayMeter {
  #lone = 0;
  #batches = 0;
  #items = 0;
  #pause = 0;

  /** False: lingering has brought nobody of late. */
  get lingers(): boolean {
    return this.#pause === 0;
  }

  /** There has been no company for a while: an item that finds nothing under way goes at once. */
  get goesAhead(): boolean {
    return this.#lone >= LONE;
  }

  /** A batch of so many items has left. `joined`: something sent ahead is still out, so whoever is here has company. */
  flushed(items: number, joined: boolean): void {
    this.#lone = items === 1 && !joined ? this.#lone + 1 : 0;
    this.#count(items);
  }

  /** An item has gone ahead alone. */
  wentAhead(): void {
    this.#count(1);
  }

  #count(items: number): void {
    if (this.#pause > 0) {
      this.#pause--;
      return;
    }
    this.#items += items;
    if (++this.#batches < WINDOW) return;
    if (this.#items < LEAST_MEAN * WINDOW) this.#pause = PAUSE;
    this.#batches = this.#items = 0;
  }
}
