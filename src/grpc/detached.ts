/**
 * Carriers belong to nobody's context: neither what sends them nor their timers may run in a caller's.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.ts';

/** The context of carriers. */
export const NOBODY: AsyncResource = new AsyncResource('inmesh.carriers');

/** Runs outside every caller's context. */
export function detached(fn: () => void): void {
  NOBODY.runInAsyncScope(fn);
}

/** The same clock, whose callbacks belong to nobody's context. */
export function detachedClock(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (fn, delayMs) => NOBODY.runInAsyncScope(() => clock.setTimer(fn, delayMs)),
    endOfTurn: (fn) => NOBODY.runInAsyncScope(clock.endOfTurn, clock, fn),
  };
}
