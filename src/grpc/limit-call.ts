/**
 * Calls that hold, or wait for, a permit of an adaptive limit, and teach it when they end.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { late, refusal } from '../errors.ts';
import { type AdaptiveLimiter, type LimitSample, lessonOf } from '../limit/limiter.ts';
import type { QueueName } from '../observe/queue-span.ts';
import { BulkheadCall, BulkheadServerCall, type RefusalWords } from './bulkhead-call.ts';
import type { CallInfo, NextClientCall } from './client-call.ts';
import { refusalOf } from './refuse.ts';
import type { ServerCall, ServerInfo } from './server-call.ts';

/** A client call. */
export class LimitCall extends BulkheadCall implements LimitSample {
  startedMs = 0;
  inflight = 0;
  readonly #limiter: AdaptiveLimiter;
  #messages = 0;

  constructor(limiter: AdaptiveLimiter, info: CallInfo, next: NextClientCall, clock: Clock) {
    super(limiter.bulkhead, info, next, clock, limitWords);
    this.#limiter = limiter;
  }
  protected override get queue(): QueueName {
    return 'limit';
  }
  override granted(): void {
    this.#limiter.begin(this);
    super.granted();
  }
  override onReceiveStatus(status: StatusObject): void {
    if (this.#teaches(status)) this.#limiter.learn(this, lessonOf(status.code));
    super.onReceiveStatus(status);
  }
  override onReceiveMessage(message: unknown): void {
    this.#messages++;
    super.onReceiveMessage(message);
  }
  /** How long a stream lasts says nothing, nor does what was refused here and never reached a server. */
  #teaches(status: StatusObject): boolean {
    if (refusalOf(status) !== undefined) return false;
    if (this.info.kind !== undefined) return this.info.kind === 'unary';
    // Behind a channel that nobody told: one answer looks like a unary call.
    return status.code !== Code.OK || this.#messages === 1;
  }
}

/** How much before its deadline a call that is cancelled still counts as late: so long, and that share of its time. */
const EARLY_MS = 10;
const EARLY_SHARE = 0.1;

/** A server call. */
export class LimitServerCall extends BulkheadServerCall implements LimitSample {
  startedMs = 0;
  inflight = 0;
  readonly #limiter: AdaptiveLimiter;
  /** It has its permit and has not ended: it will teach. */
  #open = false;

  constructor(lower: ServerCall, limiter: AdaptiveLimiter, info: ServerInfo, clock: Clock) {
    super(lower, () => limiter.bulkhead, info, clock, limitWords);
    this.#limiter = limiter;
  }
  protected override get queue(): QueueName {
    return 'limit';
  }
  override granted(): void {
    this.#open = true;
    this.#limiter.begin(this);
    super.granted();
  }
  override onCancel(): void {
    // The client's time was over while the handler ran: that is what overload looks like from here.
    if (this.#isOverdue()) this.#learn(Code.DEADLINE_EXCEEDED);
    this.#open = false;
    super.onCancel();
  }
  override sendStatus(status: Parameters<ServerCall['sendStatus']>[0]): void {
    this.#learn(status.code ?? Code.UNKNOWN);
    super.sendStatus(status);
  }
  /** The client's clock started when it sent the call, ours when it came: its end is often here before the deadline is. */
  #isOverdue(): boolean {
    const spanMs = this.deadlineMs - this.startedMs;
    const earlyMs = Math.min(spanMs / 2, EARLY_MS + spanMs * EARLY_SHARE);
    return this.clock.nowMs() >= this.deadlineMs - earlyMs;
  }
  #learn(code: number): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.info.kind === 'unary') this.#limiter.learn(this, lessonOf(code));
  }
}

const limitWords: RefusalWords = (side, method, why) => {
  switch (why) {
    case 'full':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.limit/full`, `adaptive limit of ${method} is reached`);
    case 'evicted':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.limit/evicted`, `adaptive limit of ${method} is reached by more important calls`);
    case 'timeout':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.limit/queue-timeout`, `no room under the adaptive limit of ${method} in time`);
    case 'deadline':
      return late(`${side}.limit/deadline`, `the deadline ended in the queue of the adaptive limit of ${method}`);
  }
};
