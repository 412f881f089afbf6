/**
 * A client's list of interceptors above the client door: what grpc-js's `getInterceptingCall` does, which it does not export.
 *
 * @packageDocumentation
 */
import { type Interceptor, Metadata, type NextCall, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { MeshChannel } from './channel-door.ts';
import {
  type AuthContext,
  type CallListener,
  type ClientCall,
  type MessageContext,
  type MethodDefinition,
  NO_CONTEXT,
} from './client-call.ts';

type InterceptingCallInterface = ReturnType<NextCall>;

/** The list as one function, down to the channel. Undefined: the list is empty. */
export function chainOf(list: readonly Interceptor[], definition: MethodDefinition, channel: MeshChannel): NextCall | undefined {
  if (list.length === 0) return undefined;
  const bottom: NextCall = (options) => {
    const { path } = definition;
    const { deadline = Number.POSITIVE_INFINITY, host, parent = null, propagate_flags, credentials, inmesh } = options;
    const call = channel.describe(path, 'unary', inmesh).createCall(path, deadline, host, parent, propagate_flags);
    if (credentials) call.setCredentials(credentials);
    return new SerializingCall(call as ClientCall, definition);
  };
  return list.reduceRight<NextCall>((next, interceptor) => (options) => interceptor(options, next), bottom);
}

/** A unary call of objects on one of bytes. Its listener hears of a message in any case, of `null` where there is none. */
export class SerializingCall implements InterceptingCallInterface, CallListener {
  readonly #lower: ClientCall;
  readonly #definition: MethodDefinition;
  #upper: Partial<CallListener> | undefined;
  #heard = false;
  #unreadable: StatusObject | undefined;

  constructor(lower: ClientCall, definition: MethodDefinition) {
    this.#lower = lower;
    this.#definition = definition;
  }
  start(metadata: Metadata, listener?: Partial<CallListener>): void {
    this.#upper = listener;
    this.#lower.start(metadata, this);
    this.#lower.startRead();
  }
  sendMessage(message: unknown): void {
    this.sendMessageWithContext(NO_CONTEXT, message);
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    let bytes: Buffer;
    try {
      bytes = this.#definition.requestSerialize(message);
    } catch (error) {
      this.#lower.cancelWithStatus(Code.INTERNAL, `Request message serialization failure: ${messageOf(error)}`);
      return;
    }
    this.#lower.sendMessageWithContext(context, bytes);
  }
  startRead(): void {
    this.#lower.startRead();
  }
  halfClose(): void {
    this.#lower.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    this.#lower.cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.#lower.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#lower.getAuthContext();
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#upper?.onReceiveMetadata?.(metadata);
  }
  onReceiveMessage(message: unknown): void {
    let decoded: unknown;
    try {
      decoded = this.#definition.responseDeserialize(message as Buffer);
    } catch (error) {
      const details = `Response message parsing error: ${messageOf(error)}`;
      this.#unreadable = { code: Code.INTERNAL, details, metadata: new Metadata() };
      this.#lower.cancelWithStatus(Code.INTERNAL, details);
      return;
    }
    this.#heard = true;
    this.#upper?.onReceiveMessage?.(decoded);
  }
  onReceiveStatus(status: StatusObject): void {
    if (!this.#heard) this.#upper?.onReceiveMessage?.(null);
    this.#upper?.onReceiveStatus?.(this.#unreadable ?? status);
  }
}

/** What grpc-js says of an error of a codec. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
