/**
 * Our doors without the mesh around them: with nothing behind them (what a door itself costs), or, over a fake channel, with
 * the stack of `createMesh()`.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, ClientOptions } from '@grpc/grpc-js';
import { clientStack } from '../interceptors/pipeline.ts';
import { noCounts } from '../src/call-counts.ts';
import { systemClock } from '../src/clock.ts';
import { CallerStacks } from '../src/grpc/caller-stacks.ts';
import { createRawChannel, describeCalls, MeshChannel, RawChannel } from '../src/grpc/channel-door.ts';
import { wrapClient } from '../src/grpc/client-door.ts';
import { emptyCounts } from '../src/grpc/coalescer.ts';
import { asInterceptor, type PlacedBehaviour } from '../src/grpc/interceptor-door.ts';
import { buildClientStack } from '../src/mesh-stack.ts';
import { Recorder } from '../src/observe/recorder.ts';
import { storyDurations } from '../src/observe/story-durations.ts';
import { parsePolicy } from '../src/policy/parse.ts';
import type { Policy } from '../src/policy/policy.gen.ts';
import { PolicyTable } from '../src/policy/resolve.ts';
import { systemRandom } from '../src/random.ts';
import type { EchoClient } from './echo.ts';

/** Door 1 without behaviours. */
export function emptyInterceptors(): ClientOptions {
  return { interceptors: [asInterceptor(clientStack({}))] };
}

/** Door 2 without behaviours, over grpc-js's own channel or over `lower`. */
export function emptyChannel(lower?: ChannelInterface): ClientOptions {
  return channelDoor(clientStack({}), lower);
}

/** Door 2 with the client stack of `createMesh(policy)`, over `lower`. The picker is not in it: it lives in the real channel. */
export function defaultChannel(lower: ChannelInterface, policy: Policy = {}): ClientOptions {
  const table = new PolicyTable(parsePolicy(policy));
  const recorder = new Recorder({ clock: systemClock, durations: storyDurations(table.telemetry) });
  const settings = { table, clock: systemClock, random: systemRandom, warn: () => {}, otel: undefined, recorder };
  const counts = { client: noCounts(), coalesce: emptyCounts(), retries: 0 };
  return channelDoor(
    buildClientStack(settings, counts, () => {}),
    lower,
  );
}

/** A door with the stack of who made a call as the mesh has it by default (`auto`), or without. */
export function withStacks(options: ClientOptions, callerStacks: 'auto' | false): ClientOptions {
  return { ...options, callInvocationTransformer: describeCalls(undefined, new CallerStacks({ callerStacks })) };
}

/** Door 3 of a client that was made at door 2. */
export function wrapped(client: EchoClient): EchoClient {
  const channel: unknown = client.getChannel();
  if (!(channel instanceof MeshChannel)) throw new TypeError('this client is not at door 2');
  return wrapClient(client, channel, { interceptors: [], callerStacks: false });
}

function channelDoor({ name, intercept }: PlacedBehaviour, lower?: ChannelInterface): ClientOptions {
  const stack = { behaviours: name.split('+'), intercept, clock: systemClock, closed: () => undefined };
  return {
    channelFactoryOverride: (target, credentials, options) => {
      const channel = lower ?? createRawChannel(target, credentials, options);
      return new MeshChannel(channel, stack, { kind: 'channel', target, channel: new RawChannel(channel, systemClock), book: undefined });
    },
    callInvocationTransformer: describeCalls(),
  };
}
