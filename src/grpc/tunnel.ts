/**
 * The client end of one tunnel: a long-lived stream to one endpoint that takes calls along and brings their answers.
 *
 * No item goes before the server's initial metadata is in: until then grpc-js keeps every message for a replay. Whatever
 * ends the stream, an item that never went is sent another way, and one that did is answered once.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointLoad } from '../balance/book.ts';
import type { FlushReason } from '../batch/partition.ts';
import { decodeReply, type ParsedReply, type WireResult } from '../batch/reply-codec.ts';
import { encodeFrame } from '../batch/request-codec.ts';
import { type FrameLimits, type TunnelItem, TunnelQueue } from '../batch/tunnel-queue.ts';
import { Code, isBusy } from '../call.ts';
import type { CancelTimer, Clock } from '../clock.ts';
import { REASON_KEY, UNPROCESSED_KEY } from '../errors.ts';
import { type AuthContext, type CallListener, type ClientCall, NO_CONTEXT } from './client-call.ts';
import { type CarriedItem, type Conveyor, guarded, isDropped, lostStatus, stampTimeouts, turnsAway } from './conveyor.ts';
import { CAPABILITY_KEY, DRAINING_REASON, WINDOW_KEY } from './metadata.ts';
import { NO_METADATA, SharedMetadata } from './shared-metadata.ts';

/** A call that may go through a tunnel. */
export interface TunneledItem extends CarriedItem, TunnelItem {
  id: number;
  timeoutUs: number;
  /** When it was taken, on `Clock.nowMs`. The tunnel's as long as it has it. */
  sentMs: number;
}

/** What a tunnel tells whoever opened it. */
export interface TunnelOwner {
  /** The server took it: items may go. */
  opened(): void;
  /** It never opened. `forMs`: how long the endpoint is to be spared, undefined for long. */
  refused(forMs: number | undefined): void;
  /** It takes no more items, by whoever's wish. */
  closing(): void;
  /** It is over. */
  ended(): void;
  /** These never went. */
  returned(items: readonly TunneledItem[]): void;
  /** An item goes out alone, for the server never ran it. */
  fellBack(item: TunneledItem): void;
  /** A message goes out. */
  sent(items: readonly TunneledItem[], reason: FlushReason): void;
  /** A result came for an item that had ended here. */
  late(): void;
}

/** An endpoint that does not answer a tunnel within this time may stand behind something that buffers streams. */
const OPEN_MS = 5_000;
/** How long an idle tunnel may take to end once its half is closed. */
const END_MS = 10_000;
/** Spares an endpoint that did not open in time, or broke while it did. */
const SPARED_MS = 60_000;

export class Tunnel implements CallListener, Conveyor {
  readonly form = 'tunnel';
  readonly endpoint: EndpointLoad;
  readonly #owner: TunnelOwner;
  readonly #clock: Clock;
  readonly #queue: TunnelQueue<TunneledItem>;
  #call: ClientCall | undefined;
  #headers: SharedMetadata = NO_METADATA;
  /** Goes with the first message. */
  #maxReplyBytes: number;
  #state: 'opening' | 'open' | 'draining' | 'over' = 'opening';
  #timer: CancelTimer | undefined;
  /** The item that is being queued: what goes out meanwhile does not wait for the end of the turn. */
  #taking: TunneledItem | undefined;
  readonly #maxItems: number;
  /** When an item was last taken or answered. */
  lastUsedMs: number;

  constructor(endpoint: EndpointLoad, limits: FrameLimits & { readonly maxReplyBytes: number }, clock: Clock, owner: TunnelOwner) {
    this.endpoint = endpoint;
    this.#maxReplyBytes = limits.maxReplyBytes;
    this.#maxItems = limits.maxItems;
    this.#clock = clock;
    this.#owner = owner;
    this.lastUsedMs = clock.nowMs();
    this.#queue = new TunnelQueue(limits, clock, (items, cancels) => this.#send(items, cancels));
  }

  /** Items that wait or are unanswered. */
  get load(): number {
    return this.#queue.load;
  }
  get takes(): boolean {
    return this.#state === 'open' && !this.#queue.spent;
  }
  get opening(): boolean {
    return this.#state === 'opening';
  }

  open(call: ClientCall, metadata: Metadata): void {
    this.#call = call;
    this.#timer = this.#clock.setTimer(
      () => this.#call?.cancelWithStatus(Code.CANCELLED, 'inmesh: the tunnel did not open in time'),
      OPEN_MS,
    );
    call.start(metadata, this);
    call.startRead();
  }

  /** False when there is no room. The item's load has been reserved at the endpoint. */
  take(item: TunneledItem, nowMs: number): boolean {
    if (this.#state !== 'open') return false;
    item.sentMs = nowMs;
    this.#taking = item;
    const taken = this.#queue.add(item);
    this.#taking = undefined;
    if (!taken) return false;
    this.lastUsedMs = nowMs;
    this.endpoint.started(1, nowMs);
    item.carriedBy(this, this.endpoint.address);
    return true;
  }

  gone(item: TunneledItem): void {
    if (this.#queue.remove(item) || this.#queue.cancel(item.id)) this.endpoint.ended(this.#clock.nowMs(), undefined, false);
  }

  /** Takes nothing more, and ends once everything is answered. */
  drain(): void {
    if (this.#state === 'opening') this.#call?.cancelWithStatus(Code.CANCELLED, 'inmesh: the tunnel is not needed');
    if (this.#state !== 'open') return;
    this.#queue.flush();
    this.#stop();
  }

  /** The connection is lost, or takes no new streams: what has not gone is sent another way. */
  lost(): void {
    if (this.#state !== 'open') return;
    this.#stop();
    this.#return(this.#clock.nowMs());
  }

  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (this.#state !== 'opening') return;
    const window = Number(metadata.get(WINDOW_KEY)[0]);
    if (!Number.isSafeInteger(window) || window < 1) {
      this.#call?.cancelWithStatus(Code.INTERNAL, 'inmesh: a tunnel without a window');
      return;
    }
    metadata.remove(WINDOW_KEY);
    metadata.remove(CAPABILITY_KEY);
    this.#headers = new SharedMetadata(metadata);
    this.#timer?.();
    this.#queue.open(window);
    this.#state = 'open';
    this.#owner.opened();
  }

  onReceiveMessage(message: unknown): void {
    if (message === null || this.#state === 'over') return;
    let reply: ParsedReply;
    try {
      reply = decodeReply(message as Buffer, this.#queue.load);
    } catch {
      this.#call?.cancelWithStatus(Code.INTERNAL, 'inmesh: malformed tunnel reply');
      return;
    }
    this.#call?.startRead();
    const nowMs = this.#clock.nowMs();
    this.lastUsedMs = nowMs;
    for (const result of reply.results) this.#settle(result, nowMs);
    if (reply.drain && this.#state === 'open') {
      this.#stop();
      this.#return(nowMs);
    }
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.#state === 'over') return;
    const { opening } = this;
    this.#state = 'over';
    this.#timer?.();
    const nowMs = this.#clock.nowMs();
    this.#return(nowMs);
    const { unanswered } = this.#queue.close();
    // A server ends a tunnel in peace only when it has answered all that it took.
    const never = status.code === Code.OK || status.metadata.get(UNPROCESSED_KEY).length > 0;
    const lost = lostStatus(status, this.endpoint.address);
    for (const item of unanswered) {
      this.endpoint.ended(nowMs, never ? undefined : nowMs - item.sentMs, !never);
      guarded(() => {
        if (never) this.#alone(item);
        else {
          item.wasSent();
          item.failed(lost);
        }
      });
    }
    this.#call = undefined;
    if (opening) this.#owner.refused(turnsAway(status.code) ? undefined : SPARED_MS);
    this.#owner.ended();
  }

  #send(items: readonly TunneledItem[], cancels: readonly number[]): void {
    if (this.#call === undefined) return;
    stampTimeouts(items, this.#clock.nowMs());
    if (items.length > 0) this.#owner.sent(items, this.#reason(items));
    const frame = encodeFrame(items, cancels, this.#maxReplyBytes);
    this.#maxReplyBytes = 0;
    this.#call.sendMessageWithContext(NO_CONTEXT, frame);
  }

  #reason(items: readonly TunneledItem[]): FlushReason {
    const last = items.at(-1);
    if (this.#taking === undefined) return 'tick';
    if (last !== this.#taking) return 'bytes';
    return items.length >= this.#maxItems ? 'full' : 'lead';
  }

  #settle(result: WireResult, nowMs: number): void {
    const item = this.#queue.settle(result.id);
    if (item === undefined) {
      // CANCELLED is the answer to a cancellation of ours, DEADLINE_EXCEEDED to a deadline that both sides kept.
      if (result.code !== Code.CANCELLED && result.code !== Code.DEADLINE_EXCEEDED) this.#owner.late();
      return;
    }
    const refused = result.code === Code.UNAVAILABLE && result.trailers?.[1] === DRAINING_REASON && result.trailers[0] === REASON_KEY;
    this.endpoint.ended(nowMs, refused ? undefined : nowMs - item.sentMs, isDropped(result.code) && !refused, isBusy(result.code));
    guarded(() => {
      if (refused) this.#alone(item);
      else {
        item.wasSent();
        item.answered(result, this.#headers);
      }
    });
  }

  #alone(item: TunneledItem): void {
    if (!item.live) return;
    this.#owner.fellBack(item);
    item.goAlone();
  }

  /** Gives back what has not gone. */
  #return(nowMs: number): void {
    const unsent = this.#queue.recall();
    if (unsent.length === 0) return;
    for (let i = 0; i < unsent.length; i++) this.endpoint.ended(nowMs, undefined, false);
    this.#owner.returned(unsent);
  }

  #stop(): void {
    this.#state = 'draining';
    this.#call?.halfClose();
    this.#owner.closing();
    this.#watch();
  }

  #watch(): void {
    this.#timer = this.#clock.setTimer(() => {
      if (this.#queue.load > 0) this.#watch();
      else this.#call?.cancelWithStatus(Code.CANCELLED, 'inmesh: the tunnel did not end');
    }, END_MS);
  }
}
