/**
 * Hedging: a call that is not answered yet is sent to another endpoint too, and the first good answer wins.
 *
 * - Scope: per call and per item of a batch, in the stage of retry, which asks here first: a hedged call is not retried besides.
 *   Only methods that are marked idempotent, for several attempts may run.
 * - Rejects with nothing of its own. The original is always sent; further attempts are paid from the budget of retries.
 * - Streams: replayed to each attempt until one of them answers with a message (of two-way ones: with headers).
 * - Losers: reset within the reset budget, else left to finish. What a call that is itself a retry or a hedge asks for is
 *   not hedged, or attempts would double at each hop.
 * - State: one latency window for each method, which retry shares; one timer for all.
 * - Source: gRFC A6; Finagle's BackupRequestFilter (percentile, budget), "The Tail at Scale". Cases H1-H20.
 *
 * @packageDocumentation
 */
import type { Clock } from '../src/clock.ts';
import { currentScope } from '../src/deadline/call-scope.ts';
import { DeadlineQueue } from '../src/deadline/deadline-queue.ts';
import type { CallInfo, ClientCall, Door, NextClientCall } from '../src/grpc/client-call.ts';
import { detachedClock } from '../src/grpc/detached.ts';
import type { AttemptSettings, HedgeAttempt, Waiting } from '../src/grpc/hedge-attempt.ts';
import { HedgeCall, type HedgeCallSettings, type HedgedMethod } from '../src/grpc/hedge-call.ts';
import { BUFFER_LIMITS } from '../src/grpc/retry-buffer.ts';
import type { HedgeRules } from '../src/hedge/options.ts';
import { HedgeShares } from '../src/hedge/share.ts';

/** What policy says of hedging one method. */
export interface MethodHedge {
  /** Undefined: it is not hedged. */
  readonly hedge?: HedgeRules | undefined;
  readonly idempotent: boolean;
  readonly retry: { readonly chainStop: boolean };
}

/** What the hedging behaviour is told. */
export interface HedgeBehaviourSettings {
  readonly clock: Clock;
  readonly rules: (info: CallInfo) => MethodHedge;
  /** What pays for attempts, by method; the same as retry's. */
  readonly budgets: { of(method: string): HedgedMethod['budget'] };
  /** How fast methods answer; the same as retry's. */
  readonly latencies: { of(method: string): HedgedMethod['latencies'] };
  /** Asked before a stream is reset. Default: nobody is. */
  readonly resets?: AttemptSettings['resets'] | undefined;
  readonly onHedge?: (info: CallInfo) => void;
}

/** Asked for each call by the stage of retry; undefined: this one is not hedged. */
export type HedgeHook = (info: CallInfo, next: NextClientCall) => ClientCall | undefined;

/** What is the same whatever policy says: one timer for all hedges, shares, the losers that are left, the channels that end with them. */
export interface HedgeHome {
  readonly timers: DeadlineQueue<Waiting>;
  readonly shares: HedgeShares;
  readonly left: Set<HedgeAttempt>;
  readonly channels: WeakSet<NonNullable<Door['onClose']>>;
}

/** For one client half. */
export function hedgeHome(clock: Clock): HedgeHome {
  return {
    timers: new DeadlineQueue<Waiting>(detachedClock(clock), (waiting) => waiting.due()),
    shares: new HedgeShares(),
    left: new Set(),
    channels: new WeakSet(),
  };
}

/** The client half; a server has none. @param home - Outlives a policy. Default: one of its own. */
export function hedgeClient(
  { clock, rules, budgets, latencies, resets, onHedge = () => {} }: HedgeBehaviourSettings,
  { timers, shares, left, channels }: HedgeHome = hedgeHome(clock),
): HedgeHook {
  const settings: HedgeCallSettings = { clock, timers, resets, left, limits: BUFFER_LIMITS, onHedge };
  const endsWith = ({ onClose, book }: Door): void => {
    if (onClose === undefined || channels.has(onClose)) return;
    channels.add(onClose);
    onClose(() => {
      for (const attempt of left) if (attempt.book === book) attempt.channelCloses();
    });
  };
  return (info, next) => {
    const { hedge, idempotent, retry } = rules(info);
    if (hedge === undefined || info.options?.retry === false || !(info.options?.idempotent ?? idempotent)) return undefined;
    if (retry.chainStop && (currentScope.getStore()?.attempt ?? 0) > 0) return undefined;
    const { method, door } = info;
    endsWith(door);
    const hedged = { rules: hedge, budget: budgets.of(method), latencies: latencies.of(method), share: shares.of(method) };
    return new HedgeCall(settings, hedged, info, next);
  };
}
