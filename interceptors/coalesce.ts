/**
 * Coalescing: unary calls that wait together go together, and every caller gets its own answer.
 *
 * - Scope: per attempt, innermost: what retry sends again joins a later batch. Unary methods that policy says so for.
 * - Joins only what shares a batch key: method, authority, credentials, options, and every metadata key outside a small
 *   allow-list are equal. A lone call goes out as it is; an endpoint without inmesh gets plain calls.
 * - Rejects nothing: what can't travel in a batch travels alone.
 * - State: queues and learned capabilities, one set per channel.
 * - Source: Nagle's idea at the end of the event-loop turn; ioredis' auto-pipelining, TiKV's BatchCommands; cases K1-K22.
 *
 * @packageDocumentation
 */
import type { ResolvedCoalesceOptions } from '../src/batch/options.ts';
import type { TunnelRule } from '../src/batch/tunnel-rule.ts';
import type { Clock } from '../src/clock.ts';
import { BatchKeys } from '../src/grpc/batch-key.ts';
import type { ByteChannel, CallInfo, ClientInterceptor, Door } from '../src/grpc/client-call.ts';
import { CoalesceWatch } from '../src/grpc/coalesce-watch.ts';
import { CoalescedCall } from '../src/grpc/coalesced-call.ts';
import { ChannelCoalescer, type CoalesceCounts, type CoalesceShared } from '../src/grpc/coalescer.ts';
import { LearningCall } from '../src/grpc/learning-call.ts';
import { clientBatchMetrics } from '../src/observe/batch-metrics.ts';
import type { StartCarrierSpan } from '../src/observe/carrier-span.ts';
import type { MetricsOptions } from '../src/observe/options.ts';
import type { Random } from '../src/random.ts';

/** What the coalescing behaviour is told. */
export interface CoalesceSettings {
  readonly options: ResolvedCoalesceOptions;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether calls of a method may travel in batches. */
  readonly isOn: (info: CallInfo) => boolean;
  readonly carrierSpan: StartCarrierSpan;
  readonly counts: CoalesceCounts;
  /** Where metrics of batches go. Undefined: there are none. */
  readonly metrics?: MetricsOptions | undefined;
  /** Told of each batch that an endpoint did not take, by path: must not throw. */
  readonly onTurnedAway?: (path: string) => void;
  readonly warn: (line: string) => void;
  /** Default `never`; only where the balancing is ours. */
  readonly tunnels?: TunnelRule;
}

const NO_CHANNEL =
  'coalescing is on, but this client came without mesh.options(), or the call brought its own interceptors: no batch can be opened, so calls go alone';
const FOREIGN_BELOW =
  "coalescing is on, but this client has other interceptors below inmesh's, which a batch would pass by: calls go alone; put inmesh's last";

/** The client half. The server half is `ServerHost`. */
export function coalesceClient(settings: CoalesceSettings): ClientInterceptor {
  const { options, clock, random, isOn, carrierSpan, counts, metrics, warn, tunnels = 'never' } = settings;
  const watch = new CoalesceWatch(counts, clock, metrics && clientBatchMetrics(counts.channels, metrics), settings.onTurnedAway);
  const keys = new BatchKeys(options.itemMetadata);
  const shared: CoalesceShared = { options, clock, random, keys, carrierSpan, counts, watch, tunnels };
  const byDoor = new WeakMap<Door, ChannelCoalescer>();
  let warned = false;
  const coalescerOf = (door: Door, channel: ByteChannel): ChannelCoalescer => {
    let coalescer = byDoor.get(door);
    if (coalescer === undefined) {
      coalescer = new ChannelCoalescer(shared, door, channel);
      byDoor.set(door, coalescer);
    }
    return coalescer;
  };
  return (info, next) => {
    if ((info.kind !== 'unary' && info.kind !== undefined) || info.options?.coalesce === 'never' || !isOn(info)) return next(info);
    const { channel } = info.door;
    if (channel === undefined || info.door.foreignBelow === true) {
      if (!warned) warn(channel === undefined ? NO_CHANNEL : FOREIGN_BELOW);
      warned = true;
      return next(info);
    }
    const coalescer = coalescerOf(info.door, channel);
    // A repeated attempt has endpoints to avoid, which its batch would not know of.
    if (!coalescer.ready || (info.attempt?.avoid?.size ?? 0) > 0 || info.attempt?.pin !== undefined) {
      watch.alone(info.method, 'no-peer');
      return new LearningCall(next(info), coalescer, info);
    }
    return new CoalescedCall(coalescer, info);
  };
}
