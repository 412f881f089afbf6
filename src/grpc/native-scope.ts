/**
 * Batches of native coalescing belong to nobody's context: neither what sends them nor their timers may run in a caller's.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.ts';

/** The context of batches. */
export const NOBODY: AsyncResource = new AsyncResource('inmesh.native-batches');

/** The same clock, whose timers run in nobody's context. */
export function detachedClock(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (fn, delayMs) => NOBODY.runInAsyncScope(() => clock.setTimer(fn, delayMs)),
    endOfTurn: (fn) => NOBODY.runInAsyncScope(() => clock.endOfTurn(fn)),
  };
}

/** An app that throws in its callback must not keep its siblings from theirs (case K20); its error still surfaces. */
export function guarded(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
