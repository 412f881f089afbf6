/**
 * Several clusters, each with its share of the calls, and calls with the same key always at the same one.
 *
 * A key is given to the cluster with the highest score out of its hash and the cluster's weight. So a cluster's share of the keys
 * is its weight's, whatever the order; a weight that grows takes keys and gives none away; one that shrinks gives away only its
 * own; and a cluster that is new or gone moves no key between others.
 *
 * Source: weighted rendezvous hashing; Thaler and Ravishankar 1998, Schindelhauer and Schomaker 2005.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import { salted, xxh32 } from './hash.ts';

/** A cluster and its weight; '' is the client's own target. */
export interface Share {
  readonly cluster: string;
  /** 0 or more. */
  readonly weight: number;
}

interface Scored extends Share {
  readonly salt: number;
}

export class Split {
  readonly #shares: readonly Scored[];
  readonly #sum: number;
  readonly #random: Random;

  /** @param shares - Of which at least one has a weight, each cluster once. */
  constructor(shares: readonly Share[], random: Random) {
    this.#shares = shares.filter(({ weight }) => weight > 0).map((share) => ({ ...share, salt: xxh32(Buffer.from(share.cluster)) }));
    this.#sum = this.#shares.reduce((sum, { weight }) => sum + weight, 0);
    this.#random = random;
  }

  /** The cluster of a key; without one, by chance. */
  pick(key?: string): string {
    return key === undefined ? this.#byChance() : this.#byKey(key);
  }

  #byChance(): string {
    let left = this.#random() * this.#sum;
    for (const { cluster, weight } of this.#shares) {
      left -= weight;
      if (left < 0) return cluster;
    }
    return this.#shares.at(-1)?.cluster ?? '';
  }

  #byKey(key: string): string {
    const hash = xxh32(Buffer.from(key));
    let best = '';
    let highest = Number.NEGATIVE_INFINITY;
    for (const { cluster, weight, salt } of this.#shares) {
      // Uniform in (0, 1); -ln of it is exponential, and of exponentials the least is each one's by its rate.
      const chance = (salted(hash, salt) + 0.5) / 2 ** 32;
      const score = weight / -Math.log(chance);
      if (score <= highest) continue;
      highest = score;
      best = cluster;
    }
    return best;
  }
}
