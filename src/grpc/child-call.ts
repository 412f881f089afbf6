/**
 * What a client call inherits from the call being served: its end, and what it says of itself.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { CallScope, Child } from '../deadline/call-scope.ts';
import { type CallListener, type ClientCall, ForwardingCall } from './client-call.ts';
import { type SentTraits, writeTraits } from './traits.ts';

/** A call that ends when the call it was made for is cancelled. */
export class ChildCall extends ForwardingCall implements Child {
  readonly #scope: CallScope;
  place = -1;

  constructor(lower: ClientCall, scope: CallScope) {
    super(lower);
    this.#scope = scope;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#scope.add(this);
    super.start(metadata, listener);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#scope.delete(this);
    this.upper.onReceiveStatus(status);
  }
  parentCancelled(): void {
    this.lower.cancelWithStatus(Code.CANCELLED, 'Cancelled by parent call');
  }
}

/** A call that tells its server its priority or its tenant. The metadata that it passes on is its own. */
export class TraitsCall extends ForwardingCall {
  readonly #traits: SentTraits;
  readonly #ownsMetadata: boolean;

  constructor(lower: ClientCall, traits: SentTraits, ownsMetadata: boolean) {
    super(lower);
    this.#traits = traits;
    this.#ownsMetadata = ownsMetadata;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    const own = this.#ownsMetadata ? metadata : metadata.clone();
    writeTraits(own, this.#traits);
    super.start(own, listener);
  }
}
