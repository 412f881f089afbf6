/**
 * Our layers as one grpc-js `ServerInterceptingCall`.
 *
 * @packageDocumentation
 */
import { type Deadline, type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { kindOf } from './door.ts';
import type { ServerCall, ServerLayer, ServerListener, ServerStatus } from './server-call.ts';

/**
 * The class that grpc-js asks an interceptor for, without its own machinery: every method goes straight to `inner`.
 * `onMetadata` sees the request's metadata first.
 */
export class FusedServerCall extends ServerInterceptingCall {
  readonly #inner: ServerCall;
  readonly #onMetadata: ((metadata: Metadata) => void) | undefined;

  constructor(inner: ServerCall, onMetadata?: (metadata: Metadata) => void) {
    super(inner);
    this.#inner = inner;
    this.#onMetadata = onMetadata;
  }
  override start(listener: ServerListener): void {
    const onMetadata = this.#onMetadata;
    if (onMetadata === undefined) {
      this.#inner.start(listener);
      return;
    }
    this.#inner.start({
      onReceiveMetadata: (metadata) => {
        onMetadata(metadata);
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => listener.onCancel(),
    });
  }
  override sendMetadata(metadata: Metadata): void {
    this.#inner.sendMetadata(metadata);
  }
  override sendMessage(message: unknown, callback: () => void): void {
    this.#inner.sendMessage(message, callback);
  }
  override sendStatus(status: ServerStatus): void {
    this.#inner.sendStatus(status);
  }
  override startRead(): void {
    this.#inner.startRead();
  }
  override getDeadline(): Deadline {
    return this.#inner.getDeadline();
  }
}

/** A layer of ours as a grpc-js server interceptor, for use on its own. */
export function asServerInterceptor(layer: ServerLayer): ServerInterceptor {
  return ({ path, requestStream, responseStream }, call) => {
    return new FusedServerCall(layer({ method: path, kind: kindOf(requestStream, responseStream), item: undefined }, call));
  };
}
