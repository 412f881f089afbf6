/**
 * What is under way by its id: a small hash table for numbers.
 *
 * A `Map` that every item enters and leaves is rebuilt each few hundred items, and its old tables keep alive what was in
 * them (see `src/bag.ts`). This one is rebuilt only to grow. Ids are spread by Fibonacci hashing, neighbours are probed in a row, and a
 * removed entry's place is filled again from behind it, so there are no tombstones. As large as its owner lets it become:
 * ids chosen by a hostile peer make a lookup as long as what is under way, which the owner bounds.
 *
 * @packageDocumentation
 */

const SMALLEST = 16;
/** 2^32 / golden ratio. */
const FIBONACCI = 0x9e3779b1;

/** Values by id, a whole number from 0 to 2^32 - 1. `T` must not include undefined. */
export class IdTable<T> {
  #ids = new Uint32Array(SMALLEST);
  #values = new Array<T | undefined>(SMALLEST).fill(undefined);
  #shift = 32 - Math.log2(SMALLEST);
  #size = 0;

  get size(): number {
    return this.#size;
  }
  get(id: number): T | undefined {
    return this.#values[this.#find(id)];
  }
  has(id: number): boolean {
    return this.get(id) !== undefined;
  }
  /** Puts a value in, in the place of the one that has this id. */
  set(id: number, value: T): void {
    let at = this.#find(id);
    if (this.#values[at] === undefined) {
      if (2 * (this.#size + 1) > this.#values.length) {
        this.#grow();
        at = this.#find(id);
      }
      this.#size++;
    }
    this.#ids[at] = id;
    this.#values[at] = value;
  }
  /** The value that was there; undefined: none. */
  take(id: number): T | undefined {
    let hole = this.#find(id);
    const taken = this.#values[hole];
    if (taken === undefined) return undefined;
    this.#size--;
    const mask = this.#values.length - 1;
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const next = this.#values[at];
      if (next === undefined) break;
      const home = this.#home(this.#ids[at] as number);
      // It may move into the hole only if that is not in front of its home.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#ids[hole] = this.#ids[at] as number;
      this.#values[hole] = next;
      hole = at;
    }
    this.#values[hole] = undefined;
    return taken;
  }
  /** All values now; the table may change meanwhile. */
  values(): T[] {
    return this.#values.filter((value) => value !== undefined);
  }
  clear(): void {
    this.#values.fill(undefined);
    this.#size = 0;
  }

  #home(id: number): number {
    return Math.imul(id, FIBONACCI) >>> this.#shift;
  }
  /** Where an id is, or would be put. */
  #find(id: number): number {
    const mask = this.#values.length - 1;
    let at = this.#home(id);
    while (this.#values[at] !== undefined && this.#ids[at] !== id) at = (at + 1) & mask;
    return at;
  }
  #grow(): void {
    const ids = this.#ids;
    const values = this.#values;
    this.#ids = new Uint32Array(2 * ids.length);
    this.#values = new Array<T | undefined>(2 * values.length).fill(undefined);
    this.#shift--;
    for (const [at, value] of values.entries()) {
      if (value === undefined) continue;
      const id = ids[at] as number;
      const to = this.#find(id);
      this.#ids[to] = id;
      this.#values[to] = value;
    }
  }
}
