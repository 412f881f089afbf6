/**
 * A unary call whose answer is held until its status, so that something else may be given in its place. Streams are passed on.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type CallInfo, type ClientCall, ForwardingCall, type MessageContext } from './client-call.ts';

/** Base for behaviours that may answer themselves. */
export abstract class HeldAnswerCall extends ForwardingCall {
  protected readonly info: CallInfo;
  protected cancelled = false;
  #request: unknown;
  #messages = 0;
  #readFirst = false;
  #closed = false;
  #headers: Metadata | undefined;
  #response: unknown;

  constructor(lower: ClientCall, info: CallInfo) {
    super(lower);
    this.info = info;
  }

  /** The call below has ended: {@link pass} its answer on, or {@link deliver} another. */
  protected abstract ended(status: StatusObject): void;

  /** The request, until the end has been told. */
  protected get request(): unknown {
    return this.#request;
  }
  /** A kind that nobody told: the first thing that a unary call asks for is its answer. */
  protected get isUnary(): boolean {
    return this.info.kind === 'unary' || (this.#readFirst && this.#messages === 1 && this.#closed);
  }
  /** Ends the call with what came from below. */
  protected pass(status: StatusObject): void {
    this.deliver(this.#headers, this.#response, status);
  }
  /** Ends the call. `message`: undefined for none. */
  protected deliver(headers: Metadata | undefined, message: unknown, status: StatusObject): void {
    this.#request = this.#response = this.#headers = undefined;
    if (headers !== undefined) this.upper.onReceiveMetadata(headers);
    if (message !== undefined) this.upper.onReceiveMessage(message);
    this.upper.onReceiveStatus(status);
  }

  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#messages++;
    this.#request = message;
    this.lower.sendMessageWithContext(context, message);
  }
  override startRead(): void {
    if (this.#messages === 0) this.#readFirst = true;
    this.lower.startRead();
  }
  override halfClose(): void {
    this.#closed = true;
    this.lower.halfClose();
  }
  override cancelWithStatus(code: number, details: string): void {
    this.cancelled = true;
    this.lower.cancelWithStatus(code, details);
  }
  override onReceiveMetadata(metadata: Metadata): void {
    if (this.isUnary) this.#headers = metadata;
    else this.upper.onReceiveMetadata(metadata);
  }
  override onReceiveMessage(message: unknown): void {
    if (this.isUnary) this.#response = message;
    else this.upper.onReceiveMessage(message);
  }
  override onReceiveStatus(status: StatusObject): void {
    if (this.isUnary) this.ended(status);
    else this.upper.onReceiveStatus(status);
  }
}
