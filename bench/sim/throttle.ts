/**
 * Client-side throttling (Site Reliability Engineering, chapter 21): a client that asks for several times what its service can do.
 *
 * @packageDocumentation
 */
import { Code } from '../../src/call.ts';
import { seededRandom } from '../../src/random.ts';
import { AdaptiveThrottle } from '../../src/retry/adaptive-throttle.ts';
import { arrivals } from './metastable.ts';
import { Station } from './station.ts';
import { VirtualTime } from './virtual-time.ts';

/** Counts of the second half of a run. */
export interface ThrottleRun {
  readonly calls: number;
  /** Not refused by the client. */
  readonly sent: number;
  readonly accepted: number;
}

const CAPACITY = 400;
const SECONDS = 60;

/** @param load - Calls over what the service can do. */
export function runThrottle(load: number, k = 2, seed = 7): ThrottleRun {
  const time = new VirtualTime();
  const station = new Station(time, { slots: 4, serviceMs: () => 10, dropLate: false, limit: 16 });
  const throttle = new AdaptiveThrottle({ k, windowMs: 10_000 }, time, seededRandom(seed));
  const run = { calls: 0, sent: 0, accepted: 0 };
  arrivals(
    time,
    seededRandom(seed + 1),
    () => (load * CAPACITY) / 1000,
    SECONDS * 1000,
    () => {
      const counts = time.nowMs() > (SECONDS * 1000) / 2;
      if (counts) run.calls++;
      if (!throttle.trySend()) return;
      if (counts) run.sent++;
      station.offer({
        expiresMs: Number.POSITIVE_INFINITY,
        done: (verdict) => {
          throttle.ended(verdict === 'ok' ? Code.OK : Code.RESOURCE_EXHAUSTED);
          if (counts && verdict === 'ok') run.accepted++;
        },
      });
    },
  );
  time.run(SECONDS * 1000 + 5_000);
  return run;
}
