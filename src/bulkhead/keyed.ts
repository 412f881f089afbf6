/**
 * A bulkhead of its own for each method, so that a noisy one fills only its own slots.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { Ticket } from './bulkhead.ts';
import { Bulkhead, createExpiries } from './bulkhead.ts';
import type { BulkheadOptions } from './options.ts';

/** Methods with a bulkhead of their own, at most. */
const MAX_KEYS = 10_000;
/** How many bulkheads are looked at to find an idle one, which keeps `for` O(1). */
const LOOK_AT = 8;

/**
 * Bulkheads by method, all on one timer. Bounded: when all keys are taken, an idle bulkhead makes room (it holds no state);
 * if those at hand are all busy, the newcomer shares one bulkhead with other newcomers until there is room.
 */
export class KeyedBulkheads {
  readonly #optionsFor: (method: string) => BulkheadOptions | undefined;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #expiries: DeadlineQueue<Ticket>;
  readonly #byMethod = new Map<string, Bulkhead>();
  #shared: Bulkhead | undefined;

  /**
   * @param optionsFor - Undefined: the method has no limit.
   * @param maxKeys - Whole number >= 1. @defaultValue 10000
   */
  constructor(optionsFor: (method: string) => BulkheadOptions | undefined, clock: Clock, maxKeys: number = MAX_KEYS) {
    this.#optionsFor = optionsFor;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
    this.#expiries = createExpiries(clock);
  }

  /** Methods that have a bulkhead now. */
  get size(): number {
    return this.#byMethod.size;
  }

  /**
   * The bulkhead of a method; undefined: no limit. Ask for every call and release on the object you acquired from: an idle
   * bulkhead may be replaced. @throws ConfigError on bad options.
   */
  for(method: string): Bulkhead | undefined {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    const options = this.#optionsFor(method);
    if (options === undefined) return undefined;
    if (this.#byMethod.size >= this.#maxKeys && !this.#makeRoom()) {
      this.#shared ??= new Bulkhead(options, this.#clock, this.#expiries);
      return this.#shared;
    }
    const fresh = new Bulkhead(options, this.#clock, this.#expiries);
    this.#byMethod.set(method, fresh);
    return fresh;
  }

  /** Drops an idle bulkhead out of the eight longest in the map; busy ones go to the back. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [method, bulkhead] of this.#byMethod) {
      this.#byMethod.delete(method);
      if (bulkhead.inUse === 0 && bulkhead.waiting === 0) return true;
      this.#byMethod.set(method, bulkhead);
      if (++looked >= LOOK_AT || looked >= this.#byMethod.size) return false;
    }
    return false;
  }
}
