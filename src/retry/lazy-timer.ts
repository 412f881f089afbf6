/**
 * A clock whose one timer is left running when it is cancelled, for whoever sets and cancels timers all the time.
 *
 * A timer that is set and cleared costs most of a microsecond, and the limit of a try is hardly ever reached: a lone caller
 * would pay that for each call. So a cancelled timer goes on, and serves the next one that is set for a later time; when it
 * fires too early it is set again for the rest, and when nobody wants it any more it lapses.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';

/** The same clock for one user who has at most one timer at a time. Timers come no earlier and no later than they would. */
export function lazyTimer(clock: Clock): Clock {
  let wanted: (() => void) | undefined;
  let wantedAtMs = 0;
  let running: CancelTimer | undefined;
  let firesAtMs = 0;

  const arm = (delayMs: number): void => {
    firesAtMs = clock.nowMs() + delayMs;
    running = clock.setTimer(fire, delayMs);
  };
  const fire = (): void => {
    running = undefined;
    const fn = wanted;
    if (fn === undefined) return;
    const leftMs = wantedAtMs - clock.nowMs();
    if (leftMs > 0) {
      arm(Math.ceil(leftMs));
      return;
    }
    wanted = undefined;
    fn();
  };
  const cancel = (): void => {
    wanted = undefined;
  };
  return {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (fn, delayMs) => {
      wanted = fn;
      wantedAtMs = clock.nowMs() + delayMs;
      if (running === undefined || firesAtMs > wantedAtMs) {
        running?.();
        arm(delayMs);
      }
      return cancel;
    },
    endOfTurn: (fn) => clock.endOfTurn(fn),
  };
}
