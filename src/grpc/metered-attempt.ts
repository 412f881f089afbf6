/**
 * One attempt whose time is taken and whose messages are weighed.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import type { GrpcLabels } from '../observe/a66.ts';
import type { AttemptMetrics } from '../observe/attempt-metrics.ts';
import { type CallInfo, type CallListener, type ClientCall, ForwardingCall, type MessageContext } from './client-call.ts';

/** Whether somebody but the caller knows the method: its client has a definition of it, or `knows` says so. */
export function isRegistered({ definition, kind, method }: CallInfo, knows: (path: string) => boolean): boolean {
  return definition !== undefined || kind !== undefined || knows(method);
}

export class MeteredAttempt extends ForwardingCall {
  readonly #info: CallInfo;
  readonly #metrics: AttemptMetrics;
  readonly #labels: GrpcLabels;
  readonly #clock: Clock;
  #startMs = 0;
  #sent = 0;
  #received = 0;

  constructor(lower: ClientCall, info: CallInfo, metrics: AttemptMetrics, labels: GrpcLabels, clock: Clock) {
    super(lower);
    this.#info = info;
    this.#metrics = metrics;
    this.#labels = labels;
    this.#clock = clock;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#startMs = this.#clock.nowMs();
    this.#info.tally?.began(this.#startMs);
    this.#metrics.began(this.#labels);
    super.start(metadata, listener);
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#sent += lengthOf(message);
    this.lower.sendMessageWithContext(context, message);
  }
  override onReceiveMessage(message: unknown): void {
    this.#received += lengthOf(message);
    this.upper.onReceiveMessage(message);
  }
  override onReceiveStatus(status: StatusObject): void {
    const { tally, attempt, door, definition } = this.#info;
    const nowMs = this.#clock.nowMs();
    // Where the balancing is not ours, nobody knows whether it was sent.
    tally?.ended(nowMs, door.book?.attached === true && attempt?.started === false);
    const bytes = definition === undefined;
    const durationMs = nowMs - this.#startMs;
    this.#metrics.ended(this.#labels, status.code, durationMs, bytes ? this.#sent : undefined, bytes ? this.#received : undefined);
    this.upper.onReceiveStatus(status);
  }
}

/** Of a message as bytes, before compression; 0 for an object, whose length is nobody's to know. */
function lengthOf(message: unknown): number {
  return message instanceof Uint8Array ? message.length : 0;
}
