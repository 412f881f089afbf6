/**
 * One attempt at a retried call: hears its answer, and holds a unary one back until it is whole.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import type { AttemptContext, CallListener, ClientCall } from './client-call.ts';

/** The call that an attempt belongs to. */
export interface AttemptOwner {
  headers(metadata: Metadata): void;
  message(message: unknown): void;
  ended(attempt: Attempt, status: StatusObject): void;
  /** It takes longer than a try may. */
  expired(attempt: Attempt): void;
}

export class Attempt implements CallListener {
  readonly context: AttemptContext;
  readonly startedMs: number;
  call!: ClientCall;
  /** Its place among the tries that have a limit. */
  expiry: DeadlineHandle<Attempt> | undefined = undefined;
  /** Of an answer held back. */
  metadata: Metadata | undefined = undefined;
  received: unknown = undefined;
  hasMessage = false;
  #owner: AttemptOwner | undefined;
  readonly #holds: boolean;

  /**
   * @param startedMs - On `Clock.nowMs`; 0 where nobody will ask.
   * @param holds - Keep headers and message until the status is here.
   */
  constructor(owner: AttemptOwner, context: AttemptContext, startedMs: number, holds: boolean) {
    this.#owner = owner;
    this.context = context;
    this.startedMs = startedMs;
    this.#holds = holds;
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (this.#holds) this.metadata = metadata;
    else this.#owner?.headers(metadata);
  }
  onReceiveMessage(message: unknown): void {
    if (this.#holds) {
      this.received = message;
      this.hasMessage = true;
    } else this.#owner?.message(message);
  }
  onReceiveStatus(status: StatusObject): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.context.over = true;
    owner?.ended(this, status);
  }
  expired(): void {
    this.expiry = undefined;
    this.#owner?.expired(this);
  }

  /** Nobody waits for it any more. How softly it ends is for the channel to say (soft-call.ts). */
  giveUp(): void {
    if (this.#owner === undefined) return; // has ended
    this.#owner = undefined;
    this.context.over = true;
    this.call.cancelWithStatus(Code.CANCELLED, 'inmesh: another attempt answered');
  }
}

/** The attempts but one; undefined: there are no others. */
export function without(attempts: readonly Attempt[] | undefined, one: Attempt): Attempt[] | undefined {
  const rest = attempts?.filter((attempt) => attempt !== one) ?? [];
  return rest.length > 0 ? rest : undefined;
}
