/**
 * The tunnels of one channel: opened where they pay, shared by calls that may share a carrier, and let go when they idle,
 * age, or lose their connection.
 *
 * An endpoint is chosen for each call, as for any plain one, so a burst spreads over the endpoints; only then is asked
 * whether there is a tunnel to it. Until one is open, and where none can be, calls go by envelope or alone.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import type { EndpointBook, EndpointLoad } from '../balance/book.ts';
import type { FlushReason } from '../batch/partition.ts';
import type { Peers } from '../batch/peers.ts';
import type { FrameLimits } from '../batch/tunnel-queue.ts';
import type { TunnelTimes } from '../batch/tunnel-rule.ts';
import type { CancelTimer, Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { attemptContext, type ByteChannel, type CallInfo } from './client-call.ts';
import { withAttempt } from './lb-policy.ts';
import { TUNNEL_PATH } from './metadata.ts';
import { Tunnel, type TunneledItem } from './tunnel.ts';

/** Counts of one mesh. */
export interface TunnelCounts {
  /** Tunnels opened, and those open now. */
  opened: number;
  open: number;
  /** Messages sent, and items in them. */
  frames: number;
  items: number;
}

/** What tunnels need of the coalescer of their channel. */
export interface TunnelsHome {
  readonly clock: Clock;
  readonly random: Random;
  readonly counts: TunnelCounts;
  readonly peers: Peers;
  readonly book: EndpointBook;
  readonly channel: ByteChannel;
  readonly times: TunnelTimes;
  /** With the most bytes of a message that the client takes. */
  readonly limits: FrameLimits & { readonly maxReplyBytes: number };
  /** Runs outside every caller's context. */
  readonly detached: (fn: () => void) => void;
  /** These never went: they are queued again. */
  again(items: readonly TunneledItem[]): void;
  fellBack(item: TunneledItem): void;
  /** A message goes out. */
  sent(items: readonly TunneledItem[], reason: FlushReason): void;
  /** A result came for an item that had ended here. */
  late(): void;
}

const DEMAND_MS = 1_000;
/** A tunnel with so many unanswered items gets a second one beside it. */
const BUSY = 64;
const PER_ENDPOINT = 2;
/** Each is a stream of an HTTP/2 connection. */
const PER_CHANNEL = 128;
/** Keys watched; past that the oldest idle ones go. */
const MAX_KEYS = 1024;
const SWEEP_MS = 250;
/** Rotated after this time, and up to a tenth more. */
const MAX_AGE_MS = 1_800_000;
/** Bigger requests would hold others up. */
const MAX_ITEM_BYTES = 65_536;

/** Tunnels for calls with one key. */
interface Lane {
  readonly key: string;
  readonly byAddress: Map<string, Tunnel[]>;
  demand: number;
  sinceMs: number;
}

export class Tunnels {
  readonly #home: TunnelsHome;
  readonly #lanes = new Map<string, Lane>();
  /** Streams, those that open and those that end included. */
  #streams = 0;
  /** Tunnels that the server took and that are not over. */
  open = 0;
  #sweep: CancelTimer | undefined;
  #closed = false;
  readonly #unwatch: (() => void) | undefined;

  constructor(home: TunnelsHome) {
    this.#home = home;
    this.#unwatch = home.book.onLost?.((address) => this.#lost(address));
  }

  /** True when a tunnel took the item. `shared` makes the metadata of a new tunnel. */
  take(item: TunneledItem, info: CallInfo, key: string, shared: () => Metadata): boolean {
    const { peers, book, clock } = this.#home;
    if (!peers.anyTunnels || info.credentials !== undefined || item.size > MAX_ITEM_BYTES) return false;
    const lane = this.#lanes.get(key) ?? this.#newLane(key);
    if (lane === undefined) return false;
    const endpoint = book.pick(undefined, 1, true);
    if (endpoint === undefined) return false;
    const nowMs = clock.nowMs();
    const tunnels = lane.byAddress.get(endpoint.address);
    const tunnel = tunnels === undefined ? undefined : leastLoaded(tunnels);
    if (tunnel?.take(item, nowMs) === true) {
      if (tunnel.load === BUSY && tunnels !== undefined && tunnels.length < PER_ENDPOINT) this.#start(lane, endpoint, info, shared());
      return true;
    }
    endpoint.unreserve();
    if (tunnel === undefined && this.#wanted(lane, nowMs) && this.#canOpen(tunnels, endpoint)) this.#start(lane, endpoint, info, shared());
    return false;
  }

  /** Ends all tunnels in peace, and opens none any more. */
  close(): void {
    this.#closed = true;
    for (const tunnel of this.#all()) tunnel.drain();
    if (this.#streams === 0) this.#unwatch?.();
  }

  /** The tunnels that take calls or are about to. */
  get loads(): { readonly address: string; readonly load: number }[] {
    return this.#all().map(({ endpoint: { address }, load }) => ({ address, load }));
  }

  #newLane(key: string): Lane | undefined {
    if (this.#lanes.size >= MAX_KEYS) this.#forgetIdleLanes();
    if (this.#lanes.size >= MAX_KEYS) return undefined;
    const lane: Lane = { key, byAddress: new Map(), demand: 0, sinceMs: this.#home.clock.nowMs() };
    this.#lanes.set(key, lane);
    return lane;
  }

  #forgetIdleLanes(): void {
    for (const lane of this.#lanes.values()) if (lane.byAddress.size === 0) this.#lanes.delete(lane.key);
  }

  #wanted(lane: Lane, nowMs: number): boolean {
    if (nowMs - lane.sinceMs > DEMAND_MS) {
      lane.sinceMs = nowMs;
      lane.demand = 0;
    }
    lane.demand++;
    return lane.demand >= this.#home.times.demand;
  }

  #canOpen(tunnels: readonly Tunnel[] | undefined, endpoint: EndpointLoad): boolean {
    if (this.#closed || this.#streams >= PER_CHANNEL || (tunnels?.length ?? 0) >= PER_ENDPOINT) return false;
    if (tunnels?.some((tunnel) => tunnel.opening) === true) return false;
    return this.#home.peers.capability(endpoint.address, TUNNEL_PATH)?.tunnels === true;
  }

  #start(lane: Lane, endpoint: EndpointLoad, info: CallInfo, metadata: Metadata): void {
    const { clock, counts, peers, channel, limits, random, detached } = this.#home;
    const { address } = endpoint;
    if (this.#closed || this.#streams >= PER_CHANNEL) return;
    let rotate: CancelTimer | undefined;
    const tunnel: Tunnel = new Tunnel(endpoint, limits, clock, {
      opened: () => {
        counts.opened++;
        counts.open++;
        this.open++;
        if (this.#closed) tunnel.drain();
        rotate = clock.setTimer(() => tunnel.drain(), MAX_AGE_MS * (1 + 0.1 * random()));
        this.#watchIdle();
      },
      refused: (forMs) => peers.deny(address, TUNNEL_PATH, forMs),
      closing: () => this.#remove(lane, tunnel),
      ended: () => {
        rotate?.();
        if (rotate !== undefined) {
          counts.open--;
          this.open--;
        }
        this.#streams--;
        if (this.#closed && this.#streams === 0) this.#unwatch?.();
        this.#remove(lane, tunnel);
      },
      returned: (items) => this.#home.again(items),
      fellBack: (item) => this.#home.fellBack(item),
      sent: (items, reason) => {
        counts.frames++;
        counts.items += items.length;
        this.#home.sent(items, reason);
      },
      late: () => this.#home.late(),
    });
    this.#streams++;
    const beside = lane.byAddress.get(address);
    if (beside === undefined) lane.byAddress.set(address, [tunnel]);
    else beside.push(tunnel);
    const context = attemptContext({ pin: address, counted: true, streaming: true });
    withAttempt(metadata, context);
    const call: CallInfo = {
      ...info,
      method: TUNNEL_PATH,
      kind: 'bidi',
      deadlineMs: Number.POSITIVE_INFINITY,
      parent: undefined,
      options: undefined,
      definition: undefined,
      attempt: context,
      record: undefined,
      story: undefined,
    };
    detached(() => tunnel.open(channel.open(call), metadata));
  }

  #remove(lane: Lane, tunnel: Tunnel): void {
    const { address } = tunnel.endpoint;
    const left = lane.byAddress.get(address)?.filter((other) => other !== tunnel) ?? [];
    if (left.length > 0) lane.byAddress.set(address, left);
    else lane.byAddress.delete(address);
  }

  /** The connection is lost or takes no more streams (GOAWAY): what is on it may finish, nothing is added. */
  #lost(address: string): void {
    for (const tunnel of this.#all()) if (tunnel.endpoint.address === address) tunnel.lost();
  }

  #watchIdle(): void {
    this.#sweep ??= this.#home.clock.setTimer(() => {
      this.#sweep = undefined;
      const idleSinceMs = this.#home.clock.nowMs() - this.#home.times.idleMs;
      for (const tunnel of this.#all()) if (tunnel.load === 0 && tunnel.lastUsedMs <= idleSinceMs) tunnel.drain();
      if (this.#all().length > 0) this.#watchIdle();
    }, SWEEP_MS);
  }

  /** A copy: draining takes them out. */
  #all(): readonly Tunnel[] {
    return [...this.#lanes.values()].flatMap((lane) => [...lane.byAddress.values()].flat());
  }
}

function leastLoaded(tunnels: readonly Tunnel[]): Tunnel | undefined {
  let best: Tunnel | undefined;
  for (const tunnel of tunnels) if (tunnel.takes && (best === undefined || tunnel.load < best.load)) best = tunnel;
  return best;
}
