/**
 * Queues by method and batch key, as many as may be kept.
 *
 * @packageDocumentation
 */

/** Queues kept; past that, new keys get none until old ones fall idle. */
const MAX_QUEUES = 1024;
/** Queues that are looked at for an idle one. */
const LOOKED_AT = 16;

/** A queue that can be let go while nothing waits in it and nothing is out. */
export interface Idling {
  readonly idle: boolean;
}

/** Most calls go where the last one went, so that one is found without making a key of both. */
export class QueueTable<Q extends Idling, From> {
  readonly #make: (from: From) => Q;
  readonly #queues = new Map<string, Q>();
  #lastMethod = '';
  #lastKey = '';
  #last: Q | undefined;

  /** @param make - Makes the queue of a method and key that had none. */
  constructor(make: (from: From) => Q) {
    this.#make = make;
  }

  get size(): number {
    return this.#queues.size;
  }
  values(): IterableIterator<Q> {
    return this.#queues.values();
  }

  /** Undefined: there are too many, and of the oldest none is idle. */
  of(method: string, key: string, from: From): Q | undefined {
    if (this.#last !== undefined && this.#lastMethod === method && this.#lastKey === key) return this.#last;
    const both = `${method}\n${key}`;
    let queue = this.#queues.get(both);
    if (queue === undefined) {
      if (this.#queues.size >= MAX_QUEUES && !this.#makeRoom()) return undefined;
      queue = this.#make(from);
      this.#queues.set(both, queue);
    }
    this.#last = queue;
    this.#lastMethod = method;
    this.#lastKey = key;
    return queue;
  }

  /** Lets an idle queue go; the first found in map order are the oldest. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [key, queue] of this.#queues) {
      if (queue.idle) return this.#queues.delete(key); // if it was the last one, the new one takes its place there
      if (++looked >= LOOKED_AT) return false;
    }
    return false;
  }
}
