/**
 * A call that is made once it is known where: when its metadata is there, or its request.
 *
 * @packageDocumentation
 */

import type { RoutedCall, RoutePlan } from '../route/routes.ts';
import type { CallInfo, MessageContext, NextClientCall } from './client-call.ts';
import { bytesOf } from './codecs.ts';
import { DeferredCall } from './deferred-call.ts';
import { tenantOf } from './traits.ts';

/** Gives the info with which a call goes to a cluster ('': the client's own target). */
export type Redirect = (info: CallInfo, cluster: string) => CallInfo;

export class RouteCall extends DeferredCall {
  readonly #plan: RoutePlan;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  readonly #redirect: Redirect;

  constructor(plan: RoutePlan, info: CallInfo, next: NextClientCall, redirect: Redirect) {
    super();
    this.#plan = plan;
    this.#info = info;
    this.#next = next;
    this.#redirect = redirect;
  }
  protected override waits(): void {
    if (!this.#plan.needsMessage) this.#choose(undefined);
  }
  protected override gaveUp(): void {}
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    if (this.waiting) this.#choose(message);
    super.sendMessageWithContext(context, message);
  }
  override halfClose(): void {
    if (this.waiting) this.#choose(undefined);
    super.halfClose();
  }

  #choose(message: unknown): void {
    const info = this.#info;
    const call: RoutedCall = {
      headers: this.metadata,
      message: () => requestBytes(info, message),
      tenant: () => tenantOf(info),
    };
    this.open(this.#next(this.#redirect(info, this.#plan.choose(call))));
  }
}

/** Undefined: there is none, or it can't be encoded; then the call fails below, in the transport's words. */
function requestBytes({ definition }: CallInfo, message: unknown): Buffer | undefined {
  if (message === undefined) return undefined;
  try {
    return bytesOf(message, definition?.requestSerialize);
  } catch {
    return undefined;
  }
}
