/**
 * A call of objects on one of bytes: what grpc-js does below a client's interceptors, for calls that leave them for another channel.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { type CallListener, type ClientCall, ForwardingCall, type MessageContext, type MethodDefinition } from './client-call.ts';
import { messageOf } from './codecs.ts';

export class ObjectCall extends ForwardingCall {
  readonly #definition: MethodDefinition;
  #unreadable: StatusObject | undefined;

  constructor(lower: ClientCall, definition: MethodDefinition) {
    super(lower);
    this.#definition = definition;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    super.start(metadata, listener);
    if (!this.#definition.responseStream) this.lower.startRead(); // nobody else asks for the one answer
  }
  override startRead(): void {
    if (this.#definition.responseStream) this.lower.startRead();
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    let bytes: Buffer;
    try {
      bytes = this.#definition.requestSerialize(message);
    } catch (error) {
      this.lower.cancelWithStatus(Code.INTERNAL, `Request message serialization failure: ${messageOf(error)}`);
      return;
    }
    this.lower.sendMessageWithContext(context, bytes);
  }
  override onReceiveMessage(message: unknown): void {
    let decoded: unknown;
    try {
      decoded = this.#definition.responseDeserialize(message as Buffer);
    } catch (error) {
      const details = `Response message parsing error: ${messageOf(error)}`;
      this.#unreadable = { code: Code.INTERNAL, details, metadata: new Metadata() };
      this.lower.cancelWithStatus(Code.INTERNAL, details);
      return;
    }
    this.upper.onReceiveMessage(decoded);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.upper.onReceiveStatus(this.#unreadable ?? status);
  }
}
