/**
 * Coalescing on one channel: puts calls into the queues of their batch keys, and sends what comes out as a carrier to one
 * endpoint, or as plain calls.
 *
 * An endpoint is chosen first, as for any call; only if that one takes batches do the calls travel together. So capability
 * never biases the choice, and a server without inmesh never fails a call.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointLoad } from '../balance/book.ts';
import type { Asking } from '../batch/asking.ts';
import type { ResolvedCoalesceOptions } from '../batch/options.ts';
import { type FlushReason, Partition, type Send } from '../batch/partition.ts';
import type { Peers } from '../batch/peers.ts';
import { type Idling, QueueTable } from '../batch/queue-table.ts';
import { type TunnelRule, tunnelTimes } from '../batch/tunnel-rule.ts';
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { StartCarrierSpan } from '../observe/carrier-span.ts';
import type { Random } from '../random.ts';
import type { BatchKeys } from './batch-key.ts';
import { Carrier, type CarrierOwner } from './carrier.ts';
import { attemptContext, type ByteChannel, type CallInfo, type ClientCall, type Door } from './client-call.ts';
import type { CoalesceChannel, CoalesceCounts, DeniedStats, PartitionStats } from './coalesce-stats.ts';
import type { CoalesceWatch } from './coalesce-watch.ts';
import type { CoalescedCall, CoalescerHome } from './coalesced-call.ts';
import { detached, detachedClock } from './detached.ts';
import { withAttempt } from './lb-policy.ts';
import { ACCEPT_KEY, BATCH_SUFFIX, CAPABILITY_KEY } from './metadata.ts';
import { Tunnels } from './tunnels.ts';
import type { WaitingCall } from './waiting-call.ts';

export { type CoalesceCounts, emptyCounts } from './coalesce-stats.ts';

/** What all channels of a mesh share. */
export interface CoalesceShared {
  readonly options: ResolvedCoalesceOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: BatchKeys;
  readonly carrierSpan: StartCarrierSpan;
  readonly counts: CoalesceCounts;
  readonly watch: CoalesceWatch;
  readonly tunnels: TunnelRule;
}

/** The queue of one batch key. */
class Lane implements Idling {
  readonly method: string;
  readonly partition: Partition<CoalescedCall>;
  carriers = 0;
  items = 0;

  constructor(
    method: string,
    options: ResolvedCoalesceOptions,
    clock: Clock,
    send: (lane: Lane, ...sent: Parameters<Send<CoalescedCall>>) => void,
  ) {
    this.method = method;
    this.partition = new Partition(options, clock, (items, reason) => send(this, items, reason));
  }
  get idle(): boolean {
    return this.partition.idle;
  }
}

/** grpc-js's default limit for a message it receives. */
const MAX_REPLY_BYTES = 4 << 20;
/** Where the balancing is not ours, the channel counts as one. */
const WHOLE_CHANNEL = '';

export class ChannelCoalescer implements CoalescerHome, CoalesceChannel {
  readonly #shared: CoalesceShared;
  readonly #door: Door;
  readonly #channel: ByteChannel;
  readonly #peers: Peers;
  readonly #asking: Asking;
  readonly #lanes: QueueTable<Lane, string>;
  readonly deadlines: DeadlineQueue<WaitingCall>;
  readonly #clock: Clock;
  readonly #tunnels: Tunnels | undefined;
  readonly #forget: () => void;
  readonly #unwatch: (() => void) | undefined;
  readonly #onClosed: () => void;

  /** @param learned - Hears of lost connections before the tunnels do, so that what they give back finds the endpoint forgotten. */
  constructor(
    shared: CoalesceShared,
    door: Door,
    channel: ByteChannel,
    learned: { readonly peers: Peers; readonly asking: Asking },
    onClosed: () => void = () => {},
  ) {
    this.#shared = shared;
    this.#door = door;
    this.#channel = channel;
    this.#clock = detachedClock(shared.clock);
    this.#peers = learned.peers;
    this.#asking = learned.asking;
    this.#lanes = new QueueTable((method) => new Lane(method, shared.options, this.#clock, this.#send));
    this.deadlines = new DeadlineQueue(this.#clock, (call) => call.expire());
    this.#tunnels = this.#makeTunnels();
    this.#forget = shared.counts.channels.add(this);
    this.#onClosed = onClosed;
    this.#unwatch = door.onClose?.(() => this.close());
  }

  /** The channel is closed, or nobody comes any more. */
  close(): void {
    this.#unwatch?.();
    this.#forget();
    this.#tunnels?.close();
    this.#onClosed();
  }

  get partitions(): PartitionStats[] {
    return [...this.#lanes.values()].map(({ method, partition: { waiting }, carriers, items }) => {
      return { method, waiting, carriers, items, meanSize: carriers === 0 ? 0 : items / carriers };
    });
  }
  get denied(): DeniedStats[] {
    return this.#peers.denied;
  }
  get tunnels(): { readonly address: string; readonly load: number }[] {
    return this.#tunnels?.loads ?? [];
  }
  gauges(): { denied: number; partitions: number; tunnels: number } {
    return { denied: this.#peers.denied.length, partitions: this.#lanes.size, tunnels: this.#tunnels?.open ?? 0 };
  }

  #makeTunnels(): Tunnels | undefined {
    const { book, onClose, maxReplyBytes = MAX_REPLY_BYTES } = this.#door;
    const { tunnels, options, random, counts, watch } = this.#shared;
    if (tunnels === 'never' || book === undefined || onClose === undefined) return undefined;
    return new Tunnels({
      clock: this.#clock,
      random,
      counts: counts.tunnels,
      peers: this.#peers,
      times: tunnelTimes(tunnels),
      book,
      channel: this.#channel,
      limits: { maxItems: options.maxItems, maxBytes: options.maxBytes, maxReplyBytes },
      detached,
      again: (items) => {
        for (const item of items) this.enqueue(item as CoalescedCall);
      },
      fellBack: ({ path }) => watch.alone(path, 'fallback'),
      sent: (items, reason) => watch.together(items as readonly CoalescedCall[], 'tunnel', reason),
      late: () => watch.late(undefined, 'tunnel'),
    });
  }

  /** True when some endpoint of this channel is known to take batches. */
  get ready(): boolean {
    return this.#peers.any;
  }

  /** The plain call of `info`, bytes in, bytes out. */
  open(info: CallInfo): ClientCall {
    return this.#channel.open(info);
  }

  /** Makes a plain call ask its server whether it takes batches, if there is something to learn. */
  asksForCapability(metadata: Metadata): void {
    if (this.#asking.asks(this.#door.book?.endpoints, this.#peers.any, this.#isKnown)) metadata.set(ACCEPT_KEY, '1');
  }
  readonly #isKnown = ({ address }: EndpointLoad): boolean => this.#peers.has(address);

  /** A plain call has ended: its trailers may say what its server can do. Our own trailers stop here. */
  learn(info: CallInfo, status: StatusObject): void {
    const said = status.metadata.get(CAPABILITY_KEY)[0];
    this.#asking.answered(said !== undefined);
    if (typeof said !== 'string') return;
    status.metadata.remove(CAPABILITY_KEY);
    const address = this.#door.book === undefined ? WHOLE_CHANNEL : info.attempt?.picked;
    if (address !== undefined && (address !== '' || this.#door.book === undefined)) this.#peers.learn(address, said);
  }

  /** A whole request is here. */
  enqueue(call: CoalescedCall): void {
    const { keys, watch } = this.#shared;
    const { info } = call;
    const keyed = keys.of(info, call.sentMetadata);
    if (keyed === undefined) {
      watch.alone(info.method, 'key');
      call.goAlone();
      return;
    }
    call.metadata = keyed.own;
    call.watchDeadline();
    if (this.#tunnels?.take(call, info, keyed.key, () => keys.shared(call.sentMetadata)) === true) return;
    const lane = this.#lanes.of(info.method, keyed.key, info.method);
    if (lane === undefined) {
      watch.alone(info.method, 'key');
      call.goAlone();
      return;
    }
    call.partition = lane.partition;
    call.sentMs = watch.queued(info.record, info.story);
    if (!lane.partition.add(call)) {
      watch.alone(info.method, 'queue-full');
      call.goAlone();
    }
  }

  get watch(): CoalesceWatch {
    return this.#shared.watch;
  }
  readonly #send = (lane: Lane, items: CoalescedCall[], reason: FlushReason): void => {
    const { counts, watch } = this.#shared;
    counts.flushes[reason]++;
    const first = items[0] as CoalescedCall;
    if (items.length === 1) {
      first.leads = reason === 'lead';
      watch.unaccompanied(first);
      first.goAlone();
      return;
    }
    const endpoint = this.#door.book?.pick(undefined, items.length);
    const address = endpoint?.address ?? WHOLE_CHANNEL;
    const capability =
      this.#door.book !== undefined && endpoint === undefined ? undefined : this.#peers.capability(address, first.info.method);
    if (capability === undefined) {
      watch.alone(lane.method, 'endpoint', items.length);
      // Each item is picked for anew; what was picked here must not turn them all away from it.
      endpoint?.unreserve();
      for (const item of items) item.goAlone();
      return;
    }
    if (items.length <= capability.maxItems) {
      this.#carry(lane, items, reason, endpoint, address);
      return;
    }
    for (let from = 0; from < items.length; from += capability.maxItems) {
      this.#carry(lane, items.slice(from, from + capability.maxItems), reason, endpoint, address);
    }
  };

  #carry(lane: Lane, items: CoalescedCall[], reason: FlushReason, endpoint: EndpointLoad | undefined, address: string): void {
    const { clock, counts, watch, carrierSpan, keys } = this.#shared;
    const { partition } = lane;
    const { info, sentMetadata } = items[0] as CoalescedCall;
    let deadlineMs = 0;
    for (const item of items) deadlineMs = Math.max(deadlineMs, item.deadlineMs);
    const method = info.method + BATCH_SUFFIX;
    const context = attemptContext({ pin: endpoint === undefined ? undefined : address, counted: endpoint !== undefined });
    const span = carrierSpan(
      method,
      this.#door.target,
      items.map((item) => item.record),
    );
    let metadata = keys.shared(sentMetadata);
    withAttempt(metadata, context);
    if (span !== undefined) metadata = span.inject(metadata);
    partition.carrierSent();
    counts.carriers++;
    counts.items += items.length;
    lane.carriers++;
    lane.items += items.length;
    watch.together(items, 'envelope', reason);
    const owner: CarrierOwner = {
      carrierAnswered: () => partition.carrierAnswered(),
      turnedAway: (forMs) => {
        watch.turnedAway(info.method);
        this.#peers.deny(address, info.method, forMs);
        this.#asking.forget();
      },
      fellBack: () => watch.alone(info.method, 'fallback'),
      late: () => watch.late(info.method, 'envelope'),
    };
    const carrier = new Carrier(items, owner, clock, endpoint, context, span);
    const carrierInfo: CallInfo = {
      ...info,
      method,
      kind: 'serverStream',
      deadlineMs,
      parent: undefined,
      options: undefined,
      definition: undefined,
      attempt: context,
      record: undefined,
      story: undefined,
    };
    const { maxReplyBytes = MAX_REPLY_BYTES } = this.#door;
    detached(() => carrier.send(this.#channel.open(carrierInfo), metadata, address, maxReplyBytes));
  }
}
