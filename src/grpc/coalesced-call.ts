/**
 * A unary call that may travel in a batch: an item of an envelope or a tunnel, or a plain call.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { Entries } from '../batch/entries.ts';
import type { WireResult } from '../batch/reply-codec.ts';
import { Code } from '../call.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { CallRecord } from '../observe/call-record.ts';
import type { CallStory } from '../observe/story.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall } from './client-call.ts';
import type { CoalesceWatch, WatchedItem } from './coalesce-watch.ts';
import type { Conveyor } from './conveyor.ts';
import { addEntries } from './metadata.ts';
import { plainStatus } from './refuse.ts';
import { NO_METADATA, type SharedMetadata } from './shared-metadata.ts';
import type { TunneledItem } from './tunnel.ts';
import { WaitingCall } from './waiting-call.ts';

/** What a call needs of the coalescer of its channel. */
export interface CoalescerHome {
  /** A whole request is here. */
  enqueue(call: CoalescedCall): void;
  /** The plain call, bytes in, bytes out. */
  open(info: CallInfo): ClientCall;
  /** Makes a plain call ask its server whether it takes batches. */
  asksForCapability(metadata: Metadata): void;
  /** A plain call has ended: its trailers may say what its server can do. */
  learn(info: CallInfo, status: StatusObject): void;
  /** Hears what becomes of calls. */
  readonly watch: CoalesceWatch;
  readonly deadlines: DeadlineQueue<WaitingCall>;
}

export class CoalescedCall extends WaitingCall implements CallListener, TunneledItem {
  readonly #coalescer: CoalescerHome;
  #conveyor: Conveyor | undefined;
  #peer = '';
  // As an item:
  timeoutUs = 0;
  id = 0;
  sentMs = 0;
  outBy: WatchedItem['outBy'] = undefined;
  outMs = 0;
  metadata: Entries | undefined = undefined;

  constructor(coalescer: CoalescerHome, info: CallInfo) {
    super(info);
    this.#coalescer = coalescer;
  }

  get path(): string {
    return this.info.method;
  }
  get record(): CallRecord | undefined {
    return this.info.record;
  }

  get story(): CallStory | undefined {
    return this.info.story;
  }

  protected override get deadlines(): DeadlineQueue<WaitingCall> {
    return this.#coalescer.deadlines;
  }
  protected override enqueue(): void {
    this.#coalescer.enqueue(this);
  }
  protected override quit(): void {
    const conveyor = this.#conveyor;
    this.#conveyor = undefined;
    conveyor?.gone(this);
  }
  protected override lateReason(waited: boolean): string {
    return waited ? 'client.coalesce/deadline-in-queue' : 'client.coalesce/deadline';
  }
  override expire(): void {
    // It is out: the endpoint took too long.
    if (this.live && this.#conveyor !== undefined) this.info.door.book?.timedOut?.(this.#peer);
    super.expire();
  }
  protected override openPlain(): ClientCall {
    this.#conveyor = undefined;
    if (this.info.story !== undefined) this.info.story.ride = 'plain';
    this.#coalescer.asksForCapability(this.sentMetadata);
    return this.#coalescer.open(this.info);
  }
  protected override plainEnded(status: StatusObject): void {
    this.#coalescer.learn(this.info, status);
  }

  carriedBy(conveyor: Conveyor, peer: string): void {
    this.#conveyor = conveyor;
    this.#peer = peer;
    if (this.info.attempt !== undefined) this.info.attempt.picked = peer;
  }
  wasSent(): void {
    if (this.info.attempt !== undefined) this.info.attempt.started = true;
  }
  answered(result: WireResult, carrierHeaders: SharedMetadata): void {
    if (!this.finish()) return;
    this.#conveyor = undefined;
    if (this.outBy !== undefined) this.#coalescer.watch.answered(this);
    const { upper } = this;
    const told = readMetadata(result, carrierHeaders);
    if (told === undefined) {
      upper.onReceiveStatus(plainStatus(Code.INTERNAL, 'inmesh: a result with malformed metadata'));
      return;
    }
    if (told.headers !== undefined) upper.onReceiveMetadata(told.headers);
    const { code, details, response } = result;
    if (response !== undefined && code === Code.OK) {
      const decoded = this.decode(response);
      if ('broken' in decoded) {
        upper.onReceiveStatus(plainStatus(Code.INTERNAL, decoded.broken));
        return;
      }
      upper.onReceiveMessage(decoded.message);
    }
    upper.onReceiveStatus({ code, details: code === Code.OK && details === '' ? 'OK' : details, metadata: told.trailers });
  }
  failed(status: StatusObject): void {
    if (!this.finish()) return;
    if (this.#conveyor !== undefined) this.#coalescer.watch.ambiguous(this.path, this.#conveyor.form);
    this.#conveyor = undefined;
    this.upper.onReceiveStatus({ code: status.code, details: status.details, metadata: status.metadata.clone() });
  }

  override getPeer(): string {
    return this.lower?.getPeer() ?? (this.#peer === '' ? this.info.door.target : this.#peer);
  }
  override getAuthContext(): AuthContext | null {
    return this.lower?.getAuthContext() ?? this.#conveyor?.getAuthContext() ?? null;
  }
}

/** What a plain call would have been told. Undefined: a server sent what can't be metadata; the call ends all the same. */
function readMetadata(
  result: WireResult,
  carrierHeaders: SharedMetadata,
): { readonly headers: Metadata | undefined; readonly trailers: Metadata } | undefined {
  try {
    const { code } = result;
    let trailers: Metadata = NO_METADATA;
    if (code !== Code.OK || result.trailers !== undefined) {
      trailers = new Metadata();
      addEntries(trailers, result.trailers);
    }
    if (result.headers !== undefined) {
      const headers = carrierHeaders.clone();
      addEntries(headers, result.headers);
      return { headers, trailers };
    }
    // An error without headers of its own comes as trailers only.
    return { headers: code === Code.OK ? carrierHeaders : undefined, trailers };
  } catch {
    return undefined;
  }
}
