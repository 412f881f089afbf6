/**
 * Circuit breaker: while the calls of a method keep failing, further ones are refused at once, and one now and then is let out to see.
 *
 * - Scope: per method. Place: above limit and bulkhead, so that their refusals are no failures, and above retry, so that a call
 *   counts once, with its last outcome.
 * - Rejects with UNAVAILABLE within the turn. Nothing was sent; nothing below retries it.
 * - Counts drops (UNAVAILABLE, DEADLINE_EXCEEDED and the like) against it, answers for it; cancellation and refusals of ours
 *   say nothing. State: one breaker per method.
 * - Source: Nygard; cockatiel, resilience4j; cases O26, O28.
 *
 * @packageDocumentation
 */
import type { MethodBreaker } from '../src/breaker/breakers.ts';
import type { Clock } from '../src/clock.ts';
import { BreakerCall, brokenOff } from '../src/grpc/breaker-call.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import { localStatus, RefusedCall } from '../src/grpc/refuse.ts';

/** What the breaker behaviour is told. */
export interface BreakerSettings {
  readonly clock: Clock;
  /** The breaker of a method; undefined: none. */
  readonly breakerOf: (method: string) => MethodBreaker | undefined;
}

/** Client only: a server does not break off its own methods. */
export function breakerClient({ clock, breakerOf }: BreakerSettings): ClientInterceptor {
  return (info, next) => {
    const own = breakerOf(info.method);
    if (own === undefined) return next(info);
    const nowMs = clock.nowMs();
    if (own.breaker.enter(nowMs)) return new BreakerCall(next(info), own, clock, nowMs);
    own.refused++;
    return new RefusedCall(localStatus(brokenOff(info.method, own.breaker.state === 'isolated')));
  };
}
