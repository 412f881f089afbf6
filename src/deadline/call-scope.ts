/**
 * What the calls made while serving a call inherit from it: its deadline and its end.
 *
 * @packageDocumentation
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** A client call made while serving. */
export interface Child {
  /** The call being served was cancelled before it was answered. */
  parentCancelled(): void;
}

/** One call being served. */
export class CallScope {
  /** On `Clock.nowMs`; `Infinity`: none. */
  readonly deadlineMs: number;
  readonly #children = new Set<Child>();
  #answered = false;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }

  /** False once the call is answered or cancelled: what its handler does after that is work of its own. */
  get open(): boolean {
    return !this.#answered;
  }
  add(child: Child): void {
    this.#children.add(child);
  }
  delete(child: Child): void {
    this.#children.delete(child);
  }
  /** The handler has given its status; calls that it still has out go on. */
  answered(): void {
    this.#answered = true;
    this.#children.clear();
  }
  /** The call is over. Harmless after `answered`: grpc-js says "cancelled" after every call. */
  cancelled(): void {
    if (this.#answered) return;
    this.#answered = true;
    for (const child of [...this.#children]) child.parentCancelled();
    this.#children.clear();
  }
}

/** The call being served here, if any. */
export const currentScope: AsyncLocalStorage<CallScope> = new AsyncLocalStorage<CallScope>();
