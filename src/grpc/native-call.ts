/**
 * A unary call that may become an item of its service's own batch method: it waits for its turn as bytes, then goes in a
 * batch or alone.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { ItemError } from '../batch/native/item.ts';
import type { NativePlan } from '../batch/native/plan.ts';
import type { Lifted } from '../batch/native/request.ts';
import type { Partition, QueueItem } from '../batch/partition.ts';
import { Code } from '../call.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { REASON_KEY } from '../errors.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall, MessageContext, NextClientCall } from './client-call.ts';
import { endSoon, plainStatus } from './refuse.ts';
import type { SharedMetadata } from './shared-metadata.ts';

/** What a call needs of whoever merges the calls of its channel. */
export interface NativeHome {
  /** A whole request is here. */
  enqueue(call: NativeCall): void;
  /** The call needs its timer no longer. */
  settled(call: NativeCall): void;
  /** The plain call, bytes in, bytes out. */
  open(call: NativeCall): ClientCall;
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

const EMPTY: Buffer = Buffer.alloc(0);
/** Where gRPC carries a `google.rpc.Status` with more than code and message. */
const STATUS_DETAILS_KEY = 'grpc-status-details-bin';
const LATE = 'client.native/deadline';

export class NativeCall implements ClientCall, CallListener, QueueItem {
  readonly plan: NativePlan;
  readonly info: CallInfo;
  /** What is below; given by the stack. */
  readonly next: NextClientCall;
  readonly #home: NativeHome;
  #upper!: CallListener;
  #sent: Metadata | undefined;
  #request: Buffer = EMPTY;
  #messages = 0;
  #lower: ClientCall | undefined;
  #carrier: NativeCarrier | undefined;
  #ended = false;
  // As an item:
  slot = -1;
  size = 0;
  lifted: Lifted = { element: EMPTY, key: '', group: EMPTY };
  place = 0;
  partition: Partition<NativeCall> | undefined = undefined;
  expiry: DeadlineHandle<NativeCall> | undefined = undefined;
  /** Went ahead without waiting for company. */
  leads = false;
  fallback: Fallback | undefined = undefined;

  constructor(home: NativeHome, plan: NativePlan, info: CallInfo, next: NextClientCall) {
    this.#home = home;
    this.plan = plan;
    this.info = info;
    this.next = next;
  }

  get request(): Buffer {
    return this.#request;
  }
  get deadlineMs(): number {
    return this.info.deadlineMs;
  }
  get live(): boolean {
    return !this.#ended;
  }
  /** The metadata the call was started with. Ours to change: retry cloned it. */
  get sentMetadata(): Metadata {
    this.#sent ??= new Metadata();
    return this.#sent;
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#sent = this.info.attempt === undefined ? metadata.clone() : metadata;
    this.#upper = listener;
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    if (this.#ended) return;
    this.#messages++;
    const { definition } = this.info;
    let bytes: Buffer;
    try {
      // At once: the app may change its object as soon as this returns.
      bytes = definition === undefined ? (message as Buffer) : definition.requestSerialize(message);
    } catch (error) {
      this.cancelWithStatus(Code.INTERNAL, `Request message serialization failure: ${messageOf(error)}`);
      return;
    }
    if (this.#messages > 1) {
      this.#openAlone(); // not unary after all: what is below says so
      (this.#lower as ClientCall | undefined)?.sendMessageWithContext(context, bytes);
      return;
    }
    this.#request = bytes;
    this.size = bytes.length;
    if (context.callback !== undefined) process.nextTick(context.callback);
  }
  startRead(): void {} // the one answer is asked for in any case
  halfClose(): void {
    if (this.#ended) return;
    if (this.#lower === undefined && this.#messages === 1) this.#home.enqueue(this);
    else this.#alone();
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#lower !== undefined) {
      this.#lower.cancelWithStatus(code, details);
      return;
    }
    if (!this.#finish()) return;
    this.#leave();
    endSoon(this.#upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  /** The call's own time is over, whatever its batch does. */
  expire(): void {
    if (!this.#finish()) return;
    this.#leave();
    const status = plainStatus(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
    status.metadata.set(REASON_KEY, LATE);
    this.#upper.onReceiveStatus(status);
  }

  #leave(): void {
    this.partition?.remove(this);
    const carrier = this.#carrier;
    this.#carrier = undefined;
    carrier?.gone(this.place);
  }
  /** True once: the call has not ended before. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#request = EMPTY;
    this.#home.settled(this);
    return true;
  }

  /** It is in a batch now. */
  carriedBy(carrier: NativeCarrier, place: number): void {
    this.#carrier = carrier;
    this.place = place;
  }
  /** It may have reached `peer`. */
  wasSent(peer: string): void {
    if (this.info.attempt === undefined) return;
    this.info.attempt.started = true;
    this.info.attempt.picked = peer;
  }
  /** Its answer. `headers`, `trailers`: those of the batch. */
  answered(response: Buffer, headers: SharedMetadata, trailers: SharedMetadata): void {
    const { definition } = this.info;
    let message: unknown = response;
    try {
      if (definition !== undefined) message = definition.responseDeserialize(response);
    } catch (error) {
      this.failed(plainStatus(Code.INTERNAL, `Response message parsing error: ${messageOf(error)}`));
      return;
    }
    if (!this.#finish()) return;
    this.#carrier = undefined;
    this.#upper.onReceiveMetadata(headers);
    this.#upper.onReceiveMessage(message);
    this.#upper.onReceiveStatus({ code: Code.OK, details: 'OK', metadata: trailers });
  }
  /** Its own error, as the service declared it. */
  refused({ code, details, bytes }: ItemError): void {
    const status = plainStatus(code, details);
    if (bytes !== undefined) status.metadata.set(STATUS_DETAILS_KEY, Buffer.from(bytes));
    this.failed(status);
  }
  failed(status: StatusObject): void {
    if (!this.#finish()) return;
    this.#carrier = undefined;
    this.#upper.onReceiveStatus(status);
  }

  /** Goes out as a plain call. */
  goAlone(): void {
    this.#carrier = undefined;
    this.info.scope.runInAsyncScope(this.#alone, this);
  }
  #alone(): void {
    if (this.#ended) return;
    this.#openAlone();
    this.#lower?.halfClose();
  }
  #openAlone(): void {
    if (this.#ended || this.#lower !== undefined) return;
    const lower = this.#home.open(this);
    this.#lower = lower;
    this.#home.settled(this); // grpc-js's own deadline takes over
    lower.start(this.sentMetadata, this);
    lower.startRead();
    if (this.#messages > 0) lower.sendMessageWithContext({}, this.#request);
    this.#request = EMPTY;
  }

  // As the listener of its plain call:
  onReceiveMetadata(metadata: Metadata): void {
    this.#upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    const { definition } = this.info;
    let decoded = message;
    try {
      if (definition !== undefined && message !== null) decoded = definition.responseDeserialize(message as Buffer);
    } catch (error) {
      this.#lower?.cancelWithStatus(Code.INTERNAL, `Response message parsing error: ${messageOf(error)}`);
      return;
    }
    this.#upper.onReceiveMessage(decoded);
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.leads) this.partition?.leadEnded();
    this.fallback?.ended(status.code);
    this.#upper.onReceiveStatus(status);
  }

  getPeer(): string {
    return this.#lower?.getPeer() ?? this.#carrier?.getPeer() ?? this.info.door.target;
  }
  getAuthContext(): AuthContext | null {
    return this.#lower?.getAuthContext() ?? this.#carrier?.getAuthContext() ?? null;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
