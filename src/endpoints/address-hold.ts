/**
 * Addresses that flap: what the last answer of name resolution has is used, what it no longer has is kept for a while.
 *
 * An address that comes back in time finds its connection. As long as none of the new ones can be used the old ones are, so a
 * name that points to nowhere takes nobody down (Envoy and grpc-go drop them at once). An empty answer is no answer.
 *
 * @packageDocumentation
 */

/** A name that gives another few of many addresses each time must not make us keep them all. */
const MAX_HELD = 100;

export class AddressHold {
  readonly #holdMs: number;
  readonly #held = new Map<string, number>();
  #listed: ReadonlySet<string> = new Set();

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }
  /** What the last good answer had. */
  get listed(): ReadonlySet<string> {
    return this.#listed;
  }
  /** What it no longer had, not long ago, in the order they went. */
  get held(): Iterable<string> {
    return this.#held.keys();
  }
  get holding(): boolean {
    return this.#held.size > 0;
  }
  /**
   * Takes an answer.
   *
   * @param keepable - Whether it is worth keeping: it is connected.
   * @returns False when the answer is not heeded: it is empty and an earlier one was not.
   */
  update(addresses: Iterable<string>, nowMs: number, keepable: (address: string) => boolean): boolean {
    const next = new Set(addresses);
    if (next.size === 0 && this.#listed.size > 0) return false;
    for (const address of next) this.#held.delete(address);
    for (const address of this.#listed) {
      if (!next.has(address) && this.#holdMs > 0 && keepable(address)) this.#held.set(address, nowMs + this.#holdMs);
    }
    for (const address of this.#held.keys()) {
      if (this.#held.size <= MAX_HELD) break;
      this.#held.delete(address);
    }
    this.#listed = next;
    return true;
  }
  /** Its connection is lost: there is nothing to keep. */
  drop(address: string): void {
    this.#held.delete(address);
  }
  /** Those whose time is over are let go. @returns How long until the next one's is, in ms; undefined: none is held. */
  expire(nowMs: number): number | undefined {
    for (const [address, untilMs] of this.#held) {
      if (untilMs > nowMs) return untilMs - nowMs;
      this.#held.delete(address);
    }
    return undefined;
  }
}
