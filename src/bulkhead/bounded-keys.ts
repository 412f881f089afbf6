/**
 * One thing for each key, and never more than so many: what stands by method, or by method and tenant.
 *
 * @packageDocumentation
 */

/** How many things are looked at to find an idle one, which keeps `for` O(1). */
const LOOK_AT = 8;

/**
 * Made at first use. When all keys are taken, an idle thing makes room, the longest unused first as far as that is known cheaply;
 * if those at hand are all busy, the newcomer shares one with other newcomers until there is room.
 */
export class BoundedKeys<T> {
  readonly #isIdle: (thing: T) => boolean;
  readonly #maxKeys: number;
  readonly #byKey = new Map<string, T>();
  #shared: T | undefined;

  /** @param maxKeys - Whole number >= 1. */
  constructor(isIdle: (thing: T) => boolean, maxKeys: number) {
    this.#isIdle = isIdle;
    this.#maxKeys = maxKeys;
  }

  /** Keys that have a thing now. */
  get size(): number {
    return this.#byKey.size;
  }

  /** What stands under a key, if anything. */
  get(key: string): T | undefined {
    return this.#byKey.get(key);
  }

  /** Makes one for a key that has none. */
  add(key: string, make: () => T): T {
    if (this.#byKey.size >= this.#maxKeys && !this.#makeRoom()) {
      this.#shared ??= make();
      return this.#shared;
    }
    const fresh = make();
    this.#byKey.set(key, fresh);
    return fresh;
  }

  /** What newcomers share while there is no room is made anew for the next of them. */
  renewShared(): void {
    this.#shared = undefined;
  }

  /** Takes one out: who asks for its key gets another. */
  delete(key: string): void {
    this.#byKey.delete(key);
  }

  /** All of them with their keys; the shared one has none. */
  entries(): IterableIterator<[string, T]> {
    return this.#byKey.entries();
  }

  /** Drops an idle one out of the eight longest in the map; busy ones go to the back. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [key, thing] of this.#byKey) {
      this.#byKey.delete(key);
      if (this.#isIdle(thing)) return true;
      this.#byKey.set(key, thing);
      if (++looked >= LOOK_AT || looked >= this.#byKey.size) return false;
    }
    return false;
  }
}
