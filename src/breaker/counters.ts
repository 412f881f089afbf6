/**
 * What counts failures and says when it is enough.
 *
 * The shape is that of cockatiel's breakers (`IBreaker`), so any of those will do. The two here are ours: `SamplingBreaker` reads
 * `Date.now`, which a step of the wall clock and a test's clock both break; `ConsecutiveBreaker` would fit, but it comes
 * with all of cockatiel (no `exports`, one index), which takes as long to load as half of our budget for `import 'inmesh'`.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import type { BreakerRules } from './options.ts';

/** cockatiel's `CircuitState`, as far as a counter is told it. */
export const CLOSED = 0;
/** A probe succeeded: what was counted before is forgotten. */
export const HALF_OPEN = 2;

/** Counts outcomes. cockatiel's `ConsecutiveBreaker`, `CountBreaker` and `SamplingBreaker` are such. */
export interface FailureCounter {
  /** A call succeeded. With state {@link HALF_OPEN} the breaker closes: whatever was counted is forgotten. */
  success(state: number): void;
  /** A call failed. True: open. */
  failure(state: number): boolean;
}

/** Opens at so many failures in a row. */
export class ConsecutiveCounter implements FailureCounter {
  readonly #limit: number;
  #failures = 0;

  /** @param limit - Whole number >= 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }
  success(_state: number): void {
    this.#failures = 0;
  }
  failure(_state: number): boolean {
    return ++this.#failures >= this.#limit;
  }
}

/** Steps of the window: what is counted leaves it a tenth late at most. */
const BUCKETS = 10;

/** Opens when at least `minimumCalls` came within `windowMs` and the share of failures among them is `failureRatio` or more. */
export class RatioCounter implements FailureCounter {
  readonly #rules: Pick<BreakerRules, 'failureRatio' | 'windowMs' | 'minimumCalls'>;
  readonly #clock: Clock;
  #calls: SlidingWindow;
  #failures: SlidingWindow;

  constructor(rules: Pick<BreakerRules, 'failureRatio' | 'windowMs' | 'minimumCalls'>, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
    this.#calls = this.#newWindow();
    this.#failures = this.#newWindow();
  }
  success(state: number): void {
    if (state === HALF_OPEN) {
      this.#calls = this.#newWindow();
      this.#failures = this.#newWindow();
    }
    this.#calls.add(1, this.#clock.nowMs());
  }
  failure(_state: number): boolean {
    const nowMs = this.#clock.nowMs();
    this.#calls.add(1, nowMs);
    this.#failures.add(1, nowMs);
    const calls = this.#calls.sum(nowMs);
    return calls >= this.#rules.minimumCalls && this.#failures.sum(nowMs) >= this.#rules.failureRatio * calls;
  }

  #newWindow(): SlidingWindow {
    return new SlidingWindow(this.#rules.windowMs, BUCKETS, this.#clock.nowMs());
  }
}

/** The counters that the rules ask for. */
export function countersOf(rules: BreakerRules, clock: Clock): FailureCounter[] {
  const counters: FailureCounter[] = [];
  if (rules.consecutiveFailures !== Number.POSITIVE_INFINITY) counters.push(new ConsecutiveCounter(rules.consecutiveFailures));
  if (rules.failureRatio !== Number.POSITIVE_INFINITY) counters.push(new RatioCounter(rules, clock));
  return counters;
}
