/**
 * A call whose lower half comes later, or never: it keeps what its caller does and plays it back.
 *
 * This is how a call waits (for a permit, for a batch). Holding back `next()` in a grpc-js interceptor instead loses
 * rewritten messages and lets the half-close overtake them.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { AuthContext, CallListener, ClientCall, MessageContext } from './client-call.ts';
import { endSoon, plainStatus } from './refuse.ts';

interface Sent {
  readonly context: MessageContext;
  readonly message: unknown;
}

/** Base for calls that wait. Subclasses say what happens when the call begins and when it is cancelled while waiting. */
export abstract class DeferredCall implements ClientCall {
  protected metadata!: Metadata;
  protected upper!: CallListener;
  #lower: ClientCall | undefined;
  #first: Sent | undefined;
  #more: Sent[] | undefined;
  #reads = 0;
  #closed = false;
  #ended = false;

  /** The caller has started the call. */
  protected abstract waits(): void;
  /** The caller gave up while the call was waiting; its status is already on the way. */
  protected abstract gaveUp(): void;

  /** True once the call has ended without a lower half. */
  protected get ended(): boolean {
    return this.#ended;
  }
  /** True while there is neither a lower half nor an end. */
  protected get waiting(): boolean {
    return this.#lower === undefined && !this.#ended;
  }
  /** The only message so far; undefined when there is none or more than one. */
  protected get onlyMessage(): unknown {
    return this.#more === undefined ? this.#first?.message : undefined;
  }

  /** Gives the call its lower half and plays everything back, in order. `listener` defaults to the caller's. */
  protected open(lower: ClientCall, listener: CallListener = this.upper): void {
    if (!this.waiting) return;
    this.#lower = lower;
    lower.start(this.metadata, listener);
    for (let i = 0; i < this.#reads; i++) lower.startRead();
    if (this.#first !== undefined) lower.sendMessageWithContext(this.#first.context, this.#first.message);
    if (this.#more !== undefined) for (const { context, message } of this.#more) lower.sendMessageWithContext(context, message);
    this.#first = this.#more = undefined;
    if (this.#closed) lower.halfClose();
  }

  /** Ends the waiting call with a status of ours. */
  protected fail(status: StatusObject): void {
    if (!this.waiting) return;
    this.#ended = true;
    this.#first = this.#more = undefined;
    endSoon(this.upper, status);
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.metadata = metadata;
    this.upper = listener;
    this.waits();
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    if (this.#lower !== undefined) this.#lower.sendMessageWithContext(context, message);
    else if (this.#ended) context.callback?.();
    else if (this.#first === undefined) this.#first = { context, message };
    else {
      this.#more ??= [];
      this.#more.push({ context, message });
    }
  }
  startRead(): void {
    if (this.#lower !== undefined) this.#lower.startRead();
    else this.#reads++;
  }
  halfClose(): void {
    if (this.#lower !== undefined) this.#lower.halfClose();
    else this.#closed = true;
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#lower !== undefined) {
      this.#lower.cancelWithStatus(code, details);
    } else if (!this.#ended) {
      this.fail(plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
      this.gaveUp();
    }
  }
  getPeer(): string {
    return this.#lower?.getPeer() ?? 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return this.#lower?.getAuthContext() ?? null;
  }
}
