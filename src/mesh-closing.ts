/**
 * The end of a mesh's calls.
 *
 * @packageDocumentation
 */
import { Code } from './call.ts';
import type { Clock } from './clock.ts';
import type { Refusal } from './errors.ts';
import { localStatus } from './grpc/refuse.ts';
import type { OpenCall } from './grpc/story-call.ts';

/** What has calls that are out. */
interface Calling {
  readonly counts: { readonly client: { readonly active: number } };
  readonly open: readonly OpenCall[];
  /** Told whenever the last call that was out has ended. */
  onIdle: (() => void) | undefined;
}

/** Waits for calls that are out; those that are out after `drainMs` are ended. */
export async function callsEnd(calling: Calling, clock: Clock, drainMs: number): Promise<void> {
  if (calling.counts.client.active === 0) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.setTimer(resolve, drainMs);
    calling.onIdle = () => {
      cancel();
      resolve();
    };
  });
  calling.onIdle = undefined;
  for (const call of calling.open) call.end(localStatus(CLOSED_OVER_IT));
}

/** Whatever the call's server has done by then, nobody here knows. */
const CLOSED_OVER_IT: Refusal = {
  code: Code.UNAVAILABLE,
  details: 'inmesh: the mesh was closed before the call ended',
  reason: 'client.mesh/closed',
  unprocessed: false,
};
