/**
 * Keeps a caller's context with the caller: whatever tells it the news (a carrier shared with strangers, a timer, a
 * connection that others waited for as well), its callbacks run in the context in which it made the call.
 *
 * grpc-js itself runs the callbacks of calls that waited for a cold channel in the first caller's context.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { CallListener } from './client-call.ts';
import { appMetadata } from './shared-metadata.ts';

/** The app's listener, called in the app's context; and, for a unary response, the `null` message grpc-js gives before an error. */
export class ScopedListener extends AsyncResource implements CallListener {
  readonly #listener: CallListener;
  readonly #owner: { ended(): void } | undefined;
  #needsMessage: boolean;
  #ended = false;

  /**
   * @param needsMessage - The call has a unary response and its client expects `onReceiveMessage(null)` where there is none.
   * @param owner - Told of the end before the app is.
   */
  constructor(listener: CallListener, needsMessage: boolean, owner?: { ended(): void }) {
    super('inmesh.call');
    this.#owner = owner;
    this.#listener = listener;
    this.#needsMessage = needsMessage;
  }
  onReceiveMetadata(metadata: Metadata): void {
    if (this.#ended) return;
    this.runInAsyncScope(this.#listener.onReceiveMetadata, this.#listener, appMetadata(metadata));
  }
  onReceiveMessage(message: unknown): void {
    if (this.#ended) return;
    this.#needsMessage = false;
    this.runInAsyncScope(this.#listener.onReceiveMessage, this.#listener, message);
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return; // exactly one, whatever happens below
    this.#ended = true;
    this.#owner?.ended();
    this.runInAsyncScope(this.#deliver, this, status);
  }
  #deliver(status: StatusObject): void {
    if (this.#needsMessage) this.#listener.onReceiveMessage(null);
    status.metadata = appMetadata(status.metadata);
    this.#listener.onReceiveStatus(status);
  }
}
