/**
 * How often a stream may be reset, by endpoint.
 *
 * Node's HTTP/2 server closes a whole connection at 33 resets a second after a burst of 1000 (nghttp2's guard against rapid
 * resets), and every innocent call on it fails with it. So before a stream is reset, this budget is asked; told no, the stream
 * is left to finish and what comes is ignored (`Leftovers`). `src/grpc/soft-call.ts` asks for every call at the bottom of the
 * stack, carriers included: whoever gives up a call above it just cancels it.
 *
 * Both numbers are half of the server's, for some resets pass by here: another channel may share the connection.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { TokenBucket } from '../math/token-bucket.ts';

/** Bounds of a {@link ResetBudget}. */
export interface ResetBudgetOptions {
  /** Resets at once. Whole number >= 0. Default 500. */
  readonly burst?: number;
  /** Resets that come back each second. >= 0. Default 16. */
  readonly perSecond?: number;
  /** Endpoints remembered; past that, the one that was asked about longest ago is forgotten. Whole number >= 1. Default 1000. */
  readonly maxAddresses?: number;
}

/** What became of streams that their callers gave up. */
export interface ResetCounts {
  /** Reset. */
  granted: number;
  /** Left to finish, at least for a while, because the budget was used up. */
  withheld: number;
  /** Left to finish and still open. */
  left: number;
}

const BURST = 500;
const PER_SECOND = 16;
const MAX_ADDRESSES = 1000;

/** One for each mesh. Costs a look into a map, and only where a stream is given up. */
export class ResetBudget {
  readonly counts: ResetCounts = { granted: 0, withheld: 0, left: 0 };
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #maxAddresses: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();

  /** @throws ConfigError on a bad option. */
  constructor(options: ResetBudgetOptions | undefined, clock: Clock, path = 'resets') {
    const { burst, perSecond, maxAddresses } = checkedObject(options, ['burst', 'perSecond', 'maxAddresses'], path);
    this.#burst = checkedNumber(burst, BURST, { min: 0, integer: true }, `${path}.burst`);
    this.#perSecond = checkedNumber(perSecond, PER_SECOND, { min: 0 }, `${path}.perSecond`);
    this.#maxAddresses = checkedNumber(maxAddresses, MAX_ADDRESSES, { min: 1, integer: true }, `${path}.maxAddresses`);
    this.#clock = clock;
  }

  /**
   * Asks for one reset.
   *
   * @param address - `host:port`; empty where nobody tells endpoints apart: all of them share one budget then.
   * @param again - The same stream was refused before, and counts as withheld already.
   * @returns True: the stream may be reset. False: it must be left to finish.
   */
  tryReset(address: string, again = false): boolean {
    const granted = this.#bucket(address).tryTake(1, this.#clock.nowMs());
    if (granted) this.counts.granted++;
    else if (!again) this.counts.withheld++;
    return granted;
  }

  /** The connection to `address` is gone, and with it what its server had counted. */
  lost(address: string): void {
    this.#buckets.delete(address);
  }

  /** Endpoints remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  #bucket(address: string): TokenBucket {
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#burst, this.#perSecond, this.#clock.nowMs());
      if (this.#buckets.size >= this.#maxAddresses) this.#forgetOldest();
    } else this.#buckets.delete(address); // a map lists its keys in the order they were set
    this.#buckets.set(address, bucket);
    return bucket;
  }

  #forgetOldest(): void {
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}
