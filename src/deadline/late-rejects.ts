/**
 * How many of the calls that come too late are refused.
 *
 * A server whose clock or queue is wrong may find every call late, and would refuse them all. So there is a bound: at most a
 * fraction of all calls of the last ten seconds is refused, the rest is served though late. Source: Finagle's `DeadlineFilter`
 * (`maxRejectFraction`, a leaky bucket of ten seconds); fraction 0 is its dark launch.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { checkedNumber } from '../input/checks.ts';
import { SlidingWindow } from '../math/sliding-window.ts';

/** How long a call counts. */
const WINDOW_MS = 10_000;
const BUCKETS = 10;
/** Lets ten calls at 0.1 pay for one refusal, though floating point may see a hair less. */
const ROUNDING = 1e-9;

/** The bound of one server. */
export class LateRejects {
  readonly #fraction: number;
  readonly #clock: Clock;
  readonly #calls: SlidingWindow;
  readonly #rejects: SlidingWindow;

  /** @param fraction - Of all calls, 0 (none is refused) to 1 (all that are late). @throws ConfigError out of that range. */
  constructor(fraction: number, clock: Clock, path = 'lateRejectFraction') {
    this.#fraction = checkedNumber(fraction, 1, { min: 0, max: 1 }, path);
    this.#clock = clock;
    const nowMs = clock.nowMs();
    this.#calls = new SlidingWindow(WINDOW_MS, BUCKETS, nowMs);
    this.#rejects = new SlidingWindow(WINDOW_MS, BUCKETS, nowMs);
  }

  /** A call has arrived, late or not. */
  arrived(): void {
    if (this.#fraction > 0 && this.#fraction < 1) this.#calls.add(1, this.#clock.nowMs());
  }

  /** True: this late call may be refused. */
  tryReject(): boolean {
    if (this.#fraction === 0 || this.#fraction === 1) return this.#fraction === 1;
    const nowMs = this.#clock.nowMs();
    if (this.#calls.sum(nowMs) * this.#fraction + ROUNDING < this.#rejects.sum(nowMs) + 1) return false;
    this.#rejects.add(1, nowMs);
    return true;
  }
}
