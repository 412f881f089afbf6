/**
 * A breaker for each method, and what can be done with it by hand.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { same } from '../input/same.ts';
import { Breaker, type BreakerState, type BreakerTimes } from './breaker.ts';
import { countersOf, type FailureCounter } from './counters.ts';
import type { BreakerRules } from './options.ts';

/** Methods with a breaker of their own, at most. */
const MAX_KEYS = 10_000;
/** How many breakers are looked at to find one that is closed, which keeps `for` O(1). */
const LOOK_AT = 8;
/** Of a breaker that opens by hand only. */
const BY_HAND = { openMs: 1_000, maxOpenMs: 1_000, halfOpenProbes: 1 };

/** The breaker of one method, as `mesh.stats()` shows it. */
export interface BreakerStats {
  readonly state: BreakerState;
  /** How often it has opened, by itself or by hand. */
  readonly opened: number;
  /** Calls refused while it was open. */
  readonly refused: number;
}

/** The breaker of one method, to be used by hand. */
export interface BreakerHandle {
  /** `closed` where the method has none. */
  readonly state: BreakerState;
  /** Refuses the method's calls from now on, whether policy gives it a breaker or not. */
  isolate(): void;
  /** Undoes {@link isolate}. Harmless otherwise. */
  release(): void;
}

/** One method's breaker with its counts. */
export class MethodBreaker {
  readonly breaker: Breaker;
  opened = 0;
  refused = 0;

  constructor(breaker: Breaker) {
    this.breaker = breaker;
  }
}

/** Makes the counters of one method's breaker; by default those that its rules ask for. */
export type MakeCounters = (rules: BreakerRules, clock: Clock) => readonly FailureCounter[];

/**
 * Breakers by method. Bounded: when all keys are taken, a closed one makes room; if those at hand are all open, the newcomer
 * goes without until there is room.
 */
export class Breakers {
  #rulesOf: (method: string) => BreakerRules | undefined;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #makeCounters: MakeCounters;
  readonly #byMethod = new Map<string, MethodBreaker>();
  /** Told of each change of a breaker's state, in the middle of it: must not throw. `method`: `/pkg.Service/Method`. */
  onState: ((method: string, state: BreakerState) => void) | undefined = undefined;

  /**
   * @param rulesOf - Undefined: the method has no breaker.
   * @param maxKeys - Whole number >= 1. @defaultValue 10000
   */
  constructor(
    rulesOf: (method: string) => BreakerRules | undefined,
    clock: Clock,
    maxKeys: number = MAX_KEYS,
    makeCounters: MakeCounters = countersOf,
  ) {
    this.#rulesOf = rulesOf;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
    this.#makeCounters = makeCounters;
  }

  /** Methods that have a breaker now. */
  get size(): number {
    return this.#byMethod.size;
  }
  /** Those methods. */
  paths(): IterableIterator<string> {
    return this.#byMethod.keys();
  }
  /** The breaker of a method; undefined: none. */
  for(method: string): MethodBreaker | undefined {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    const rules = this.#rulesOf(method);
    if (rules === undefined || (this.#byMethod.size >= this.#maxKeys && !this.#makeRoom())) return undefined;
    return this.#keep(method, this.#make(method, rules, this.#makeCounters(rules, this.#clock)));
  }
  /** @param method - `/pkg.Service/Method` */
  handle(method: string): BreakerHandle {
    const state = (): BreakerState => this.for(method)?.breaker.state ?? 'closed';
    return {
      get state() {
        return state();
      },
      isolate: () => {
        const own = this.for(method) ?? this.#keep(method, this.#make(method, BY_HAND, []));
        if (own.breaker.state !== 'isolated') own.opened++;
        own.breaker.isolate(this.#clock.nowMs());
      },
      release: () => this.for(method)?.breaker.release(this.#clock.nowMs()),
    };
  }
  /**
   * Other rules for all. A breaker whose rules are equal stays as it is; another keeps its state, and counts anew by its new rules. Where
   * a method has none any more it is dropped, unless it was opened by hand: only the hand that did so closes it.
   */
  retune(rulesOf: (method: string) => BreakerRules | undefined): void {
    const before = this.#rulesOf;
    this.#rulesOf = rulesOf;
    for (const [method, { breaker }] of [...this.#byMethod]) {
      const rules = rulesOf(method);
      if (same(rules, before(method))) continue;
      if (rules !== undefined) breaker.retune(rules, this.#makeCounters(rules, this.#clock));
      else if (breaker.state === 'isolated') breaker.retune(BY_HAND, []);
      else this.#byMethod.delete(method);
    }
  }
  /** All that there are, by path. */
  stats(): Record<string, BreakerStats> {
    const all: Record<string, BreakerStats> = {};
    for (const [method, { breaker, opened, refused }] of this.#byMethod) all[method] = { state: breaker.state, opened, refused };
    return all;
  }

  #make(method: string, times: BreakerTimes, counters: readonly FailureCounter[]): Breaker {
    return new Breaker(times, counters, (state) => this.onState?.(method, state));
  }
  #keep(method: string, breaker: Breaker): MethodBreaker {
    const fresh = new MethodBreaker(breaker);
    this.#byMethod.set(method, fresh);
    return fresh;
  }
  /** Drops a closed breaker out of the eight longest in the map; others go to the back. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [method, own] of this.#byMethod) {
      this.#byMethod.delete(method);
      if (own.breaker.state === 'closed') return true;
      this.#byMethod.set(method, own);
      if (++looked >= LOOK_AT || looked >= this.#byMethod.size) return false;
    }
    return false;
  }
}
