/**
 * What coalescing shows of itself: counts, and the queues, endpoints and tunnels of every channel at the moment.
 *
 * @packageDocumentation
 */
import type { FlushReason } from '../batch/partition.ts';
import { BatchDetail } from '../observe/batch-detail.ts';
import type { ClientBatchGauge } from '../observe/batch-metrics.ts';
import type { GaugeSource } from '../observe/instruments.ts';
import type { TunnelCounts } from './tunnels.ts';

/** Why a coalescible call went alone. */
export type BypassReason = 'no-peer' | 'alone' | 'endpoint' | 'key' | 'queue-full' | 'fallback';

/** Counts of one mesh, for its statistics. */
export interface CoalesceCounts {
  carriers: number;
  items: number;
  /** Coalescible calls that went alone, by reason. */
  readonly plain: Record<BypassReason, number>;
  readonly flushes: Record<FlushReason, number>;
  turnedAway: number;
  /** Results that came for calls that had ended. */
  late: number;
  /** Calls of broken batches that may have run. */
  ambiguous: number;
  readonly tunnels: TunnelCounts;
  readonly channels: CoalesceChannels;
  /** What the batches looked like; not part of the statistics. */
  readonly detail: BatchDetail;
}

/** One queue of calls that may share a batch: method, authority, credentials and metadata are equal. */
export interface PartitionStats {
  readonly method: string;
  /** Calls that wait now. */
  readonly waiting: number;
  /** Batches sent, and calls in them. */
  readonly carriers: number;
  readonly items: number;
  /** Calls of a batch, on average; 0 without one. */
  readonly meanSize: number;
}

/** An endpoint that is spared batches of a method at present. */
export interface DeniedStats {
  readonly address: string;
  readonly method: string;
}

/** The tunnels to one endpoint. */
export interface TunnelStats {
  readonly address: string;
  /** How many, those that open and those that end included. */
  readonly tunnels: number;
  /** Calls on them that wait or are unanswered. */
  readonly load: number;
}

/** What `mesh.stats().coalesce` shows. */
export interface CoalesceStats extends Readonly<Omit<CoalesceCounts, 'channels' | 'tunnels' | 'detail'>> {
  /** The 50 busiest queues. Metadata, which tells queues of one method apart, is not shown. */
  readonly partitions: readonly PartitionStats[];
  /** Endpoints that turned batches away, the first 50. */
  readonly denied: readonly DeniedStats[];
  readonly tunnels: Readonly<TunnelCounts> & { readonly endpoints: readonly TunnelStats[] };
}

/** One channel, as it is now. */
export interface CoalesceChannel extends GaugeSource<ClientBatchGauge> {
  readonly partitions: Iterable<PartitionStats>;
  readonly denied: Iterable<DeniedStats>;
  readonly tunnels: Iterable<{ readonly address: string; readonly load: number }>;
}

/** Rows shown of what may be many. */
const MAX_ROWS = 50;

/** The channels of one mesh. Held weakly: a channel that is dropped without `close()` is not kept. */
export class CoalesceChannels implements GaugeSource<ClientBatchGauge> {
  readonly #refs = new Set<WeakRef<CoalesceChannel>>();

  /** Gives what takes it out again. */
  add(channel: CoalesceChannel): () => void {
    const ref = new WeakRef(channel);
    this.#refs.add(ref);
    return () => void this.#refs.delete(ref);
  }

  gauges(): Readonly<Record<ClientBatchGauge, number>> {
    let denied = 0;
    let partitions = 0;
    let tunnels = 0;
    for (const channel of this.all()) {
      const own = channel.gauges();
      denied += own.denied;
      partitions += own.partitions;
      tunnels += own.tunnels;
    }
    return { denied, partitions, tunnels };
  }

  *all(): Generator<CoalesceChannel> {
    for (const ref of this.#refs) {
      const channel = ref.deref();
      if (channel === undefined) this.#refs.delete(ref);
      else yield channel;
    }
  }
}

/** Nothing counted yet. */
export function emptyCounts(): CoalesceCounts {
  return {
    carriers: 0,
    items: 0,
    plain: { 'no-peer': 0, alone: 0, endpoint: 0, key: 0, 'queue-full': 0, fallback: 0 },
    flushes: { lead: 0, tick: 0, full: 0, bytes: 0, answer: 0, hold: 0 },
    turnedAway: 0,
    late: 0,
    ambiguous: 0,
    tunnels: { opened: 0, open: 0, frames: 0, items: 0 },
    channels: new CoalesceChannels(),
    detail: new BatchDetail(),
  };
}

/** Plain numbers and names, ready for JSON. */
export function coalesceStats({ channels, tunnels, detail: _detail, ...counts }: CoalesceCounts): CoalesceStats {
  const all = [...channels.all()];
  const partitions = all.flatMap((channel) => [...channel.partitions]).sort((a, b) => b.items - a.items || b.waiting - a.waiting);
  const denied = all.flatMap((channel) => [...channel.denied]);
  const byAddress = new Map<string, { address: string; tunnels: number; load: number }>();
  for (const { address, load } of all.flatMap((channel) => [...channel.tunnels])) {
    const known = byAddress.get(address);
    if (known === undefined) byAddress.set(address, { address, tunnels: 1, load });
    else {
      known.tunnels++;
      known.load += load;
    }
  }
  return {
    ...counts,
    partitions: partitions.slice(0, MAX_ROWS),
    denied: denied.slice(0, MAX_ROWS),
    tunnels: { ...tunnels, endpoints: [...byAddress.values()] },
  };
}
