/**
 * Calls that are held back, or end before they were sent or served, because a fault says so.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code, codeName } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { REASON_KEY } from '../errors.ts';
import type { Fault, FaultPlan, Faults } from '../fault/faults.ts';
import type { CallInfo, NextClientCall } from './client-call.ts';
import { DeferredCall } from './deferred-call.ts';
import { detachedClock } from './detached.ts';
import { plainStatus } from './refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerStatus } from './server-call.ts';

/** Something that a fault holds back. */
interface Held {
  released(): void;
}

/** What the calls of one side share. */
export class FaultHome {
  readonly faults: Faults;
  readonly clock: Clock;
  readonly waits: DeadlineQueue<Held>;

  constructor(faults: Faults, clock: Clock) {
    this.faults = faults;
    this.clock = clock;
    this.waits = new DeadlineQueue<Held>(detachedClock(clock), (held) => held.released());
  }
}

/** An attempt that may meet a fault. It looks like one that its server failed, so that whatever learns from failures does. */
export class FaultCall extends DeferredCall implements Held {
  readonly #home: FaultHome;
  readonly #plan: FaultPlan;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  #fault: Fault | undefined;
  #wait: DeadlineHandle<Held> | undefined;

  constructor(home: FaultHome, plan: FaultPlan, info: CallInfo, next: NextClientCall) {
    super();
    this.#home = home;
    this.#plan = plan;
    this.#info = info;
    this.#next = next;
  }
  protected override waits(): void {
    const fault = this.#plan.meet(this.metadata);
    if (fault === undefined) {
      this.open(this.#next(this.#info));
      return;
    }
    this.#fault = fault;
    if (fault.delayMs === 0) {
      this.#abort(fault.abort ?? Code.UNKNOWN);
      return;
    }
    const untilMs = Math.min(this.#home.clock.nowMs() + fault.delayMs, this.#info.deadlineMs);
    this.#wait = this.#home.waits.add(this, untilMs);
  }
  released(): void {
    this.#wait = undefined;
    this.#fault?.end();
    // Whoever learned that its time is over before the fault is: grpc-js's own timer is below, and has not begun.
    if (this.#info.deadlineMs <= this.#home.clock.nowMs()) this.#late();
    else if (this.#fault?.abort !== undefined) this.#abort(this.#fault.abort);
    else this.#info.scope.runInAsyncScope(() => this.open(this.#next(this.#info)));
  }
  protected override gaveUp(): void {
    if (this.#wait !== undefined) this.#home.waits.remove(this.#wait);
    this.#wait = undefined;
    this.#fault?.end();
  }
  #late(): void {
    const status = plainStatus(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
    status.metadata.set(REASON_KEY, 'client.fault/deadline');
    this.fail(status);
  }
  #abort(code: number): void {
    this.#home.faults.counts.aborted++;
    // As one that a server has seen: who may not send those again must not send this one again.
    if (this.#info.attempt !== undefined) this.#info.attempt.started = true;
    this.fail(abortStatus(code, 'client.fault/abort'));
  }
}

/** A served call that may meet a fault. */
export class FaultServerCall extends ForwardingServerCall implements Held {
  readonly #home: FaultHome;
  readonly #plan: FaultPlan;
  #fault: Fault | undefined;
  #wait: DeadlineHandle<Held> | undefined;
  #metadata: Metadata | undefined;
  #scope: AsyncResource | undefined;
  #ended = false;

  constructor(lower: ServerCall, home: FaultHome, plan: FaultPlan) {
    super(lower);
    this.#home = home;
    this.#plan = plan;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    const fault = this.#plan.meet(metadata);
    if (fault === undefined) {
      this.upper.onReceiveMetadata(metadata);
      return;
    }
    this.#fault = fault;
    if (fault.delayMs === 0) {
      this.#abort(fault.abort ?? Code.UNKNOWN);
      return;
    }
    // Nothing is read until the handler is there: messages wait on the wire.
    this.#metadata = metadata;
    this.#scope = new AsyncResource('inmesh.fault');
    this.#wait = this.#home.waits.add(this, this.#home.clock.nowMs() + fault.delayMs);
  }
  released(): void {
    this.#wait = undefined;
    this.#fault?.end();
    const metadata = this.#metadata;
    if (this.#ended || metadata === undefined) return;
    if (this.#fault?.abort !== undefined) this.#abort(this.#fault.abort);
    else this.#scope?.runInAsyncScope(() => this.upper.onReceiveMetadata(metadata));
  }
  override onCancel(): void {
    this.#over();
    this.upper.onCancel();
  }
  override sendStatus(status: ServerStatus): void {
    this.#over();
    this.lower.sendStatus(status);
  }
  #abort(code: number): void {
    this.#home.faults.counts.aborted++;
    this.sendStatus(abortStatus(code, 'server.fault/abort'));
  }
  #over(): void {
    this.#ended = true;
    if (this.#wait !== undefined) this.#home.waits.remove(this.#wait);
    this.#wait = undefined;
    this.#fault?.end();
  }
}

function abortStatus(code: number, reason: string): StatusObject {
  const status = plainStatus(code, `inmesh: a fault ends this call with ${codeName(code)}`);
  status.metadata.set(REASON_KEY, reason);
  return status;
}
