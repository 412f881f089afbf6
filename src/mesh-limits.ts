/**
 * The adaptive limits of a mesh: one for each method on the client, one for the server.
 *
 * @packageDocumentation
 */
import type { Clock } from './clock.ts';
import { KeyedLimits } from './limit/keyed.ts';
import { AdaptiveLimiter, type LimitStats } from './limit/limiter.ts';
import { createAlgorithm } from './limit/options.ts';
import type { PolicyTable } from './policy/resolve.ts';
import type { Random } from './random.ts';

export class MeshLimits {
  readonly client: KeyedLimits;
  /** Undefined: none. */
  readonly server: AdaptiveLimiter | undefined;

  constructor(table: PolicyTable, clock: Clock, random: Random) {
    this.client = new KeyedLimits((method) => table.method(method).limit, { clock, random });
    const { limit } = table.server;
    if (limit !== undefined) this.server = new AdaptiveLimiter(limit, createAlgorithm(limit, random), clock);
  }

  /** What `mesh.stats()` shows of them. */
  stats(): MeshLimitStats {
    return { ...this.client.stats(), ...(this.server === undefined ? {} : { server: this.server.stats() }) };
  }
}

/** Adaptive limits by method path, and under `server` that of the server. A path begins with a slash, so none is called that. */
export type MeshLimitStats = Readonly<Record<string, LimitStats>>;
