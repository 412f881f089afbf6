/**
 * How long one try may take before another one joins it.
 *
 * @packageDocumentation
 */
import type { QuantileWindow } from '../math/quantile-window.ts';

/** Learned: so many times what 99 of 100 answers take. */
const TIMES = 3;
const QUANTILE = 0.99;
/** Below that a hiccup of either process would look like a dead replica. */
const FLOOR_MS = 10;
/** The same while nothing is known: the first calls of a process are its slowest. */
const COLD_FLOOR_MS = 100;

/**
 * The limit of a try in ms; Infinity: none. While nothing is known of the method it is half of the time that is left, so that a
 * replica that is stopped takes no whole deadline from a client that has just begun.
 *
 * @param setMs - What policy says; 0: no limit, undefined: learn it.
 * @param latency - Of the method's answers.
 * @param leftMs - Until the call's deadline; Infinity: it has none.
 */
export function tryTimeoutMs(setMs: number | undefined, latency: QuantileWindow, nowMs: number, leftMs: number): number {
  if (setMs !== undefined) return setMs > 0 ? setMs : Number.POSITIVE_INFINITY;
  const p99Ms = latency.quantile(QUANTILE, nowMs);
  return p99Ms === undefined ? Math.max(COLD_FLOOR_MS, leftMs / 2) : Math.max(FLOOR_MS, TIMES * p99Ms);
}
