/**
 * Streams on which nothing happens for too long.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { Refusal } from '../errors.ts';
import { type CallListener, type ClientCall, ForwardingCall, type MessageContext } from './client-call.ts';
import { detachedClock } from './detached.ts';
import { localStatus } from './refuse.ts';

/** Watches streams, all on one timer. */
export class IdleStreams {
  readonly #clock: Clock;
  readonly #due: DeadlineQueue<IdleStreamCall>;

  constructor(clock: Clock) {
    this.#clock = detachedClock(clock);
    this.#due = new DeadlineQueue(this.#clock, (call) => call.look());
  }

  /** The same call, which ends with DEADLINE_EXCEEDED once no message has passed for so long. */
  watch(lower: ClientCall, timeoutMs: number): ClientCall {
    return new IdleStreamCall(lower, timeoutMs, this.#clock, this.#due);
  }
}

class IdleStreamCall extends ForwardingCall {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #due: DeadlineQueue<IdleStreamCall>;
  #lastMs = 0;
  #handle: DeadlineHandle<IdleStreamCall> | undefined;
  #ended = false;

  constructor(lower: ClientCall, timeoutMs: number, clock: Clock, due: DeadlineQueue<IdleStreamCall>) {
    super(lower);
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#due = due;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#lastMs = this.#clock.nowMs();
    this.#handle = this.#due.add(this, this.#lastMs + this.#timeoutMs);
    super.start(metadata, listener);
  }
  /** Its time has come, if nothing has passed meanwhile. Looking once in a while is cheaper than a timer for each message. */
  look(): void {
    const endMs = this.#lastMs + this.#timeoutMs;
    if (endMs > this.#clock.nowMs()) {
      this.#handle = this.#due.add(this, endMs);
      return;
    }
    this.#handle = undefined;
    this.lower.cancelWithStatus(Code.CANCELLED, IDLE.details);
    this.onReceiveStatus(localStatus(IDLE));
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#lastMs = this.#clock.nowMs();
    super.sendMessageWithContext(context, message);
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#lastMs = this.#clock.nowMs();
    if (!this.#ended) super.onReceiveMetadata(metadata);
  }
  override onReceiveMessage(message: unknown): void {
    this.#lastMs = this.#clock.nowMs();
    if (!this.#ended) super.onReceiveMessage(message);
  }
  override onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#handle !== undefined) this.#due.remove(this.#handle);
    super.onReceiveStatus(status);
  }
}

/** Its server has had the call, and may have done its work. */
const IDLE: Refusal = {
  code: Code.DEADLINE_EXCEEDED,
  details: 'inmesh: no message passed on the stream for its idle timeout',
  reason: 'client.deadline/idle',
  unprocessed: false,
};
