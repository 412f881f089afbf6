/**
 * An adaptive limit of its own for each method, for each has its own latency.
 *
 * @packageDocumentation
 */
import { BoundedKeys } from '../bulkhead/bounded-keys.ts';
import type { Ticket } from '../bulkhead/bulkhead.ts';
import { createExpiries } from '../bulkhead/bulkhead.ts';
import type { Clock } from '../clock.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { same } from '../input/same.ts';
import type { Random } from '../random.ts';
import { AdaptiveLimiter, type LimitStats } from './limiter.ts';
import { type AdaptiveLimitRules, createAlgorithm } from './options.ts';
import { retuneLimit } from './retune.ts';

/** Limits at most. What an idle one that makes room has learned is lost. */
const MAX_KEYS = 10_000;

export class KeyedLimits {
  #rulesFor: (method: string) => AdaptiveLimitRules | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #expiries: DeadlineQueue<Ticket>;
  readonly #limits: BoundedKeys<AdaptiveLimiter>;

  /**
   * @param rulesFor - Undefined: the method has no limit.
   * @param maxKeys - Whole number >= 1. @defaultValue 10000
   */
  constructor(
    rulesFor: (method: string) => AdaptiveLimitRules | undefined,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    maxKeys: number = MAX_KEYS,
  ) {
    this.#rulesFor = rulesFor;
    this.#clock = clock;
    this.#random = random;
    this.#expiries = createExpiries(clock);
    this.#limits = new BoundedKeys(({ bulkhead }) => bulkhead.inUse === 0 && bulkhead.waiting === 0, maxKeys);
  }

  /** The limit of a method; undefined: none. Ask for every call and end it on the object it began with. */
  for(method: string): AdaptiveLimiter | undefined {
    const known = this.#limits.get(method);
    if (known !== undefined) return known;
    const rules = this.#rulesFor(method);
    if (rules === undefined) return undefined;
    return this.#limits.add(method, () => new AdaptiveLimiter(rules, createAlgorithm(rules, this.#random), this.#clock, this.#expiries));
  }

  /**
   * Other rules for all. A limit whose rules are equal stays as it is; another one starts by its new rules from where it is, within their
   * bounds. Where a method has none any more, nobody waits any longer.
   */
  retune(rulesFor: (method: string) => AdaptiveLimitRules | undefined): void {
    const before = this.#rulesFor;
    this.#rulesFor = rulesFor;
    this.#limits.renewShared();
    for (const [method, limiter] of [...this.#limits.entries()]) {
      const rules = rulesFor(method);
      if (same(rules, before(method))) continue;
      if (rules === undefined) this.#limits.delete(method);
      retuneLimit(limiter, rules, this.#random);
    }
  }

  /** The limiters themselves, by method. */
  entries(): IterableIterator<[string, AdaptiveLimiter]> {
    return this.#limits.entries();
  }

  /** All of them now, by method. */
  stats(): Record<string, LimitStats> {
    const all: Record<string, LimitStats> = Object.create(null);
    for (const [method, limiter] of this.#limits.entries()) all[method] = limiter.stats();
    return all;
  }
}
