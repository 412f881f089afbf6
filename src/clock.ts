/**
 * The only reader of time and timers. Engines take a `Clock`, so that tests run on a fake one.
 *
 * `nowMs` is monotonic: a step of the wall clock neither shortens nor lengthens a deadline (case D8).
 *
 * @packageDocumentation
 */
import { performance } from 'node:perf_hooks';

/** Cancels a timer; harmless when it has already fired. */
export type CancelTimer = () => void;

/** Time and timers, as engines see them. */
export interface Clock {
  /** Monotonic time in milliseconds, with a fraction. Only differences mean anything. */
  nowMs(): number;
  /** Wall clock in milliseconds since 1970; only for talking to APIs that take a date. */
  wallMs(): number;
  /** Calls `fn` once after `delayMs` (any length; values <= 0 fire on the next timer turn). Never keeps the process alive. */
  setTimer(fn: () => void, delayMs: number): CancelTimer;
  /** Calls `fn` at the end of the current event-loop turn (`setImmediate`). */
  endOfTurn(fn: () => void): void;
}

/** Node fires a longer timeout at once; longer waits are cut into pieces. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function setTimer(fn: () => void, delayMs: number): CancelTimer {
  if (delayMs <= MAX_TIMEOUT_MS) {
    const handle = setTimeout(fn, Math.max(0, delayMs)); // Node warns of a negative one
    handle.unref();
    return () => clearTimeout(handle);
  }
  let cancel: CancelTimer = setTimer(() => {
    cancel = setTimer(fn, delayMs - MAX_TIMEOUT_MS);
  }, MAX_TIMEOUT_MS);
  return () => cancel();
}

/** The real clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer,
  endOfTurn: (fn) => {
    setImmediate(fn);
  },
};

/** A time of `Clock.wallMs` as text: `2026-01-31T12:00:00.000Z`. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
