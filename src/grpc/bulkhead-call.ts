/**
 * Calls that hold, or wait for, a permit of a bulkhead.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Bulkhead, Ticket, Waiter } from '../bulkhead/bulkhead.ts';
import { Code, PRIORITIES } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import { currentScope } from '../deadline/call-scope.ts';
import { late, type Refusal, refusal } from '../errors.ts';
import type { QueueName } from '../observe/queue-span.ts';
import type { CallInfo, CallListener, NextClientCall } from './client-call.ts';
import { DeferredCall } from './deferred-call.ts';
import { fromGrpcDeadline } from './door.ts';
import { localStatus, serverRefusal } from './refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerInfo } from './server-call.ts';
import { priorityOf, tenantOf } from './traits.ts';

/** Why a call gets no permit: no room, it waited too long, its own time ended, or a more important one took its place. */
export type NoPermit = 'full' | 'timeout' | 'deadline' | 'evicted';
/** The refusal for it, in the words of a behaviour. */
export type RefusalWords = (side: 'client' | 'server', method: string, why: NoPermit) => Refusal;

/** A client call. While it waits, what the app sends is kept. */
export class BulkheadCall extends DeferredCall implements Waiter, CallListener {
  readonly deadlineMs: number;
  partition: string | undefined = undefined;
  ticket: Ticket | undefined = undefined;
  /** Its name in traces. */
  protected get queue(): QueueName {
    return 'bulkhead';
  }
  protected readonly info: CallInfo;
  protected readonly clock: Clock;
  readonly #bulkhead: Bulkhead;
  readonly #next: NextClientCall;
  readonly #words: RefusalWords;
  #holds = false;
  /** Since when it waits, on the clock; 0: it has not. */
  #sinceMs = 0;

  constructor(bulkhead: Bulkhead, info: CallInfo, next: NextClientCall, clock: Clock, words: RefusalWords = bulkheadWords) {
    super();
    this.#bulkhead = bulkhead;
    this.info = info;
    this.#next = next;
    this.clock = clock;
    this.#words = words;
    this.deadlineMs = info.deadlineMs;
  }
  /** Asked for only where it must wait. */
  get rank(): number {
    return PRIORITIES.indexOf(priorityOf(this.info));
  }
  protected override waits(): void {
    const { by } = this.#bulkhead;
    if (by !== undefined) this.partition = partitionOf(by, this.info);
    const answer = this.#bulkhead.acquire(this);
    if (answer === 'granted') this.granted();
    else if (answer === 'queued') this.#sinceMs = this.clock.nowMs();
    else this.fail(localStatus(this.#words('client', this.info.method, 'full')));
  }
  protected override gaveUp(): void {
    this.#waited();
    this.#bulkhead.cancel(this);
  }
  granted(): void {
    this.#holds = true;
    if (this.#sinceMs > 0) this.#waited();
    try {
      this.info.scope.runInAsyncScope(this.#begin, this);
    } catch (error) {
      this.#release();
      throw error;
    }
  }
  #waited(): void {
    const { story, record } = this.info;
    story?.waited(this.#sinceMs, this.clock.nowMs(), true);
    record?.call.waited(this.queue, this.#sinceMs);
  }
  #release(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#bulkhead.release(this);
  }
  #begin(): void {
    this.open(this.#next(this.info), this);
  }
  refused(why: 'timeout' | 'evicted'): void {
    this.#waited();
    this.fail(localStatus(this.#words('client', this.info.method, whyNot(why, this.deadlineMs, this.clock))));
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
  partition: string | undefined = undefined;
  ticket: Ticket | undefined = undefined;
  /** Its name in traces. */
  protected get queue(): QueueName {
    return 'bulkhead';
  }
  protected readonly info: ServerInfo;
  protected readonly clock: Clock;
  readonly #bulkheadOf: (info: ServerInfo) => Bulkhead | undefined;
  readonly #words: RefusalWords;
  #bulkhead: Bulkhead | undefined;
  /** The call's own context: whoever gives up a slot for it does so in another. */
  #scope: AsyncResource | undefined;
  #metadata: Metadata | undefined;
  #holds = false;
  /** Since when it waits, on the clock; 0: it has not. */
  #sinceMs = 0;

  /** @param bulkheadOf - Asked when the call begins, in its own context: not before is known whom it is for. */
  constructor(
    lower: ServerCall,
    bulkheadOf: (info: ServerInfo) => Bulkhead | undefined,
    info: ServerInfo,
    clock: Clock,
    words: RefusalWords = bulkheadWords,
  ) {
    super(lower);
    this.info = info;
    this.clock = clock;
    this.#bulkheadOf = bulkheadOf;
    this.#words = words;
    this.deadlineMs = fromGrpcDeadline(lower.getDeadline(), clock);
  }
  /** Asked for only where it must wait. */
  get rank(): number {
    return PRIORITIES.indexOf(currentScope.getStore()?.priority ?? 'default');
  }
  /** The carrier of an item; undefined for a call of its own. */
  get group(): object | undefined {
    // grpc-js makes one such object a stream, and items are given that of the stream that carried them.
    return this.info.item === undefined ? undefined : this.lower.getConnectionInfo();
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    const bulkhead = this.#bulkheadOf(this.info);
    if (bulkhead === undefined) {
      this.#begin();
      return;
    }
    this.#bulkhead = bulkhead;
    if (bulkhead.by !== undefined) this.partition = servedPartitionOf(bulkhead.by, this.info.method);
    const answer = bulkhead.acquire(this);
    if (answer === 'granted') this.granted();
    else if (answer === 'queued') {
      this.#scope = new AsyncResource('inmesh.bulkhead');
      this.#sinceMs = this.clock.nowMs();
    } else this.#refuse('full');
  }
  granted(): void {
    this.#holds = true;
    if (this.#sinceMs > 0) this.#waited();
    if (this.#scope === undefined) this.#begin();
    else this.#scope.runInAsyncScope(this.#begin, this);
  }
  #begin(): void {
    if (this.#metadata !== undefined) this.upper.onReceiveMetadata(this.#metadata);
  }
  refused(why: 'timeout' | 'evicted'): void {
    this.#waited();
    this.#refuse(whyNot(why, this.deadlineMs, this.clock));
  }
  #refuse(why: NoPermit): void {
    this.lower.sendStatus(serverRefusal(this.#words('server', this.info.method, why)));
  }
  override onCancel(): void {
    this.#bulkhead?.cancel(this);
    this.#release();
    this.upper.onCancel();
  }
  override sendStatus(status: Parameters<ServerCall['sendStatus']>[0]): void {
    this.#release();
    this.lower.sendStatus(status);
  }
  #waited(): void {
    const { story, waits } = this.info;
    story?.waited(this.#sinceMs, this.clock.nowMs(), true);
    waits?.waited(this.queue, this.#sinceMs);
  }
  #release(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#bulkhead?.release(this);
  }
}

function partitionOf(by: NonNullable<Bulkhead['by']>, info: CallInfo): string | undefined {
  if (by === 'method') return info.method.slice(1);
  return by === 'tenant' ? tenantOf(info) : priorityOf(info);
}

function servedPartitionOf(by: NonNullable<Bulkhead['by']>, method: string): string | undefined {
  if (by === 'method') return method.slice(1);
  return by === 'tenant' ? servedTenant() : (currentScope.getStore()?.priority ?? 'default');
}

/** Whom the call being served here is for. */
export function servedTenant(): string | undefined {
  return currentScope.getStore()?.tenant;
}

function whyNot(why: 'timeout' | 'evicted', deadlineMs: number, clock: Clock): NoPermit {
  return why === 'timeout' && isLate(deadlineMs, clock.nowMs()) ? 'deadline' : why;
}

const bulkheadWords: RefusalWords = (side, method, why) => {
  switch (why) {
    case 'full':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.bulkhead/queue-full`, `bulkhead of ${method} is full`);
    case 'evicted':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.bulkhead/evicted`, `bulkhead of ${method} is full of more important calls`);
    case 'timeout':
      return refusal(Code.RESOURCE_EXHAUSTED, `${side}.bulkhead/queue-timeout`, `no slot in the bulkhead of ${method} in time`);
    case 'deadline':
      return late(`${side}.bulkhead/deadline`, `the deadline ended in the queue of the bulkhead of ${method}`);
  }
};
