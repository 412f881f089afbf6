/**
 * Arithmetic of deadlines. A deadline is a point on `Clock.nowMs`; `Infinity` means none.
 *
 * @packageDocumentation
 */

/** No deadline. */
export const NO_DEADLINE: number = Number.POSITIVE_INFINITY;

/** The earlier of two deadlines. */
export function minDeadline(aMs: number, bMs: number): number {
  return Math.min(aMs, bMs);
}

/** The deadline that a timeout from now makes; no timeout, no deadline. */
export function deadlineAfter(nowMs: number, timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? NO_DEADLINE : nowMs + timeoutMs;
}

/** Time left in ms, never negative; `Infinity` without a deadline. */
export function remainingMs(deadlineMs: number, nowMs: number): number {
  return deadlineMs > nowMs ? deadlineMs - nowMs : 0;
}

/** True when the deadline is reached: no work for this call is worth doing any more. */
export function isLate(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs <= nowMs;
}

/** The deadline for the next hop: `marginMs` (>= 0) is kept back for the way home (case D1). */
export function withHopMargin(deadlineMs: number, marginMs: number): number {
  return deadlineMs - marginMs;
}
