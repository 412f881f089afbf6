/**
 * A plain call that asks its server, by the way, whether it takes batches.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type CallInfo, type CallListener, type ClientCall, ForwardingCall } from './client-call.ts';
import type { CoalescerHome } from './coalesced-call.ts';

export class LearningCall extends ForwardingCall {
  readonly #coalescer: CoalescerHome;
  readonly #info: CallInfo;

  constructor(lower: ClientCall, coalescer: CoalescerHome, info: CallInfo) {
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
    this.#coalescer.learn(this.#info, status);
    this.upper.onReceiveStatus(status);
  }
}
