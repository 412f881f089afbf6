/**
 * The adaptive limits of a mesh: one for each method on the client, one for the server.
 *
 * @packageDocumentation
 */
import type { Clock } from './clock.ts';
import { same } from './input/same.ts';
import { KeyedLimits } from './limit/keyed.ts';
import { AdaptiveLimiter, type LimitStats } from './limit/limiter.ts';
import { type AdaptiveLimitRules, createAlgorithm } from './limit/options.ts';
import { retuneLimit } from './limit/retune.ts';
import type { PolicyTable } from './policy/resolve.ts';
import type { Random } from './random.ts';

export class MeshLimits {
  readonly client: KeyedLimits;
  /** Undefined: none. */
  server: AdaptiveLimiter | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  #serverRules: AdaptiveLimitRules | undefined;

  constructor(table: PolicyTable, clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.client = new KeyedLimits((method) => table.method(method).limit, { clock, random });
    this.#serverRules = table.server.limit;
    this.server = this.#makeServer(this.#serverRules);
  }

  /** Takes the limits of another policy, with the calls that are in these. */
  retune(table: PolicyTable): void {
    this.client.retune((method) => table.method(method).limit);
    const { limit } = table.server;
    if (same(limit, this.#serverRules)) return;
    this.#serverRules = limit;
    if (this.server === undefined) this.server = this.#makeServer(limit);
    else {
      retuneLimit(this.server, limit, this.#random);
      if (limit === undefined) this.server = undefined;
    }
  }

  #makeServer(limit: AdaptiveLimitRules | undefined): AdaptiveLimiter | undefined {
    return limit && new AdaptiveLimiter(limit, createAlgorithm(limit, this.#random), this.#clock);
  }

  /** What `mesh.stats()` shows of them. */
  stats(): MeshLimitStats {
    return { ...this.client.stats(), ...(this.server === undefined ? {} : { server: this.server.stats() }) };
  }
}

/** Adaptive limits by method path, and under `server` that of the server. A path begins with a slash, so none is called that. */
export type MeshLimitStats = Readonly<Record<string, LimitStats>>;
