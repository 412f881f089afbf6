/**
 * One ended call as others see it.
 *
 * @packageDocumentation
 */
import { codeName } from '../call.ts';
import { rpcMethod } from './names.ts';
import type { CallStory } from './story.ts';
import type { CallView } from './views.ts';

/**
 * The view of an ended call.
 *
 * @param startedAtMs - In milliseconds since 1970.
 */
export function callView(story: CallStory, startedAtMs: number, durationMs: number): CallView {
  const { side, path, target, code = 0, reason, attempts, hedges, endpoints, queuedMs, ride, shown } = story;
  return {
    side,
    method: rpcMethod(path),
    target,
    startedAtMs: Math.round(startedAtMs),
    durationMs: micros(durationMs),
    status: codeName(code),
    ...(reason === undefined ? {} : { reason }),
    attempts,
    hedges,
    endpoints,
    queuedMs: micros(queuedMs),
    ride,
    ...(shown === undefined ? {} : { metadata: shown }),
  };
}

/** Milliseconds to three places: what is below is noise, and twelve digits of it in every line. */
function micros(ms: number): number {
  return Math.round(Math.max(0, ms) * 1000) / 1000;
}
