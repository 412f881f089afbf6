/**
 * An adaptive limit: a bulkhead whose size an algorithm finds from how the calls in it went.
 *
 * - A call that was ignored (cancelled, its own mistake) teaches nothing; one that was dropped (refused, late, lost) shrinks the limit.
 * - What waits, waits in the bulkhead; its wait is not part of what is learned.
 * - Source: Netflix concurrency-limits `SimpleLimiter`.
 *
 * @packageDocumentation
 */
import { Bulkhead, type Ticket } from '../bulkhead/bulkhead.ts';
import type { BulkheadOptions } from '../bulkhead/options.ts';
import { Code, type Outcome } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { LimitAlgorithm } from './algorithm.ts';
import type { AdaptiveLimitRules } from './options.ts';

/** A limiter now. */
export interface LimitStats {
  /** Calls that may be in flight. */
  readonly limit: number;
  readonly inFlight: number;
  readonly queued: number;
}

export class AdaptiveLimiter {
  /** Gives the permits. Nobody else resizes it. */
  readonly bulkhead: Bulkhead;
  #algorithm: LimitAlgorithm;
  readonly #clock: Clock;

  /** @param expiries - As for {@link Bulkhead}. */
  constructor(rules: AdaptiveLimitRules, algorithm: LimitAlgorithm, clock: Clock, expiries?: DeadlineQueue<Ticket>) {
    const given = bulkheadOf(rules, algorithm);
    this.bulkhead = expiries === undefined ? new Bulkhead(given, clock) : new Bulkhead(given, clock, expiries);
    this.#algorithm = algorithm;
    this.#clock = clock;
  }

  /** Takes other rules, and an algorithm for them. Calls that are in stay in, and teach the new one when they end. */
  retune(rules: AdaptiveLimitRules, algorithm: LimitAlgorithm): void {
    this.bulkhead.retune(bulkheadOf(rules, algorithm));
    this.#algorithm = algorithm;
  }

  /** What it is doing. */
  stats(): LimitStats {
    return { limit: this.#algorithm.limit, inFlight: this.bulkhead.inUse, queued: this.bulkhead.waiting };
  }

  /** One that has just been given a permit begins. */
  begin(sample: LimitSample): void {
    sample.startedMs = this.#clock.nowMs();
    sample.inflight = this.bulkhead.inUse;
  }

  /** It is over; its permit is given back after that. */
  learn(sample: LimitSample, outcome: Outcome): void {
    if (outcome === 'ignored') return;
    const nowMs = this.#clock.nowMs();
    const limit = this.#algorithm.onSample(nowMs - sample.startedMs, sample.inflight, outcome === 'dropped', nowMs);
    if (limit !== this.bulkhead.slots) this.bulkhead.resize(limit);
  }
}

function bulkheadOf({ queue, queueTimeoutMs, by, partitions }: AdaptiveLimitRules, { limit }: LimitAlgorithm): BulkheadOptions {
  return {
    slots: limit,
    ...(queue === undefined ? {} : { queue }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    ...(by === undefined ? {} : { by }),
    ...(partitions === undefined ? {} : { partitions }),
  };
}

/** What a call notes when it begins, for the lesson at its end. */
export interface LimitSample {
  startedMs: number;
  inflight: number;
}

/**
 * What a status teaches a limit. Stricter than `outcomeOf`: only signs of overload shrink it, for a handler with a bug must
 * not cost concurrency, and only OK shows how long the work takes, for an error may come without any.
 */
export function lessonOf(code: number): Outcome {
  switch (code) {
    case Code.OK:
      return 'success';
    case Code.UNAVAILABLE:
    case Code.DEADLINE_EXCEEDED:
    case Code.RESOURCE_EXHAUSTED:
      return 'dropped';
    default:
      return 'ignored';
  }
}
