/**
 * A map that forgets what was not asked for longest, bounded by entries and by bytes.
 *
 * - Both bounds hold after every call, whatever the order of calls.
 * - Reading makes an entry the youngest. O(1) each; what is evicted is paid for by what was added.
 *
 * @packageDocumentation
 */

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** A bounded map from text to values of a known size. `Value` must not include undefined. */
export class BoundedLru<Value extends NonNullable<unknown>> {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  /** In the order of use: the first was not asked for longest. */
  readonly #entries = new Map<string, Entry<Value>>();
  #bytes = 0;
  #evicted = 0;

  /** @param maxEntries - Whole number >= 1. @param maxBytes - >= 1. */
  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#entries.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Entries that had to go for others, so far. */
  get evicted(): number {
    return this.#evicted;
  }

  /** The value, which is the youngest from now on. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Puts a value in place of the key's old one. False: it is larger than the whole map may be, and the key has none now. */
  set(key: string, value: Value, bytes: number): boolean {
    this.delete(key);
    if (bytes > this.#maxBytes) return false;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    this.#shrink();
    return true;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  #shrink(): void {
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return;
      this.delete(key);
      this.#evicted++;
    }
  }
}
