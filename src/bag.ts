/**
 * What is open at present, without a hash table.
 *
 * A `Set` that every call enters and leaves makes a new table each few hundred calls, and V8 links the old table to the new
 * one (for iterators). Once one of them has grown old, that chain keeps alive what was in the tables, so half of all calls
 * outlived their end until the next full collection. Here what is in the bag knows its own place.
 *
 * @packageDocumentation
 */

/** Something that can be in one {@link Bag} at a time. */
export interface Bagged {
  /** The bag's; -1: in none. */
  place: number;
}

/** Unordered; `add` and `delete` are O(1). */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }
  /** Puts in what is in no bag. */
  add(item: T): void {
    item.place = this.#items.push(item) - 1;
  }
  /** False when it was not in. */
  delete(item: T): boolean {
    const { place } = item;
    if (place < 0) return false;
    item.place = -1;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[place] = last;
      last.place = place;
    }
    return true;
  }
  /** All that is in now; the bag may change meanwhile. */
  items(): readonly T[] {
    return [...this.#items];
  }
}
