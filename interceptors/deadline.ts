/**
 * Deadlines: a default where policy gives one, propagation from a call being served to the calls made for it, and refusal
 * of what is already late; with it goes what a call says of itself (priority, tenant).
 *
 * - Scope: one per call, the whole stream included; above everything that waits, below the records.
 * - Rejects with DEADLINE_EXCEEDED: late calls (nothing sent, no handler run: cases D1, D2, D5, D6, D9, C4), streams on which
 *   nothing happens (D4), and on the server what takes longer than its own default (D3).
 * - State: the links from a served call to its client calls; one timer a side, armed only while it is needed. A `parent:`
 *   given by the caller is honoured the same way, without grpc-js's listener per call.
 * - Source: gRPC deadline guide; Finagle's deadline context and `DeadlineFilter`; priorities: Google SRE, chapter 21.
 *
 * @packageDocumentation
 */
import { propagate } from '@grpc/grpc-js';
import type { Clock } from '../src/clock.ts';
import { deadlineAfter, isLate, minDeadline, withHopMargin } from '../src/deadline/arithmetic.ts';
import { type CallScope, currentScope } from '../src/deadline/call-scope.ts';
import { DeadlineQueue } from '../src/deadline/deadline-queue.ts';
import { LateRejects } from '../src/deadline/late-rejects.ts';
import { late } from '../src/errors.ts';
import { ChildCall, TraitsCall } from '../src/grpc/child-call.ts';
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import { detachedClock } from '../src/grpc/detached.ts';
import { IdleStreams } from '../src/grpc/idle-stream.ts';
import { parentScope } from '../src/grpc/parent-scope.ts';
import { localStatus, RefusedCall } from '../src/grpc/refuse.ts';
import { ServedCall, type ServedHome } from '../src/grpc/served-call.ts';
import type { ServerInfo, ServerLayer } from '../src/grpc/server-call.ts';
import { traitsToSend } from '../src/grpc/traits.ts';

/** What the deadline behaviour is told. */
export interface DeadlineSettings {
  readonly clock: Clock;
  /** Default timeout of a method in ms, for calls that come without a deadline; undefined: none is invented. */
  readonly timeoutMs: (info: CallInfo) => number | undefined;
  /** Longest time without a message on a stream of a method, in ms; undefined, or left out: as long as it likes. */
  readonly idleTimeoutMs?: (info: CallInfo) => number | undefined;
  /** Whether a client call made while serving a call ends no later than it. */
  readonly propagate: boolean;
  /** Kept back at each hop for the way home, in ms. */
  readonly hopMarginMs: number;
  /** Which of a call's traits its server is told. @defaultValue both */
  readonly traits?: { readonly priority: boolean; readonly tenant: boolean };
}

const BOTH = { priority: true, tenant: true };

/** The client half. */
export function deadlineClient(settings: DeadlineSettings): ClientInterceptor {
  const { clock, timeoutMs, idleTimeoutMs, hopMarginMs, traits: allowed = BOTH } = settings;
  const streams = new IdleStreams(clock);
  return (info, next) => {
    const nowMs = clock.nowMs();
    let { deadlineMs } = info;
    if (deadlineMs === Number.POSITIVE_INFINITY) deadlineMs = deadlineAfter(nowMs, timeoutMs(info));
    const scope = settings.propagate ? scopeOf(info, clock) : undefined;
    if (scope !== undefined && inherits(info, propagate.DEADLINE))
      deadlineMs = minDeadline(deadlineMs, withHopMargin(scope.deadlineMs, hopMarginMs));
    if (isLate(deadlineMs, nowMs))
      return new RefusedCall(localStatus(late('client.deadline/late', 'the deadline was over before the call was made')));
    const traits = traitsToSend(info, allowed);
    const parent = settings.propagate ? undefined : info.parent;
    const same = deadlineMs === info.deadlineMs && parent === info.parent && traits === undefined;
    const below = same ? info : { ...info, deadlineMs, parent, ownsMetadata: traits !== undefined || info.ownsMetadata === true };
    let call = next(below);
    if (traits !== undefined) call = new TraitsCall(call, traits, info.ownsMetadata === true);
    if (idleTimeoutMs !== undefined && info.kind !== undefined && info.kind !== 'unary') {
      const idleMs = idleTimeoutMs(info);
      if (idleMs !== undefined) call = streams.watch(call, idleMs);
    }
    return scope !== undefined && inherits(info, propagate.CANCELLATION) ? new ChildCall(call, scope) : call;
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

/** What the server half is told. */
export interface ServedDeadlineSettings {
  readonly clock: Clock;
  /** Timeout of a method in ms, for calls that come without a deadline; undefined, or left out: none. */
  readonly timeoutMs?: (info: ServerInfo) => number | undefined;
  /** Late calls are refused up to this fraction of all calls, 0 to 1. @defaultValue 1 */
  readonly rejectFraction?: number;
  /** Whether priority and tenant are believed. @defaultValue false */
  readonly trustTraits?: boolean;
  /** Told of a call that no handler runs for, because its time was over before. */
  readonly onLate?: () => void;
  /** Told of a late call that is served all the same. */
  readonly onLateServed?: () => void;
}

/** The server half: late calls are refused, and handlers run in the scope that their client calls inherit. */
export function deadlineServer(settings: ServedDeadlineSettings): ServerLayer {
  const { clock, timeoutMs, rejectFraction = 1, trustTraits = false, onLate = () => {}, onLateServed = () => {} } = settings;
  const due = new DeadlineQueue<ServedCall>(detachedClock(clock), (call) => call.expire());
  const home: ServedHome = { clock, due, rejects: new LateRejects(rejectFraction, clock), trustTraits, onLate, onLateServed };
  return (info, call) => new ServedCall(call, home, info.kind, timeoutMs?.(info));
}
