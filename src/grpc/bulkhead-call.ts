/**
 * Calls that hold, or wait for, a permit of a bulkhead.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Bulkhead, Ticket, Waiter } from '../bulkhead/bulkhead.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import { late, type Refusal, refusal } from '../errors.ts';
import type { CallInfo, CallListener, NextClientCall } from './client-call.ts';
import { DeferredCall } from './deferred-call.ts';
import { fromGrpcDeadline } from './door.ts';
import { localStatus, serverRefusal } from './refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerInfo } from './server-call.ts';

/** A client call. While it waits, what the app sends is kept. */
export class BulkheadCall extends DeferredCall implements Waiter, CallListener {
  readonly deadlineMs: number;
  ticket: Ticket | undefined = undefined;
  readonly #bulkhead: Bulkhead;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  readonly #clock: Clock;
  #holds = false;

  constructor(bulkhead: Bulkhead, info: CallInfo, next: NextClientCall, clock: Clock) {
    super();
    this.#bulkhead = bulkhead;
    this.#info = info;
    this.#next = next;
    this.#clock = clock;
    this.deadlineMs = info.deadlineMs;
  }
  protected override waits(): void {
    const answer = this.#bulkhead.acquire(this);
    if (answer === 'granted') this.granted();
    else if (answer === 'full') this.fail(localStatus(full('client', this.#info.method)));
  }
  protected override gaveUp(): void {
    this.#bulkhead.cancel(this);
  }
  granted(): void {
    this.#holds = true;
    try {
      this.#info.scope.runInAsyncScope(this.#begin, this);
    } catch (error) {
      this.#release();
      throw error;
    }
  }
  #release(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#bulkhead.release();
  }
  #begin(): void {
    this.open(this.#next(this.#info), this);
  }
  refused(): void {
    this.fail(localStatus(timedOut('client', this.#info.method, isLate(this.deadlineMs, this.#clock.nowMs()))));
  }
  onReceiveMetadata(metadata: Metadata): void {
    this.upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.upper.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    this.#release(); // before the app hears of it: it may call again at once
    this.upper.onReceiveStatus(status);
  }
}

/** A server call. While it waits, its messages are not read and its handler has not run. */
export class BulkheadServerCall extends ForwardingServerCall implements Waiter {
  readonly deadlineMs: number;
  ticket: Ticket | undefined = undefined;
  /** The carrier of an item; undefined for a call of its own. */
  readonly group: object | undefined;
  readonly #bulkhead: Bulkhead;
  readonly #method: string;
  readonly #clock: Clock;
  /** The call's own context: whoever gives up a slot for it does so in another. */
  #scope: AsyncResource | undefined;
  #metadata: Metadata | undefined;
  #holds = false;

  constructor(lower: ServerCall, bulkhead: Bulkhead, { method, item }: ServerInfo, clock: Clock) {
    super(lower);
    // grpc-js makes one such object a stream, and items are given that of the stream that carried them.
    this.group = item === undefined ? undefined : lower.getConnectionInfo();
    this.#bulkhead = bulkhead;
    this.#method = method;
    this.#clock = clock;
    this.deadlineMs = fromGrpcDeadline(lower.getDeadline(), clock);
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    const answer = this.#bulkhead.acquire(this);
    if (answer === 'granted') this.granted();
    else if (answer === 'queued') this.#scope = new AsyncResource('inmesh.bulkhead');
    else this.lower.sendStatus(serverRefusal(full('server', this.#method)));
  }
  granted(): void {
    this.#holds = true;
    if (this.#scope === undefined) this.#begin();
    else this.#scope.runInAsyncScope(this.#begin, this);
  }
  #begin(): void {
    if (this.#metadata !== undefined) this.upper.onReceiveMetadata(this.#metadata);
  }
  refused(): void {
    this.lower.sendStatus(serverRefusal(timedOut('server', this.#method, isLate(this.deadlineMs, this.#clock.nowMs()))));
  }
  override onCancel(): void {
    this.#bulkhead.cancel(this);
    this.#release();
    this.upper.onCancel();
  }
  override sendStatus(status: Parameters<ServerCall['sendStatus']>[0]): void {
    this.#release();
    this.lower.sendStatus(status);
  }
  #release(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#bulkhead.release();
  }
}

const full = (side: string, method: string): Refusal =>
  refusal(Code.RESOURCE_EXHAUSTED, `${side}.bulkhead/queue-full`, `bulkhead of ${method} is full`);

const timedOut = (side: string, method: string, isOver: boolean): Refusal =>
  isOver
    ? late(`${side}.bulkhead/deadline`, `the deadline ended in the queue of the bulkhead of ${method}`)
    : refusal(Code.RESOURCE_EXHAUSTED, `${side}.bulkhead/queue-timeout`, `no slot in the bulkhead of ${method} in time`);
