/**
 * A unary call that waits for its turn as bytes, then goes in a batch or alone.
 *
 * Everything but the batch is here: the request as the app sent it, the plain call with its answer, cancellation and
 * the call's own deadline. Subclasses say where it waits, what takes it along, and how its answer looks.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { QueueItem } from '../batch/partition.ts';
import { Code } from '../call.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { REASON_KEY } from '../errors.ts';
import { type AuthContext, type CallInfo, type CallListener, type ClientCall, type MessageContext, NO_CONTEXT } from './client-call.ts';
import { endSoon, plainStatus } from './refuse.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** The queue that a call waits in. */
interface Queue {
  /** False when the call is not in it. */
  remove(call: QueueItem): boolean;
  /** A call that went ahead has its answer. */
  leadEnded(): void;
}

/** An answer's message as the app is to see it, or why it can't. */
export type Decoded = { readonly message: unknown } | { readonly broken: string };

export abstract class WaitingCall implements ClientCall, CallListener, QueueItem {
  readonly info: CallInfo;
  protected upper!: CallListener;
  /** The plain call, if it went alone. */
  protected lower: ClientCall | undefined;
  #sent: Metadata | undefined;
  #request: Buffer = EMPTY;
  #messages = 0;
  #reads = 0;
  /** The first operation after `start` was a read: the response is unary (what grpc-js's clients do). */
  #readFirst = false;
  #ended = false;
  // As an item of a queue:
  slot = -1;
  size = 0;
  partition: Queue | undefined = undefined;
  expiry: DeadlineHandle<WaitingCall> | undefined = undefined;
  /** Went ahead without waiting for company. */
  leads = false;

  constructor(info: CallInfo) {
    this.info = info;
  }

  /** A whole request is here. */
  protected abstract enqueue(): void;
  /** Nobody waits any more: whatever takes the call along is to be told. */
  protected abstract quit(): void;
  /** Why the call is late, as `inmesh-reason`. */
  protected abstract lateReason(waited: boolean): string;
  /** The plain call, bytes in, bytes out. */
  protected abstract openPlain(): ClientCall;
  /** The plain call has ended. */
  protected abstract plainEnded(status: StatusObject): void;
  /** The queue of deadlines that `expiry` stands in. */
  protected abstract readonly deadlines: DeadlineQueue<WaitingCall>;

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
  /** From now on the call ends at its own deadline. */
  watchDeadline(): void {
    if (this.info.deadlineMs !== Number.POSITIVE_INFINITY) this.expiry ??= this.deadlines.add(this, this.info.deadlineMs);
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#sent = this.info.attempt === undefined ? metadata.clone() : metadata;
    this.upper = listener;
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
    if (this.#messages === 1) {
      this.#request = bytes;
      this.size = bytes.length;
      if (context.callback !== undefined) process.nextTick(context.callback);
      return;
    }
    this.#openAlone(); // not unary after all (a kind that nobody told): from here on it is a plain call
    this.lower?.sendMessageWithContext(context, bytes);
  }
  startRead(): void {
    if (this.lower !== undefined) {
      this.lower.startRead();
      return;
    }
    this.#reads++;
    if (this.#messages === 0) this.#readFirst = true;
  }
  halfClose(): void {
    if (this.#ended) return;
    const unary = this.#messages === 1 && (this.info.kind !== undefined || this.#readFirst);
    if (unary && this.lower === undefined) this.enqueue();
    else this.#alone();
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.lower !== undefined) {
      this.lower.cancelWithStatus(code, details);
      return;
    }
    if (!this.finish()) return;
    this.partition?.remove(this);
    this.quit();
    endSoon(this.upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  /** The call's own time is over, whatever its batch does. */
  expire(): void {
    if (!this.finish()) return;
    const waited = this.partition?.remove(this) === true;
    this.quit();
    const status = plainStatus(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
    status.metadata.set(REASON_KEY, this.lateReason(waited));
    this.upper.onReceiveStatus(status);
  }

  /** True once: the call has not ended before. */
  protected finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#request = EMPTY;
    this.#unwatch();
    return true;
  }
  #unwatch(): void {
    if (this.expiry === undefined) return;
    this.deadlines.remove(this.expiry);
    this.expiry = undefined;
  }

  /** Goes out as a plain call. */
  goAlone(): void {
    this.info.scope.runInAsyncScope(this.#alone, this);
  }
  #alone(): void {
    if (this.#ended) return;
    this.#openAlone();
    this.lower?.halfClose();
  }
  #openAlone(): void {
    if (this.#ended || this.lower !== undefined) return;
    const lower = this.openPlain();
    this.lower = lower;
    this.#unwatch(); // grpc-js's own deadline takes over
    lower.start(this.sentMetadata, this);
    // At the interceptor door nobody else asks for the one answer.
    for (let reads = this.info.kind === 'unary' ? 1 : this.#reads; reads > 0; reads--) lower.startRead();
    if (this.#messages > 0) lower.sendMessageWithContext(NO_CONTEXT, this.#request);
    this.#request = EMPTY;
  }

  // As the listener of its plain call:
  onReceiveMetadata(metadata: Metadata): void {
    this.upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    const decoded = this.decode(message);
    if ('message' in decoded) this.upper.onReceiveMessage(decoded.message);
    else this.lower?.cancelWithStatus(Code.INTERNAL, decoded.broken);
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.leads) this.partition?.leadEnded();
    this.plainEnded(status);
    this.upper.onReceiveStatus(status);
  }

  /** At the interceptor door messages are objects. */
  protected decode(message: unknown): Decoded {
    const { definition } = this.info;
    if (definition === undefined || message === null) return { message };
    try {
      return { message: definition.responseDeserialize(message as Buffer) };
    } catch (error) {
      return { broken: `Response message parsing error: ${messageOf(error)}` };
    }
  }

  abstract getPeer(): string;
  abstract getAuthContext(): AuthContext | null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
