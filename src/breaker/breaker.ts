/**
 * A circuit breaker: closed, open for a while, half open with few calls as probes, closed again.
 *
 * - What opens it are its counters. While it is open nothing is counted.
 * - Half open: so many calls may try; as many successes close it, one failure opens it again, twice as long as before.
 *   A probe of which nothing can be learned (the caller cancelled) makes room for another. So does one that has not ended
 *   within the time that the breaker was open: a lost probe can't block for ever.
 * - A call counts only in the state that it began in. Its start says so: an outcome from before the last change is stale.
 * - Time is an argument; nothing happens without a call, so it needs no timer.
 * - Source: Nygard, "Release It!"; cockatiel, resilience4j (half open with permits); case O28.
 *
 * @packageDocumentation
 */
import type { Outcome } from '../call.ts';
import { CLOSED, type FailureCounter, HALF_OPEN } from './counters.ts';
import type { BreakerRules } from './options.ts';

/** `isolated`: opened by hand, until released by hand. */
export type BreakerState = 'closed' | 'open' | 'halfOpen' | 'isolated';

/** How long it stays open, and how it probes. */
export type BreakerTimes = Pick<BreakerRules, 'openMs' | 'maxOpenMs' | 'halfOpenProbes'>;

export class Breaker {
  #times: BreakerTimes;
  #counters: readonly FailureCounter[];
  #state: BreakerState = 'closed';
  /** Outcomes of calls that began before are not of this state. */
  #sinceMs = Number.NEGATIVE_INFINITY;
  #openMs = 0;
  /** Open: when a probe may go out. Half open: when one more may, whatever became of those that are out. */
  #probeAtMs = 0;
  #probes = 0;
  #successes = 0;
  readonly #onState: ((state: BreakerState) => void) | undefined;

  /** @param onState - Told of each change of state, in the middle of it: must not throw. */
  constructor(times: BreakerTimes, counters: readonly FailureCounter[], onState?: (state: BreakerState) => void) {
    this.#times = times;
    this.#counters = counters;
    this.#onState = onState;
  }

  /** Takes other rules. It stays open or closed; what was counted so far is counted anew. */
  retune(times: BreakerTimes, counters: readonly FailureCounter[]): void {
    this.#times = times;
    this.#counters = counters;
  }

  /** `open` until a call has gone out as probe, however long ago its time was over. */
  get state(): BreakerState {
    return this.#state;
  }
  /** When it changed last. */
  get sinceMs(): number {
    return this.#sinceMs;
  }
  /** Open: when the next probe may go out. */
  get probeAtMs(): number {
    return this.#state === 'open' ? this.#probeAtMs : Number.POSITIVE_INFINITY;
  }

  /** True: a call may start, and `ended` is called once when it has. Half open, it is a probe. O(1), allocates nothing. */
  enter(nowMs: number): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'isolated' || !this.canProbe(nowMs)) return false;
    if (this.#state === 'open') {
      this.#become('halfOpen', nowMs);
      this.#probes = 0;
      this.#successes = 0;
    }
    this.#probes++;
    this.#probeAtMs = nowMs + this.#openMs;
    return true;
  }
  /** Whether `enter` would let a probe out. */
  canProbe(nowMs: number): boolean {
    if (this.#state === 'open') return nowMs >= this.#probeAtMs;
    return this.#state === 'halfOpen' && (this.#probes < this.#times.halfOpenProbes || nowMs >= this.#probeAtMs);
  }
  /** A call that began at `startedMs` has ended. True: the state has changed. */
  ended(startedMs: number, nowMs: number, outcome: Outcome): boolean {
    if (startedMs < this.#sinceMs) return false;
    if (this.#state === 'closed') return this.#count(outcome, nowMs);
    if (this.#state !== 'halfOpen') return false;
    if (outcome === 'dropped') return this.trip(nowMs);
    this.#probes = Math.max(0, this.#probes - 1);
    if (outcome === 'ignored' || ++this.#successes < this.#times.halfOpenProbes) return false;
    this.close(nowMs);
    return true;
  }
  /** A probe came to nothing before it began. */
  giveBack(): void {
    if (this.#state === 'halfOpen') this.#probes = Math.max(0, this.#probes - 1);
  }
  /** Opens, or opens again for longer. True: the state has changed. */
  trip(nowMs: number): boolean {
    if (this.#state === 'open' || this.#state === 'isolated') return false;
    this.#openMs = this.#state === 'halfOpen' ? Math.min(this.#times.maxOpenMs, 2 * this.#openMs) : this.#times.openMs;
    this.#become('open', nowMs);
    this.#probeAtMs = nowMs + this.#openMs;
    return true;
  }
  /** Open: the next call is a probe, whatever time is left. */
  probeSoon(nowMs: number): void {
    if (this.#state === 'open' || this.#state === 'halfOpen') {
      this.#state = 'open';
      this.#probeAtMs = Math.min(this.#probeAtMs, nowMs);
    }
  }
  /** Closes and forgets what was counted. */
  close(nowMs: number): void {
    this.#become('closed', nowMs);
    for (const counter of this.#counters) counter.success(HALF_OPEN);
  }
  /** Opens by hand: only {@link release} lets calls through again. */
  isolate(nowMs: number): void {
    this.#become('isolated', nowMs);
  }
  /** Closes what was isolated by hand, and forgets what was counted. Harmless when it is not isolated. */
  release(nowMs: number): void {
    if (this.#state === 'isolated') this.close(nowMs);
  }

  #become(state: BreakerState, nowMs: number): void {
    const changed = state !== this.#state;
    this.#state = state;
    this.#sinceMs = nowMs;
    if (changed) this.#onState?.(state);
  }
  #count(outcome: Outcome, nowMs: number): boolean {
    if (outcome === 'ignored') return false;
    if (outcome === 'success') {
      for (const counter of this.#counters) counter.success(CLOSED);
      return false;
    }
    let enough = false;
    for (const counter of this.#counters) if (counter.failure(CLOSED)) enough = true;
    return enough && this.trip(nowMs);
  }
}
