/**
 * A call being served: refused when it comes too late, ended when it takes too long, and the scope that the client calls of
 * its handler inherit from.
 *
 * @packageDocumentation
 */
import type { Deadline, Metadata } from '@grpc/grpc-js';
import { Code, type MethodKind } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate, NO_DEADLINE } from '../deadline/arithmetic.ts';
import { CallScope, currentScope } from '../deadline/call-scope.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { LateRejects } from '../deadline/late-rejects.ts';
import { late, type Refusal } from '../errors.ts';
import { fromGrpcDeadline, toGrpcDeadline } from './door.ts';
import { isRefused, serverRefusal } from './refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerStatus } from './server-call.ts';
import { takeTraits } from './traits.ts';

/** What all calls of one server share. */
export interface ServedHome {
  readonly clock: Clock;
  /** Those that have a deadline of ours. */
  readonly due: DeadlineQueue<ServedCall>;
  readonly rejects: LateRejects;
  readonly trustTraits: boolean;
  /** Told of a call that no handler runs for, because its time was over before. */
  readonly onLate: () => void;
  /** Told of a late call that is served all the same. */
  readonly onLateServed: () => void;
}

export class ServedCall extends ForwardingServerCall {
  readonly #home: ServedHome;
  readonly #timeoutMs: number | undefined;
  /** Its handler takes one message and runs once that is there; else it runs from the start. */
  readonly #runsLater: boolean;
  #scope: CallScope | undefined;
  #expiry: DeadlineHandle<ServedCall> | undefined;
  /** A deadline of ours; `Infinity`: the call has its own, or none. */
  #deadlineMs = NO_DEADLINE;
  #over = false;
  /** Something above has taken it up: it waits in no queue. */
  #takenUp = false;
  /** It was found to be late; whether it is served was settled then. */
  #late = false;

  /** @param timeoutMs - Of a call that comes without a deadline; undefined: it may take as long as it likes. */
  constructor(lower: ServerCall, home: ServedHome, kind: MethodKind, timeoutMs: number | undefined) {
    super(lower);
    this.#home = home;
    this.#runsLater = kind === 'unary' || kind === 'serverStream';
    this.#timeoutMs = timeoutMs;
  }

  override onReceiveMetadata(metadata: Metadata): void {
    const { clock, due, rejects, trustTraits } = this.#home;
    const nowMs = clock.nowMs();
    let deadlineMs = fromGrpcDeadline(this.lower.getDeadline(), clock);
    rejects.arrived();
    if (this.#refusesLate(deadlineMs, nowMs, 'when the call arrived')) return;
    if (deadlineMs === NO_DEADLINE && this.#timeoutMs !== undefined) {
      deadlineMs = this.#deadlineMs = nowMs + this.#timeoutMs;
      this.#expiry = due.add(this, deadlineMs);
    }
    const scope = new CallScope(deadlineMs, takeTraits(metadata, trustTraits));
    this.#scope = scope;
    currentScope.run(scope, () => this.upper.onReceiveMetadata(metadata));
  }
  // grpc-js loses the context between these hooks, so each of them enters it again.
  override onReceiveMessage(message: unknown): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    // An item's hooks come nested, a call's own each from the wire.
    if (currentScope.getStore() === scope) this.upper.onReceiveMessage(message);
    else currentScope.run(scope, () => this.upper.onReceiveMessage(message));
  }
  override onReceiveHalfClose(): void {
    const scope = this.#scope;
    if (scope === undefined || this.#over) return;
    // The message took its time to come, or the process had others to serve.
    if (this.#runsLater && this.#refusesLate(scope.deadlineMs, this.#home.clock.nowMs(), 'before its handler could run')) return;
    if (currentScope.getStore() === scope) this.upper.onReceiveHalfClose();
    else currentScope.run(scope, () => this.upper.onReceiveHalfClose());
  }
  /** True: it is refused, and nothing above hears of it again. */
  #refusesLate(deadlineMs: number, nowMs: number, when: string): boolean {
    if (!isLate(deadlineMs, nowMs) || this.#late) return false;
    this.#late = true;
    const { rejects, onLate, onLateServed } = this.#home;
    if (!rejects.tryReject()) {
      onLateServed();
      return false;
    }
    this.#over = true;
    onLate();
    this.lower.sendStatus(serverRefusal(late('server.deadline/late', `the deadline was over ${when}`)));
    return true;
  }

  override startRead(): void {
    this.#takenUp = true;
    this.lower.startRead();
  }
  override onCancel(): void {
    const { clock, onLate } = this.#home;
    // The transport's own timer may be first to end a call that waits.
    if (!this.#takenUp && !this.#over && this.#scope !== undefined && isLate(this.#scope.deadlineMs, clock.nowMs())) onLate();
    this.#over = true;
    this.#settle();
    this.#scope?.cancelled();
    this.upper.onCancel();
  }

  /** The time that the server gives it is over. Its handler is told as of any other cancellation. */
  expire(): void {
    this.#expiry = undefined;
    this.#over = true;
    this.#scope?.cancelled();
    this.lower.sendStatus(serverRefusal(TIMEOUT));
  }

  override getDeadline(): Deadline {
    return this.#deadlineMs === NO_DEADLINE ? this.lower.getDeadline() : toGrpcDeadline(this.#deadlineMs, this.#home.clock);
  }
  override sendMetadata(metadata: Metadata): void {
    if (!this.#over) this.lower.sendMetadata(metadata);
  }
  override sendMessage(message: unknown, callback: () => void): void {
    if (!this.#over) this.lower.sendMessage(message, callback);
  }
  override sendStatus(status: ServerStatus): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle();
    this.#scope?.answered();
    if (status.code === Code.DEADLINE_EXCEEDED && isRefused(status)) this.#home.onLate();
    this.lower.sendStatus(status);
  }
  #settle(): void {
    if (this.#expiry === undefined) return;
    this.#home.due.remove(this.#expiry);
    this.#expiry = undefined;
  }
}

/** Its handler has run. */
const TIMEOUT: Refusal = {
  code: Code.DEADLINE_EXCEEDED,
  details: "inmesh: the server's own timeout for calls without a deadline is over",
  reason: 'server.deadline/timeout',
  unprocessed: false,
};
