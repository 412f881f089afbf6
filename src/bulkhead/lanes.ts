/**
 * The partitions of a bulkhead, and who of all that wait in them goes next.
 *
 * Without partitions there is one lane, which is owed nothing: plain slots and a plain queue.
 *
 * @packageDocumentation
 */
import { Lane, RANKS, type Ranked } from './lane.ts';

export class Lanes<T extends Ranked<T> & { readonly lane: Lane<T> }> {
  #byName: ReadonlyMap<string, Lane<T>> | undefined;
  /** Those without a partition of their own. */
  readonly #rest = new Lane<T>(0);
  #all: readonly Lane<T>[];
  #size = 0;
  /** The partitions have changed since all was quiet: calls may have been let in under another name. */
  #reshaped = false;
  /** The lane that is asked first for a lent slot. */
  #turn = 0;

  /** @param shares - By name. Empty: no partitions. */
  constructor(shares: ReadonlyMap<string, number>) {
    this.#byName = shares.size === 0 ? undefined : new Map([...shares].map(([name, share]) => [name, new Lane<T>(share)]));
    this.#all = [this.#rest, ...(this.#byName?.values() ?? [])];
  }

  /** All that wait. */
  get size(): number {
    return this.#size;
  }

  /** The lane of a call. Its partition is read only where there are some. */
  of(call: { readonly partition?: string | undefined } | undefined): Lane<T> {
    if (this.#byName === undefined) return this.#rest;
    const name = call?.partition;
    return (name === undefined ? undefined : this.#byName.get(name)) ?? this.#rest;
  }

  /**
   * Other partitions; `resize` comes after. Those that are no more keep who waits in them, and have no share.
   *
   * @param shares - By name. Empty: no partitions.
   */
  reshape(shares: ReadonlyMap<string, number>): void {
    const before = this.#byName ?? new Map<string, Lane<T>>();
    const byName = new Map([...shares].map(([name, share]) => [name, before.get(name) ?? new Lane<T>(share)]));
    for (const [name, lane] of byName) lane.share = shares.get(name) ?? 0;
    for (const [name, lane] of before) {
      if (byName.has(name) || lane.busy + lane.size === 0) continue;
      lane.share = 0;
      byName.set(name, lane);
    }
    this.#byName = byName.size === 0 ? undefined : byName;
    this.#all = [this.#rest, ...byName.values()];
    this.#turn = 0;
    this.#reshaped = true;
  }

  /** The lane that a permit comes back to; undefined: none is out. */
  holding(call: { readonly partition?: string | undefined } | undefined): Lane<T> | undefined {
    const own = this.of(call);
    if (own.busy > 0) return own;
    if (!this.#reshaped) return undefined;
    // It was let in by another name, or by none: whichever lane it is taken from, the sum is right, and with the last the lanes are, too.
    const lane = this.#all.find(({ busy, share }) => busy > 0 && share === 0) ?? this.#all.find(({ busy }) => busy > 0);
    if (lane === undefined) this.#reshaped = false;
    return lane;
  }

  resize(slots: number, queue: number): void {
    for (const lane of this.#all) lane.resize(slots, queue);
  }

  push(one: T, group: object | undefined): void {
    one.lane.push(one, group);
    this.#size++;
  }

  remove(one: T): void {
    one.lane.remove(one);
    this.#size--;
  }

  /** Takes out the one that gets a slot now: one whose lane is owed it, else, if one is `free`, one that may have it lent. */
  shift(free: boolean): T | undefined {
    if (this.#size === 0) return undefined;
    const lane =
      this.#byName === undefined ? (free ? this.#rest : undefined) : (this.#best(true) ?? (free ? this.#best(false) : undefined));
    const one = lane?.shift();
    if (one !== undefined) this.#size--;
    return one;
  }

  /** The lane with the highest priority waiting; among equals, they take turns. */
  #best(owed: boolean): Lane<T> | undefined {
    const count = this.#all.length;
    let best: Lane<T> | undefined;
    let bestRank = RANKS;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const index = (this.#turn + i) % count;
      const lane = this.#all[index];
      if (lane === undefined || lane.size === 0 || (owed && lane.busy >= lane.slots) || lane.first >= bestRank) continue;
      best = lane;
      bestRank = lane.first;
      at = index;
    }
    if (best !== undefined) this.#turn = (at + 1) % count;
    return best;
  }

  /** Who must make room for one of this rank in this lane: the newest of the lowest rank below it, but not out of another's own queue. */
  lowestBelow(rank: number, own: Lane<T>): T | undefined {
    let lowest: Lane<T> | undefined;
    for (const lane of this.#all) {
      if (lane.last <= rank || (lane !== own && lane.size <= lane.queue)) continue;
      if (lowest === undefined || lane.last > lowest.last || (lane.last === lowest.last && lane.size > lowest.size)) lowest = lane;
    }
    return lowest?.newest;
  }
}
