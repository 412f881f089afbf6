/**
 * A plain call that asks its server, by the way, whether it takes batches.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type CallInfo, type CallListener, type ClientCall, ForwardingCall } from './client-call.ts';
import type { ChannelCoalescer } from './coalescer.ts';

export class LearningCall extends ForwardingCall {
  readonly #coalescer: ChannelCoalescer;
  readonly #info: CallInfo;

  constructor(lower: ClientCall, coalescer: ChannelCoalescer, info: CallInfo) {
    super(lower);
    this.#coalescer = coalescer;
    this.#info = info;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    const asking = this.#info.attempt === undefined ? metadata.clone() : metadata; // retry has cloned it for the attempt
    this.#coalescer.asksForCapability(asking);
    super.start(asking, listener);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#coalescer.learn(this.#info, this.lower, status);
    this.upper.onReceiveStatus(status);
  }
}
