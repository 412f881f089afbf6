/**
 * Whether a call would find somebody, by target.
 *
 * @packageDocumentation
 */
import { type ChannelInterface, connectivityState } from '@grpc/grpc-js';
import type { Door } from './client-call.ts';

/** A target that there are channels to. */
export interface TargetState {
  readonly target: string;
  /** Endpoints known; 0 before the first call, and where the balancing is not ours. */
  readonly endpoints: number;
  /** Of those, the ones with a connection. */
  readonly ready: number;
  /** No way to it is known: its name can't be resolved, or nobody is there. */
  readonly failing: boolean;
}

/** A channel, and what is known of it. */
export interface TargetChannel {
  readonly channel: ChannelInterface;
  readonly door: Pick<Door, 'target' | 'book'>;
}

/** Channels of one target are told as one. */
export function targetStates(channels: Iterable<TargetChannel>): readonly TargetState[] {
  const states = new Map<string, TargetState>();
  for (const { channel, door } of channels) {
    const connectivity = channel.getConnectivityState(false);
    if (connectivity === connectivityState.SHUTDOWN) continue;
    const { target, book } = door;
    const known = states.get(target) ?? { target, endpoints: 0, ready: 0, failing: true };
    const endpoints = book?.endpoints ?? [];
    states.set(target, {
      target,
      endpoints: known.endpoints + endpoints.length,
      ready: known.ready + endpoints.filter((endpoint) => endpoint.ready).length,
      failing: known.failing && connectivity === connectivityState.TRANSIENT_FAILURE,
    });
  }
  return [...states.values()];
}
