/**
 * What waits for a thread: a lane for each client connection, served in turn, so that a batch of 64 or a client that
 * floods does not stand before everybody else's next call. First in, first out within a lane.
 *
 * @packageDocumentation
 */
import { Chain, type Link } from './chain.ts';

/** Something that waits. */
export interface Waiting<T extends Link<T>> extends Link<T> {
  /** Whom it belongs to: items with equal keys wait in one lane. */
  readonly laneKey: string;
  /** Where it waits, written by the lanes only; undefined: it does not. */
  lane: Lane<T> | undefined;
}

/** The items of one key. */
export class Lane<T extends Link<T>> implements Link<Lane<T>> {
  readonly key: string;
  readonly items: Chain<T> = new Chain<T>();
  previous: Lane<T> | undefined = undefined;
  next: Lane<T> | undefined = undefined;

  constructor(key: string) {
    this.key = key;
  }
}

/** All lanes. Bounded by their items: an empty lane is let go. */
export class Lanes<T extends Waiting<T>> {
  readonly #byKey = new Map<string, Lane<T>>();
  readonly #turns = new Chain<Lane<T>>();
  #size = 0;

  /** Items that wait. */
  get size(): number {
    return this.#size;
  }
  push(item: T): void {
    let lane = this.#byKey.get(item.laneKey);
    if (lane === undefined) {
      lane = new Lane<T>(item.laneKey);
      this.#byKey.set(item.laneKey, lane);
      this.#turns.push(lane);
    }
    item.lane = lane;
    lane.items.push(item);
    this.#size++;
  }
  /** The next one, whose lane then goes behind all others. */
  shift(): T | undefined {
    const lane = this.#turns.first;
    const item = lane?.items.first;
    if (lane === undefined || item === undefined) return undefined;
    this.remove(item);
    if (lane.items.first !== undefined) {
      this.#turns.remove(lane);
      this.#turns.push(lane);
    }
    return item;
  }
  /** It waits no longer. Harmless when it did not. */
  remove(item: T): boolean {
    const { lane } = item;
    if (lane === undefined) return false;
    item.lane = undefined;
    lane.items.remove(item);
    this.#size--;
    if (lane.items.first === undefined) {
      this.#turns.remove(lane);
      this.#byKey.delete(lane.key);
    }
    return true;
  }
}
