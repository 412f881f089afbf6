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
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import { CoalesceHome, PeersByDoor } from '../src/grpc/coalesce-home.ts';
import { CoalesceWatch } from '../src/grpc/coalesce-watch.ts';
import { CoalescedCall } from '../src/grpc/coalesced-call.ts';
import type { CoalesceCounts } from '../src/grpc/coalescer.ts';
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
  'coalescing is on, but this client came without mesh.options(), is a Connect client, or the call brought its own interceptors: no batch can be opened, so calls go alone';
const FOREIGN_BELOW =
  "coalescing is on, but this client has other interceptors below inmesh's, which a batch would pass by: calls go alone; put inmesh's last";

/** The home of one set of options. @param learned - What is known of endpoints, where that is to outlive these options. */
export function coalesceHome(
  { options, clock, random, carrierSpan, counts, tunnels = 'never', ...settings }: Omit<CoalesceSettings, 'isOn'>,
  { watch = coalesceWatch({ clock, counts, ...settings }), learned = new PeersByDoor(clock, random) }: CoalesceParts = {},
): CoalesceHome {
  const keys = new BatchKeys(options.itemMetadata);
  return new CoalesceHome({ options, clock, random, keys, carrierSpan, counts, watch, tunnels }, learned);
}

/** Who hears of what is done. Its instruments are made once. */
export function coalesceWatch({
  counts,
  clock,
  metrics,
  onTurnedAway,
}: Pick<CoalesceSettings, 'counts' | 'clock' | 'metrics' | 'onTurnedAway'>): CoalesceWatch {
  return new CoalesceWatch(counts, clock, metrics && clientBatchMetrics(counts.channels, metrics), onTurnedAway);
}

/** What outlives a home. */
export interface CoalesceParts {
  readonly watch?: CoalesceWatch;
  readonly learned?: PeersByDoor;
}

/** The client half. The server half is `ServerHost`. @param home - Default: one of its own. */
export function coalesceClient(settings: CoalesceSettings, home: CoalesceHome = coalesceHome(settings)): ClientInterceptor {
  const { isOn, warn } = settings;
  const { watch } = home.shared;
  return (info, next) => {
    if ((info.kind !== 'unary' && info.kind !== undefined) || info.options?.coalesce === 'never' || !isOn(info)) return next(info);
    const { channel } = info.door;
    if (channel === undefined || info.door.foreignBelow === true) {
      if (!home.warned) warn(channel === undefined ? NO_CHANNEL : FOREIGN_BELOW);
      home.warned = true;
      return next(info);
    }
    const coalescer = home.of(info.door, channel);
    // A repeated attempt has endpoints to avoid, which its batch would not know of.
    if (!coalescer.ready || (info.attempt?.avoid?.size ?? 0) > 0 || info.attempt?.pin !== undefined) {
      watch.alone(info.method, 'no-peer');
      return new LearningCall(next(info), coalescer, info);
    }
    return new CoalescedCall(coalescer, info);
  };
}
