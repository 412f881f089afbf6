/**
 * Story: one record for each call, which every layer below adds to, and from which log, tap, ledger and events are fed.
 *
 * - Scope: per call at the top, per attempt below retry; on the server per call and item. Rejects nothing.
 * - Also what `mesh.stats()` counts, and what `mesh.close()` waits for.
 * - State: numbers that the caller owns, and the recorder's, which are bounded.
 *
 * @packageDocumentation
 */
import { Bag } from '../src/bag.ts';
import type { CallCounts, ServerCounts } from '../src/call-counts.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';
import { type OpenCall, StoryCall } from '../src/grpc/story-call.ts';
import { StoryServerCall } from '../src/grpc/story-server-call.ts';
import type { Recorder } from '../src/observe/recorder.ts';

/** Keeps the stories of calls. `onIdle`: told whenever the last active call has ended. `open`: holds the active calls. */
export function storyClient(
  counts: CallCounts,
  recorder: Recorder,
  onIdle: () => void,
  open: Bag<OpenCall> = new Bag(),
): ClientInterceptor {
  const home = { counts, recorder, onIdle, open };
  return (info, next) => {
    const call = new StoryCall(home, info.method, info.door.target);
    info.story = call;
    return call.above(next(info));
  };
}

/** Counts attempts. */
export function storyAttempts(counts: CallCounts): ClientInterceptor {
  return (info, next) => {
    counts.attempts++;
    info.story?.began(info.attempt);
    return next(info);
  };
}

/** Keeps the stories of served calls, items of batches like any other. */
export function storyServer(counts: ServerCounts, recorder: Recorder): ServerLayer {
  const home = { counts, recorder };
  return (info, call) => new StoryServerCall(home, info, call);
}
