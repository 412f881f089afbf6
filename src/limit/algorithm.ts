/**
 * What every adaptive limit has in common: it hears how calls went and says how many may be in flight.
 *
 * @packageDocumentation
 */

/** An algorithm that finds how much concurrency a callee can stand. Pure: no clock, no timers. */
export interface LimitAlgorithm {
  /** Calls that may be in flight: a whole number from `min` to `max`. */
  readonly limit: number;
  /**
   * Learns from one call, or from a window of calls.
   *
   * @param rttMs - How long it took, waiting here not included. Not a number, or below 0: the sample is of no use.
   * @param inflight - Calls in flight when it began, itself included.
   * @param dropped - It was refused, timed out or lost: a sign of overload, whose time says nothing.
   * @param nowMs - When it ended, on a clock that does not run backwards.
   * @returns The limit from now on.
   */
  onSample(rttMs: number, inflight: number, dropped: boolean, nowMs: number): number;
}

/** Where a limit starts, and where it stays. Whole numbers, 1 <= min <= initial <= max. */
export interface LimitBounds {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

/** Times of 0 ms are those of a coarse clock. */
const SHORTEST_MS = 0.001;

/** A time to reckon with; undefined: of no use. */
export function usableRtt(rttMs: number): number | undefined {
  return rttMs >= 0 && rttMs < Number.POSITIVE_INFINITY ? Math.max(SHORTEST_MS, rttMs) : undefined;
}

/** `x` between its bounds. */
export function bounded(x: number, { min, max }: { readonly min: number; readonly max: number }): number {
  return Math.max(min, Math.min(max, x));
}
