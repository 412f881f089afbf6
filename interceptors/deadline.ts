/**
 * Deadlines: a default where policy gives one, propagation from a call being served to the calls made for it, and refusal
 * of what is already late.
 *
 * - Scope: one per call, the whole stream included; above everything that waits, below the records.
 * - Rejects with DEADLINE_EXCEEDED, nothing sent, no handler run (cases D1, D2, D5, D6, C4).
 * - State: none but the links from a served call to its client calls; a `parent:` given by the caller is honoured the same
 *   way, without grpc-js's listener per call.
 * - Source: gRPC deadline guide; Finagle's deadline context.
 *
 * @packageDocumentation
 */
import { type Metadata, propagate, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../src/call.ts';
import type { Clock } from '../src/clock.ts';
import { deadlineAfter, isLate, minDeadline, withHopMargin } from '../src/deadline/arithmetic.ts';
import { CallScope, type Child, currentScope } from '../src/deadline/call-scope.ts';
import { late } from '../src/errors.ts';
import { type CallInfo, type CallListener, type ClientCall, type ClientInterceptor, ForwardingCall } from '../src/grpc/client-call.ts';
import { fromGrpcDeadline } from '../src/grpc/door.ts';
import { parentScope } from '../src/grpc/parent-scope.ts';
import { localStatus, RefusedCall, serverRefusal } from '../src/grpc/refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerLayer } from '../src/grpc/server-call.ts';

/** What the deadline behaviour is told. */
export interface DeadlineSettings {
  readonly clock: Clock;
  /** Default timeout of a method in ms, for calls that come without a deadline; undefined: none is invented. */
  readonly timeoutMs: (info: CallInfo) => number | undefined;
  /** Whether a client call made while serving a call ends no later than it. */
  readonly propagate: boolean;
  /** Kept back at each hop for the way home, in ms. */
  readonly hopMarginMs: number;
}

/** The client half. */
export function deadlineClient(settings: DeadlineSettings): ClientInterceptor {
  const { clock, timeoutMs, hopMarginMs } = settings;
  return (info, next) => {
    const nowMs = clock.nowMs();
    let { deadlineMs } = info;
    if (deadlineMs === Number.POSITIVE_INFINITY) deadlineMs = deadlineAfter(nowMs, timeoutMs(info));
    const scope = settings.propagate ? scopeOf(info, clock) : undefined;
    if (scope !== undefined && inherits(info, propagate.DEADLINE))
      deadlineMs = minDeadline(deadlineMs, withHopMargin(scope.deadlineMs, hopMarginMs));
    if (isLate(deadlineMs, nowMs))
      return new RefusedCall(localStatus(late('client.deadline/late', 'the deadline was over before the call was made')));
    const parent = settings.propagate ? undefined : info.parent;
    const same = deadlineMs === info.deadlineMs && parent === info.parent;
    const lower = next(same ? info : { ...info, deadlineMs, parent });
    return scope !== undefined && inherits(info, propagate.CANCELLATION) ? new ChildCall(lower, scope) : lower;
  };
}

/** The `parent:` given for this call, else the call being served here. */
function scopeOf(info: CallInfo, clock: Clock): CallScope | undefined {
  if (info.parent !== undefined) return parentScope(info.parent, clock);
  const scope = currentScope.getStore();
  return scope?.open ? scope : undefined;
}

function inherits(info: CallInfo, flag: number): boolean {
  return ((info.propagateFlags ?? propagate.DEFAULTS) & flag) !== 0;
}

/** A call that ends when the call it was made for is cancelled. */
class ChildCall extends ForwardingCall implements Child {
  readonly #scope: CallScope;

  constructor(lower: ClientCall, scope: CallScope) {
    super(lower);
    this.#scope = scope;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#scope.add(this);
    super.start(metadata, listener);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#scope.delete(this);
    this.upper.onReceiveStatus(status);
  }
  parentCancelled(): void {
    this.lower.cancelWithStatus(Code.CANCELLED, 'Cancelled by parent call');
  }
}

/** The server half: late calls are refused, and handlers run in the scope that their client calls inherit. */
export function deadlineServer({ clock }: { readonly clock: Clock }): ServerLayer {
  return (_info, call) => new ScopedServerCall(call, clock);
}

class ScopedServerCall extends ForwardingServerCall {
  readonly #clock: Clock;
  #scope: CallScope | undefined;

  constructor(lower: ServerCall, clock: Clock) {
    super(lower);
    this.#clock = clock;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    const deadlineMs = fromGrpcDeadline(this.lower.getDeadline(), this.#clock);
    if (isLate(deadlineMs, this.#clock.nowMs())) {
      this.lower.sendStatus(serverRefusal(late('server.deadline/late', 'the deadline was over when the call arrived')));
      return;
    }
    this.#scope = new CallScope(deadlineMs);
    currentScope.run(this.#scope, () => this.upper.onReceiveMetadata(metadata));
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
    if (scope === undefined) return;
    if (currentScope.getStore() === scope) this.upper.onReceiveHalfClose();
    else currentScope.run(scope, () => this.upper.onReceiveHalfClose());
  }
  override onCancel(): void {
    this.#scope?.cancelled();
    this.upper.onCancel();
  }
  override sendStatus(status: Parameters<ServerCall['sendStatus']>[0]): void {
    this.#scope?.answered();
    this.lower.sendStatus(status);
  }
}
