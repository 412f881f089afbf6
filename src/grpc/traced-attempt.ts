/**
 * Attempts of a traced call.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { AttemptEvents, AttemptTrace } from '../observe/attempt-spans.ts';
import { type CallInfo, type CallListener, type ClientCall, ForwardingCall, type MessageContext } from './client-call.ts';
import { clientEnd } from './otel.ts';

/** How all begin that retry and hedging cancel an attempt with, when another one has answered. */
const OVERTAKEN = 'inmesh: another attempt';

/** An attempt that has a span, or may yet get one. */
export class TracedAttempt extends ForwardingCall {
  protected readonly info: CallInfo;
  readonly #attempt: AttemptTrace;

  constructor(lower: ClientCall, info: CallInfo, attempt: AttemptTrace) {
    super(lower);
    this.info = info;
    this.#attempt = attempt;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.upper = listener;
    this.lower.start(this.#attempt.inject(metadata), this);
  }
  override cancelWithStatus(code: number, details: string): void {
    if (details.startsWith(OVERTAKEN)) this.#attempt.lost();
    this.lower.cancelWithStatus(code, details);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#attempt.end(clientEnd(status, this.info.attempt?.picked || this.lower.getPeer()));
    this.upper.onReceiveStatus(status);
  }
}

/** One whose messages are told of, too. */
export class DetailedAttempt extends TracedAttempt {
  /** Undefined once it is over. */
  #events: AttemptEvents | undefined;

  constructor(lower: ClientCall, info: CallInfo, attempt: AttemptTrace, events: AttemptEvents) {
    super(lower, info, attempt);
    this.#events = events;
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#events?.sent(message);
    this.lower.sendMessageWithContext(context, message);
  }
  override onReceiveMessage(message: unknown): void {
    this.#events?.received(message);
    this.upper.onReceiveMessage(message);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#events = undefined;
    if (this.info.attempt !== undefined) this.info.attempt.watch = undefined;
    super.onReceiveStatus(status);
  }
}
