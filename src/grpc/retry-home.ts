/**
 * What retries share whatever policy says.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { lazyTimer } from '../retry/lazy-timer.ts';
import { detachedClock } from './detached.ts';
import type { Attempt } from './retry-attempt.ts';
import type { RetryOnResponse } from './retry-settings.ts';

/** What a home is made from. */
export interface RetryHomeSettings {
  readonly clock: Clock;
  readonly retryOnResponse?: RetryOnResponse | undefined;
  readonly warn: (line: string) => void;
}

/** One timer for all tries, and what has been told. */
export interface RetryHome {
  readonly hinted: Set<string>;
  readonly tries: DeadlineQueue<Attempt>;
  readonly retryOnResponse: RetryOnResponse | undefined;
}

/** For one client half. */
export function retryHome({ clock, retryOnResponse, warn }: RetryHomeSettings): RetryHome {
  return {
    hinted: new Set(),
    tries: new DeadlineQueue<Attempt>(lazyTimer(detachedClock(clock)), (attempt) => attempt.expired()),
    retryOnResponse: guarded(retryOnResponse, warn),
  };
}

/** A user's predicate that throws says nothing, and is told of once. */
function guarded(predicate: RetryOnResponse | undefined, warn: (line: string) => void): RetryOnResponse | undefined {
  if (predicate === undefined) return undefined;
  let told = false;
  return (method, response) => {
    try {
      return predicate(method, response) === true;
    } catch (error) {
      if (!told)
        warn(`retryOnResponse threw ${error instanceof Error ? error.name : typeof error} at an answer of ${method}; it counts as false`);
      told = true;
      return false;
    }
  };
}
