/**
 * A unary call that may become an item of its service's own batch method.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import type { ItemError } from '../batch/native/item.ts';
import type { NativePlan } from '../batch/native/plan.ts';
import { type Lifted, NOT_LIFTED } from '../batch/native/request.ts';
import { Code } from '../call.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall, NextClientCall } from './client-call.ts';
import { plainStatus } from './refuse.ts';
import type { SharedMetadata } from './shared-metadata.ts';
import { WaitingCall } from './waiting-call.ts';

/** What a call needs of whoever merges the calls of its channel. */
export interface NativeHome {
  /** A whole request is here. */
  enqueue(call: NativeCall): void;
  /** The plain call, bytes in, bytes out. */
  open(call: NativeCall): ClientCall;
  readonly deadlines: DeadlineQueue<WaitingCall>;
}

/** The batch that a call is in. */
export interface NativeCarrier {
  /** The call has ended on this side. */
  gone(place: number): void;
  getPeer(): string | undefined;
  getAuthContext(): AuthContext | null;
}

/** Calls that went alone because their batch was refused: whether they all fare better says what the refusal meant. */
export interface Fallback {
  /** One of them has ended. */
  ended(code: number): void;
}

/** Where gRPC carries a `google.rpc.Status` with more than code and message. */
const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

export class NativeCall extends WaitingCall implements CallListener {
  readonly plan: NativePlan;
  /** What is below; given by the stack. */
  readonly next: NextClientCall;
  readonly #home: NativeHome;
  #carrier: NativeCarrier | undefined;
  lifted: Lifted = NOT_LIFTED;
  place = 0;
  /** When it was queued, on the clock; 0: it was not. */
  queuedAtMs = 0;
  fallback: Fallback | undefined = undefined;

  constructor(home: NativeHome, plan: NativePlan, info: CallInfo, next: NextClientCall) {
    super(info);
    this.#home = home;
    this.plan = plan;
    this.next = next;
  }

  protected override get deadlines(): DeadlineQueue<WaitingCall> {
    return this.#home.deadlines;
  }
  protected override enqueue(): void {
    this.#home.enqueue(this);
  }
  protected override quit(): void {
    const carrier = this.#carrier;
    this.#carrier = undefined;
    carrier?.gone(this.place);
  }
  protected override lateReason(): string {
    return 'client.native/deadline';
  }
  protected override openPlain(): ClientCall {
    this.#carrier = undefined;
    if (this.info.story !== undefined) this.info.story.ride = 'plain';
    return this.#home.open(this);
  }
  protected override plainEnded({ code }: StatusObject): void {
    this.fallback?.ended(code);
  }

  /** It has left the queue. */
  left(nowMs: number): void {
    if (this.queuedAtMs > 0) this.info.story?.waited(this.queuedAtMs, nowMs);
    this.queuedAtMs = 0;
  }
  /** It is in a batch now. */
  carriedBy(carrier: NativeCarrier, place: number): void {
    this.#carrier = carrier;
    this.place = place;
    if (this.info.story !== undefined) this.info.story.ride = 'native';
  }
  /** It may have reached `peer`. */
  wasSent(peer: string): void {
    if (this.info.attempt === undefined) return;
    this.info.attempt.started = true;
    this.info.attempt.picked = peer;
  }
  /** Its answer. `headers`, `trailers`: those of the batch. */
  answered(response: Buffer, headers: SharedMetadata, trailers: SharedMetadata): void {
    const decoded = this.decode(response);
    if ('broken' in decoded) {
      this.failed(plainStatus(Code.INTERNAL, decoded.broken));
      return;
    }
    if (!this.finish()) return;
    this.#carrier = undefined;
    this.upper.onReceiveMetadata(headers);
    this.upper.onReceiveMessage(decoded.message);
    this.upper.onReceiveStatus({ code: Code.OK, details: 'OK', metadata: trailers });
  }
  /** Its own error, as the service declared it. */
  refused({ code, details, bytes }: ItemError): void {
    const status = plainStatus(code, details);
    if (bytes !== undefined) status.metadata.set(STATUS_DETAILS_KEY, Buffer.from(bytes));
    this.failed(status);
  }
  failed(status: StatusObject): void {
    if (!this.finish()) return;
    this.#carrier = undefined;
    this.upper.onReceiveStatus(status);
  }

  override getPeer(): string {
    return this.lower?.getPeer() ?? this.#carrier?.getPeer() ?? (this.info.attempt?.picked || this.info.door.target);
  }
  override getAuthContext(): AuthContext | null {
    return this.lower?.getAuthContext() ?? this.#carrier?.getAuthContext() ?? null;
  }
}
