/**
 * The partitions of a bulkhead, and who of all that wait in them goes next.
 *
 * Without partitions there is one lane, which is owed nothing: plain slots and a plain queue.
 *
 * @packageDocumentation
 */
import { Lane, RANKS, type Ranked } from './lane.ts';

export class Lanes<T extends Ranked<T> & { readonly lane: Lane<T> }> {
  readonly #byName: ReadonlyMap<string, Lane<T>> | undefined;
  /** Those without a partition of their own. */
  readonly #rest = new Lane<T>(0);
  readonly #all: readonly Lane<T>[];
  #size = 0;
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
