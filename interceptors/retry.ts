/**
 * Retry: sends a failed call again when that is safe, worth it, and within the budget.
 *
 * - Scope: per call and per item of a batch, never per batch; below everything that counts calls, above everything that
 *   counts attempts. A hedged method's calls are the hedge's, from here on.
 * - Idempotency: what the server provably never ran is re-sent whatever the method; what it may have run, only if the
 *   method is marked (policy `idempotent: true`, or `CallOptions.inmesh.idempotent`).
 * - A try of a marked unary method that takes too long is joined by another one elsewhere.
 * - Streams: replayed until the first answer reaches the app or the buffer is full, then committed.
 * - Rejects with UNAVAILABLE `client.throttle/shed`, nothing sent, where adaptive throttling is on.
 * - State: one budget and one throttle per service, one window of latencies per method.
 * - Source: gRFC A6; budget: Finagle's RetryBudget; throttle: SRE chapter 21. grpc-js's transparent retries stay on below.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import { Code } from '../src/call.ts';
import type { Clock } from '../src/clock.ts';
import { refusal } from '../src/errors.ts';
import { type CallInfo, type ClientCall, type ClientInterceptor, ForwardingCall, type NextClientCall } from '../src/grpc/client-call.ts';
import { localStatus, RefusedCall } from '../src/grpc/refuse.ts';
import { BUFFER_LIMITS } from '../src/grpc/retry-buffer.ts';
import { RetryCall } from '../src/grpc/retry-call.ts';
import { type RetryHome, retryHome } from '../src/grpc/retry-home.ts';
import type { MethodRetry, RetryOnResponse, RetrySettings } from '../src/grpc/retry-settings.ts';
import type { Random } from '../src/random.ts';
import type { AdaptiveThrottle, AdaptiveThrottles } from '../src/retry/adaptive-throttle.ts';
import type { RetryBudgets } from '../src/retry/budgets.ts';
import type { NoRetryReason } from '../src/retry/decide.ts';
import type { MethodLatencies } from '../src/retry/latencies.ts';

/** What the retry behaviour is told. */
export interface RetryBehaviourSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: (info: CallInfo) => MethodRetry;
  /** Shared with all else that sends calls again. */
  readonly budgets: RetryBudgets;
  readonly latencies: MethodLatencies;
  readonly warn: (line: string) => void;
  readonly onRetry?: (info: CallInfo) => void;
  /** True: an answer with OK is no good, ask again. For marked unary methods. */
  readonly retryOnResponse?: RetryOnResponse | undefined;
  /** Undefined: nothing is refused here. */
  readonly throttles?: AdaptiveThrottles | undefined;
  /** Asked first: the call of a method that is hedged. Undefined: it is retried. */
  readonly hedge?: ((info: CallInfo, next: NextClientCall) => ClientCall | undefined) | undefined;
}

/** Methods that are remembered to have been told about. */
const MAX_HINTED = 1000;

/** The client half; a server has none. @param home - Outlives a policy. Default: one of its own. */
export function retryClient(settings: RetryBehaviourSettings, home: RetryHome = retryHome(settings)): ClientInterceptor {
  const { clock, random, rules, budgets, latencies, warn, onRetry, throttles, hedge } = settings;
  const { hinted, tries, retryOnResponse } = home;
  const onGivenUp = ({ method }: CallInfo, why: NoRetryReason, code: number): void => {
    if (why !== 'not-idempotent' || hinted.has(method) || hinted.size >= MAX_HINTED) return;
    hinted.add(method);
    const name = method.slice(1);
    warn(
      `${name} failed with code ${code} after it may have been processed, and is not sent again because nothing says that running it twice does no harm. If so, say it: methods: { "${name}": { idempotent: true } }`,
    );
  };
  const all: RetrySettings = {
    clock,
    random,
    rules,
    budget: (method) => budgets.of(method),
    latencies,
    tries,
    limits: BUFFER_LIMITS,
    retryOnResponse,
    onGivenUp,
    onRetry: onRetry ?? (() => {}),
  };
  const make: ClientInterceptor = (info, next) => hedge?.(info, next) ?? new RetryCall(all, info, next);
  if (throttles === undefined) return make;
  return (info, next) => {
    const throttle = throttles.of(info.method);
    return throttle.trySend() ? new ThrottledCall(make(info, next), throttle) : new RefusedCall(localStatus(SHED));
  };
}

const SHED = refusal(Code.UNAVAILABLE, 'client.throttle/shed', 'not sent: the service refuses too many of its calls');

/** Tells the throttle how a call ended. */
class ThrottledCall extends ForwardingCall {
  readonly #throttle: AdaptiveThrottle;

  constructor(lower: ClientCall, throttle: AdaptiveThrottle) {
    super(lower);
    this.#throttle = throttle;
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#throttle.ended(status.code);
    this.upper.onReceiveStatus(status);
  }
}
