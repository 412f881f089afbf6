/**
 * A unary call that is held until its whole request is there, which is in the turn it was made in. What turns out to be
 * something else passes by.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall, MessageContext, NextClientCall } from './client-call.ts';
import { endSoon, plainStatus } from './refuse.ts';

/** Base for behaviours that ask a question instead of passing messages on. */
export abstract class WholeRequestCall implements ClientCall {
  protected readonly info: CallInfo;
  protected readonly next: NextClientCall;
  protected metadata!: Metadata;
  protected upper!: CallListener;
  #context: MessageContext = {};
  #message: unknown;
  #messages = 0;
  #reads = 0;
  #readFirst = false;
  #closed = false;
  #asked = false;
  #plain: ClientCall | undefined;
  #ended = false;

  constructor(info: CallInfo, next: NextClientCall) {
    this.info = info;
    this.next = next;
  }

  /** The whole request is here, in the turn and context of the caller. */
  protected abstract asked(request: unknown): void;
  /** The caller has cancelled after that; its status is already on the way. */
  protected abstract gaveUp(code: number, details: string): void;
  /** The call that is out for this one. */
  protected abstract get out(): ClientCall | undefined;

  protected get ended(): boolean {
    return this.#ended;
  }
  protected get request(): unknown {
    return this.#message;
  }

  /** Makes the call below, with all of the request. */
  protected send(metadata: Metadata, listener: CallListener): ClientCall {
    const lower = this.next(this.info);
    lower.start(metadata, listener);
    for (let i = 0; i < this.#reads; i++) lower.startRead();
    if (this.#messages > 0) lower.sendMessageWithContext(this.#context, this.#message);
    if (this.#closed) lower.halfClose();
    return lower;
  }

  /** From now on this call is a plain one. */
  protected passBy(): void {
    this.#plain = this.send(this.metadata, this.upper);
    this.#message = undefined;
  }

  /** True once: nothing was told to the caller before, and all that it is told comes now. */
  protected finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#message = undefined;
    return true;
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.metadata = metadata;
    this.upper = listener;
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    if (this.#ended) {
      context.callback?.();
      return;
    }
    if (this.#plain === undefined && this.#messages === 0 && (this.info.kind !== undefined || this.#readFirst)) {
      this.#messages = 1;
      this.#message = message;
      if (context.flags !== undefined) this.#context = { flags: context.flags };
      if (context.callback !== undefined) process.nextTick(context.callback);
      // A unary call's half-close follows at once. A stream whose kind nobody told must not wait for it.
      if (this.info.kind === undefined) process.nextTick(() => this.#notWhole());
      return;
    }
    if (this.#plain === undefined) this.passBy();
    this.#plain?.sendMessageWithContext(context, message);
  }
  #notWhole(): void {
    if (!this.#asked && !this.#ended && this.#plain === undefined) this.passBy();
  }
  startRead(): void {
    if (this.#plain !== undefined) {
      this.#plain.startRead();
      return;
    }
    this.#reads++;
    if (this.#messages === 0) this.#readFirst = true;
  }
  halfClose(): void {
    if (this.#ended || this.#asked) return;
    if (this.#plain !== undefined) {
      this.#plain.halfClose();
      return;
    }
    this.#closed = true;
    if (this.#messages === 0) {
      this.passBy();
      return;
    }
    this.#asked = true;
    this.asked(this.#message);
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#plain !== undefined) {
      this.#plain.cancelWithStatus(code, details);
    } else if (this.finish()) {
      const status: StatusObject = plainStatus(code === Code.OK ? Code.CANCELLED : code, details);
      endSoon(this.upper, status);
      if (this.#asked) this.gaveUp(status.code, details);
    }
  }
  getPeer(): string {
    return (this.#plain ?? this.out)?.getPeer() ?? 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return (this.#plain ?? this.out)?.getAuthContext() ?? null;
  }
}
