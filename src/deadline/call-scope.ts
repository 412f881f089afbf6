/**
 * What the calls made while serving a call inherit from it: its deadline and its end.
 *
 * @packageDocumentation
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Bag, type Bagged } from '../bag.ts';
import type { Priority } from '../call.ts';

/** A client call made while serving. */
export interface Child extends Bagged {
  /** The call being served was cancelled before it was answered. */
  parentCancelled(): void;
}

/** What a call says of itself besides its deadline. */
export interface CallTraits {
  /** Undefined: it did not say, or is not believed. */
  readonly priority: Priority | undefined;
  /** Undefined: it did not say, or is not believed. */
  readonly tenant: string | undefined;
  /** How many attempts were made before this one (`grpc-previous-rpc-attempts`), 0 to 100. */
  readonly attempt: number;
  /** The call is a copy (`inmesh-mirror`): its answer goes to nobody. */
  readonly mirrored?: true;
}

/** A first attempt that says nothing of itself. */
export const NO_TRAITS: CallTraits = Object.freeze({ priority: undefined, tenant: undefined, attempt: 0 });

/** One call being served. */
export class CallScope implements CallTraits {
  /** On `Clock.nowMs`; `Infinity`: none. */
  readonly deadlineMs: number;
  readonly traits: CallTraits;
  /** Most calls make none while they are served. */
  #children: Bag<Child> | undefined;
  #answered = false;

  constructor(deadlineMs: number, traits: CallTraits = NO_TRAITS) {
    this.deadlineMs = deadlineMs;
    this.traits = traits;
  }

  get priority(): Priority | undefined {
    return this.traits.priority;
  }
  get tenant(): string | undefined {
    return this.traits.tenant;
  }
  get attempt(): number {
    return this.traits.attempt;
  }

  /** False once the call is answered or cancelled: what its handler does after that is work of its own. */
  get open(): boolean {
    return !this.#answered;
  }
  add(child: Child): void {
    this.#children ??= new Bag();
    this.#children.add(child);
  }
  delete(child: Child): void {
    this.#children?.delete(child);
  }
  /** The handler has given its status; calls that it still has out go on. */
  answered(): void {
    this.#answered = true;
    this.#children = undefined;
  }
  /** The call is over. Harmless after `answered`: grpc-js says "cancelled" after every call. */
  cancelled(): void {
    if (this.#answered) return;
    this.#answered = true;
    const children = this.#children?.items() ?? [];
    this.#children = undefined;
    for (const child of children) child.parentCancelled();
  }
}

/** The call being served here, if any. */
export const currentScope: AsyncLocalStorage<CallScope> = new AsyncLocalStorage<CallScope>();

/** What the call being served here says of itself; undefined outside of handlers. Priority and tenant need `server.trustTraits`. */
export function servedTraits(): CallTraits | undefined {
  return currentScope.getStore()?.traits;
}
