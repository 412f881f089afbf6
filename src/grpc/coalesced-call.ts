/**
 * A unary call that may travel in a batch: it waits for its turn as bytes, then becomes an item of a carrier or goes alone.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { WireResult } from '../batch/codec.ts';
import type { Entries } from '../batch/entries.ts';
import type { Partition, QueueItem } from '../batch/partition.ts';
import { Code } from '../call.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { REASON_KEY } from '../errors.ts';
import type { CallRecord } from '../observe/call-record.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall, MessageContext, MethodDefinition } from './client-call.ts';
import type { CoalesceWatch, WatchedItem } from './coalesce-watch.ts';
import type { Conveyor } from './conveyor.ts';
import { addEntries } from './metadata.ts';
import { endSoon, plainStatus } from './refuse.ts';
import { NO_METADATA, type SharedMetadata } from './shared-metadata.ts';
import type { TunneledItem } from './tunnel.ts';

/** What a call needs of the coalescer of its channel. */
export interface CoalescerHome {
  /** A whole request is here. */
  enqueue(call: CoalescedCall): void;
  /** The call needs its timer no longer. */
  settled(call: CoalescedCall): void;
  /** The plain call, bytes in, bytes out. */
  open(info: CallInfo): ClientCall;
  /** Makes a plain call ask its server whether it takes batches. */
  asksForCapability(metadata: Metadata): void;
  /** A plain call has ended: its trailers may say what its server can do. */
  learn(info: CallInfo, status: StatusObject): void;
  /** Hears what becomes of calls. */
  readonly watch: CoalesceWatch;
}

const EMPTY: Buffer = Buffer.alloc(0);

export class CoalescedCall implements ClientCall, CallListener, TunneledItem, QueueItem {
  readonly info: CallInfo;
  readonly #coalescer: CoalescerHome;
  #upper!: CallListener;
  #sent: Metadata | undefined;
  #request: Buffer = EMPTY;
  #messages = 0;
  #reads = 0;
  /** The first operation after `start` was a read: the response is unary (what grpc-js's clients do). */
  #readFirst = false;
  #lower: ClientCall | undefined;
  #conveyor: Conveyor | undefined;
  #peer = '';
  #ended = false;
  // As an item:
  slot = -1;
  size = 0;
  timeoutUs = 0;
  id = 0;
  sentMs = 0;
  outBy: WatchedItem['outBy'] = undefined;
  outMs = 0;
  metadata: Entries | undefined = undefined;
  partition: Partition<CoalescedCall> | undefined = undefined;
  expiry: DeadlineHandle<CoalescedCall> | undefined = undefined;
  /** Went ahead without waiting for company. */
  leads = false;

  constructor(coalescer: CoalescerHome, info: CallInfo) {
    this.#coalescer = coalescer;
    this.info = info;
  }

  get path(): string {
    return this.info.method;
  }
  get deadlineMs(): number {
    return this.info.deadlineMs;
  }
  get request(): Buffer {
    return this.#request;
  }
  get live(): boolean {
    return !this.#ended;
  }
  get record(): CallRecord | undefined {
    return this.info.record;
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
    if (this.#lower !== undefined) {
      this.#lower.sendMessageWithContext(context, bytes);
    } else if (this.#messages > 1) {
      // Not unary after all (a kind that nobody told): from here on it is a plain call.
      this.#openAlone();
      (this.#lower as ClientCall | undefined)?.sendMessageWithContext(context, bytes);
    } else {
      this.#request = bytes;
      this.size = bytes.length;
      if (context.callback !== undefined) process.nextTick(context.callback);
    }
  }
  startRead(): void {
    if (this.#lower !== undefined) {
      this.#lower.startRead();
      return;
    }
    this.#reads++;
    if (this.#messages === 0) this.#readFirst = true;
  }
  halfClose(): void {
    if (this.#ended) return;
    if (this.#lower !== undefined) this.#lower.halfClose();
    else if (this.#messages !== 1 || (this.info.kind === undefined && !this.#readFirst)) {
      this.#openAlone();
      (this.#lower as ClientCall | undefined)?.halfClose();
    } else this.#coalescer.enqueue(this);
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#lower !== undefined) {
      this.#lower.cancelWithStatus(code, details);
      return;
    }
    if (!this.#finish()) return;
    this.partition?.remove(this);
    this.#leaveConveyor();
    endSoon(this.#upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  /** The call's own time is over, whatever its carrier does. */
  expire(): void {
    if (!this.#finish()) return;
    const waited = this.partition?.remove(this) === true ? 'client.coalesce/deadline-in-queue' : 'client.coalesce/deadline';
    this.#leaveConveyor();
    const status = plainStatus(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
    status.metadata.set(REASON_KEY, waited);
    this.#upper.onReceiveStatus(status);
  }

  #leaveConveyor(): void {
    const conveyor = this.#conveyor;
    this.#conveyor = undefined;
    conveyor?.gone(this);
  }

  /** True once: the call has not ended before. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#request = EMPTY;
    this.#coalescer.settled(this);
    return true;
  }

  carriedBy(conveyor: Conveyor, peer: string): void {
    this.#conveyor = conveyor;
    this.#peer = peer;
  }
  wasSent(): void {
    if (this.info.attempt !== undefined) {
      this.info.attempt.started = true;
      this.info.attempt.picked = this.#peer;
    }
  }
  answered(result: WireResult, carrierHeaders: SharedMetadata): void {
    if (!this.#finish()) return;
    this.#conveyor = undefined;
    if (this.outBy !== undefined) this.#coalescer.watch.answered(this);
    const upper = this.#upper;
    const answer = readAnswer(result, carrierHeaders, this.info.definition);
    if (answer.headers !== undefined) upper.onReceiveMetadata(answer.headers);
    if (answer.hasMessage) upper.onReceiveMessage(answer.message);
    upper.onReceiveStatus(answer.status);
  }
  failed(status: StatusObject): void {
    if (!this.#finish()) return;
    if (this.#conveyor !== undefined) this.#coalescer.watch.ambiguous(this.path, this.#conveyor.form);
    this.#conveyor = undefined;
    this.#upper.onReceiveStatus({ code: status.code, details: status.details, metadata: status.metadata.clone() });
  }

  /** Goes out as a plain call. */
  goAlone(): void {
    this.#conveyor = undefined;
    this.info.scope.runInAsyncScope(this.#alone, this);
  }
  #alone(): void {
    if (this.#ended) return;
    this.#openAlone();
    this.#lower?.halfClose();
  }
  #openAlone(): void {
    if (this.#ended || this.#lower !== undefined) return;
    const lower = this.#coalescer.open(this.info);
    this.#lower = lower;
    this.#coalescer.settled(this); // grpc-js's own deadline takes over
    this.#coalescer.asksForCapability(this.sentMetadata);
    lower.start(this.sentMetadata, this);
    // At the interceptor door nobody else asks for the one answer.
    for (let reads = this.info.kind === 'unary' ? 1 : this.#reads; reads > 0; reads--) lower.startRead();
    if (this.#messages > 0) lower.sendMessageWithContext({}, this.#request);
    this.#request = EMPTY;
  }

  // As the listener of its plain call:
  onReceiveMetadata(metadata: Metadata): void {
    this.#upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    const { definition } = this.info;
    if (definition === undefined) {
      this.#upper.onReceiveMessage(message);
      return;
    }
    let decoded: unknown;
    try {
      decoded = definition.responseDeserialize(message as Buffer);
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
    this.#coalescer.learn(this.info, status);
    this.#upper.onReceiveStatus(status);
  }

  getPeer(): string {
    return this.#lower?.getPeer() ?? (this.#peer === '' ? this.info.door.target : this.#peer);
  }
  getAuthContext(): AuthContext | null {
    return this.#lower?.getAuthContext() ?? this.#conveyor?.getAuthContext() ?? null;
  }
}

interface Answer {
  readonly headers: Metadata | undefined;
  readonly hasMessage: boolean;
  readonly message: unknown;
  readonly status: StatusObject;
}

/** What a plain call would have been told. Never throws: whatever a server sends, the call ends. */
function readAnswer(result: WireResult, carrierHeaders: SharedMetadata, definition: MethodDefinition | undefined): Answer {
  const { code, details, response } = result;
  try {
    let trailers: Metadata = NO_METADATA;
    if (code !== Code.OK || result.trailers !== undefined) {
      trailers = new Metadata();
      addEntries(trailers, result.trailers);
    }
    // An error without headers of its own comes as trailers only.
    let headers: Metadata | undefined;
    if (result.headers !== undefined) {
      headers = carrierHeaders.clone();
      addEntries(headers, result.headers);
    } else if (code === Code.OK) headers = carrierHeaders;
    const status = { code, details: code === Code.OK && details === '' ? 'OK' : details, metadata: trailers };
    const hasMessage = response !== undefined && code === Code.OK;
    let message: unknown = response;
    if (hasMessage && definition !== undefined) {
      try {
        message = definition.responseDeserialize(response);
      } catch (error) {
        return {
          headers,
          hasMessage: false,
          message: undefined,
          status: plainStatus(Code.INTERNAL, `Response message parsing error: ${messageOf(error)}`),
        };
      }
    }
    return { headers, hasMessage, message, status };
  } catch {
    const status = plainStatus(Code.INTERNAL, 'inmesh: a result with malformed metadata');
    return { headers: undefined, hasMessage: false, message: undefined, status };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
