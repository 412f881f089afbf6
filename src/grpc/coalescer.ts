/**
 * Coalescing on one channel: puts calls into the queues of their batch keys, and sends what comes out as a carrier to one
 * endpoint, or as plain calls.
 *
 * An endpoint is chosen first, as for any call; only if that one takes batches do the calls travel together. So capability
 * never biases the choice, and a server without inmesh never fails a call.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointLoad } from '../balance/book.ts';
import { Asking } from '../batch/asking.ts';
import type { ResolvedCoalesceOptions } from '../batch/options.ts';
import { type FlushReason, Partition } from '../batch/partition.ts';
import { Peers } from '../batch/peers.ts';
import { type TunnelRule, tunnelTimes } from '../batch/tunnel-rule.ts';
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { StartCarrierSpan } from '../observe/carrier-span.ts';
import type { Random } from '../random.ts';
import type { BatchKeys } from './batch-key.ts';
import { Carrier, type CarrierOwner } from './carrier.ts';
import { attemptContext, type ByteChannel, type CallInfo, type ClientCall, type Door } from './client-call.ts';
import type { CoalescedCall, CoalescerHome } from './coalesced-call.ts';
import { withAttempt } from './lb-policy.ts';
import { ACCEPT_KEY, BATCH_SUFFIX, CAPABILITY_KEY } from './metadata.ts';
import { type TunnelCounts, Tunnels } from './tunnels.ts';

/** Counts of one mesh, for its statistics. */
export interface CoalesceCounts {
  carriers: number;
  items: number;
  /** Coalescible calls that went alone, by reason. */
  readonly plain: Record<'no-peer' | 'alone' | 'endpoint' | 'key' | 'queue-full' | 'fallback', number>;
  readonly flushes: Record<FlushReason, number>;
  turnedAway: number;
  readonly tunnels: TunnelCounts;
}

/** What all channels of a mesh share. */
export interface CoalesceShared {
  readonly options: ResolvedCoalesceOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: BatchKeys;
  readonly carrierSpan: StartCarrierSpan;
  readonly counts: CoalesceCounts;
  readonly tunnels: TunnelRule;
}

/** grpc-js's default limit for a message it receives. */
const MAX_REPLY_BYTES = 4 << 20;
/** Queues kept; past that, new keys go plain until old ones fall idle. */
const MAX_PARTITIONS = 1024;
/** Where nobody tells endpoints apart (the balancing is not ours), the channel counts as one. */
const WHOLE_CHANNEL = '';
/** Carriers belong to nobody's context. */
const NOBODY: AsyncResource = new AsyncResource('inmesh.carriers');
const detached = (fn: () => void): void => NOBODY.runInAsyncScope(fn);

export class ChannelCoalescer implements CoalescerHome {
  readonly #shared: CoalesceShared;
  readonly #door: Door;
  readonly #channel: ByteChannel;
  readonly #peers: Peers;
  readonly #asking = new Asking();
  readonly #partitions = new Map<string, Partition<CoalescedCall>>();
  readonly #due: DeadlineQueue<CoalescedCall>;
  readonly #clock: Clock;
  readonly #tunnels: Tunnels | undefined;

  constructor(shared: CoalesceShared, door: Door, channel: ByteChannel) {
    this.#shared = shared;
    this.#door = door;
    this.#channel = channel;
    this.#clock = detachedClock(shared.clock);
    this.#peers = new Peers(shared.clock, shared.random);
    this.#due = new DeadlineQueue(this.#clock, (call) => call.expire());
    // Told first, so that what its tunnels give back finds the endpoint forgotten.
    door.book?.onLost?.((address) => {
      this.#peers.forget(address);
      this.#asking.forget();
    });
    this.#tunnels = this.#makeTunnels();
  }

  #makeTunnels(): Tunnels | undefined {
    const { book, onClose, maxReplyBytes = MAX_REPLY_BYTES } = this.#door;
    const { tunnels, options, random, counts } = this.#shared;
    if (tunnels === 'never' || book === undefined || onClose === undefined) return undefined;
    const made = new Tunnels({
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
      fellBack: () => {
        counts.plain.fallback++;
      },
    });
    onClose(() => made.close());
    return made;
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
    const { keys, counts } = this.#shared;
    const { info } = call;
    const keyed = keys.of(info, call.sentMetadata);
    if (keyed === undefined) {
      counts.plain.key++;
      call.goAlone();
      return;
    }
    call.metadata = keyed.own;
    if (call.deadlineMs !== Number.POSITIVE_INFINITY) call.expiry ??= this.#due.add(call, call.deadlineMs);
    if (this.#tunnels?.take(call, info, keyed.key, () => keys.shared(call.sentMetadata)) === true) return;
    const partition = this.#partition(`${info.method}\n${keyed.key}`);
    if (partition === undefined) {
      counts.plain.key++;
      call.goAlone();
      return;
    }
    call.partition = partition;
    if (!partition.add(call)) {
      counts.plain['queue-full']++;
      call.goAlone();
    }
  }

  /** A call needs its timer no longer. */
  settled(call: CoalescedCall): void {
    if (call.expiry === undefined) return;
    this.#due.remove(call.expiry);
    call.expiry = undefined;
  }

  #partition(key: string): Partition<CoalescedCall> | undefined {
    let partition = this.#partitions.get(key);
    if (partition !== undefined) return partition;
    if (this.#partitions.size >= MAX_PARTITIONS && !this.#makeRoom()) return undefined;
    const made = new Partition<CoalescedCall>(this.#shared.options, this.#clock, (items, reason) => this.#send(made, items, reason));
    partition = made;
    this.#partitions.set(key, partition);
    return partition;
  }

  /** Lets idle queues go; the first found in map order are the oldest. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [key, partition] of this.#partitions) {
      if (partition.idle) {
        this.#partitions.delete(key);
        return true;
      }
      if (++looked >= 16) return false;
    }
    return false;
  }

  #send(partition: Partition<CoalescedCall>, items: CoalescedCall[], reason: FlushReason): void {
    const { counts } = this.#shared;
    counts.flushes[reason]++;
    const first = items[0] as CoalescedCall;
    if (items.length === 1) {
      first.leads = reason === 'lead';
      counts.plain.alone++;
      first.goAlone();
      return;
    }
    const endpoint = this.#door.book?.pick();
    const address = endpoint?.address ?? WHOLE_CHANNEL;
    const capability =
      this.#door.book !== undefined && endpoint === undefined ? undefined : this.#peers.capability(address, first.info.method);
    if (capability === undefined) {
      counts.plain.endpoint += items.length;
      // Each item is picked for anew; what was picked here must not turn them all away from it.
      endpoint?.unreserve();
      for (const item of items) item.goAlone();
      return;
    }
    if (items.length <= capability.maxItems) {
      this.#carry(partition, items, endpoint, address);
      return;
    }
    for (let from = 0; from < items.length; from += capability.maxItems) {
      this.#carry(partition, items.slice(from, from + capability.maxItems), endpoint, address);
    }
  }

  #carry(partition: Partition<CoalescedCall>, items: CoalescedCall[], endpoint: EndpointLoad | undefined, address: string): void {
    const { clock, counts, carrierSpan, keys } = this.#shared;
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
    const owner: CarrierOwner = {
      carrierAnswered: () => partition.carrierAnswered(),
      turnedAway: (forMs) => {
        counts.turnedAway++;
        this.#peers.deny(address, info.method, forMs);
        this.#asking.forget();
      },
      fellBack: () => {
        counts.plain.fallback++;
      },
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
    };
    const { maxReplyBytes = MAX_REPLY_BYTES } = this.#door;
    detached(() => carrier.send(this.#channel.open(carrierInfo), metadata, address, maxReplyBytes));
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
    tunnels: { opened: 0, open: 0, frames: 0, items: 0 },
  };
}

/** The same clock, whose callbacks belong to nobody's context. */
function detachedClock(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (fn, delayMs) => NOBODY.runInAsyncScope(() => clock.setTimer(fn, delayMs)),
    endOfTurn: (fn) => NOBODY.runInAsyncScope(clock.endOfTurn, clock, fn),
  };
}
