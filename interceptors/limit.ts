/**
 * Adaptive limit: as many calls in flight as the callee can stand, a number that is found from how the calls go.
 *
 * - Scope: one permit per call (client: by method, above retry; server: one limit for all methods, below authorization, in
 *   `start`, so that nothing of a refused call is read).
 * - Rejects with RESOURCE_EXHAUSTED at the limit, at once or after waiting in a bounded queue; DEADLINE_EXCEEDED when the call's own
 *   time ends in the queue. Nothing was sent, no handler ran.
 * - Learns from unary calls: OK shows the latency; UNAVAILABLE, DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED shrink the limit; anything
 *   else, cancellations among them, teaches nothing. Streams hold a permit and teach nothing.
 * - Items of batches count one by one: coalescing is below.
 * - Source: Netflix concurrency-limits, Envoy's adaptive concurrency filter; cases A1-A14, M16.
 *
 * @packageDocumentation
 */
import type { Clock } from '../src/clock.ts';
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import { LimitCall, LimitServerCall } from '../src/grpc/limit-call.ts';
import type { ServerInfo, ServerLayer } from '../src/grpc/server-call.ts';
import type { AdaptiveLimiter } from '../src/limit/limiter.ts';

/** What the limit behaviour is told. */
export interface LimitSettings<Info> {
  readonly clock: Clock;
  /** The limit of a call; undefined: none. */
  readonly limitOf: (info: Info) => AdaptiveLimiter | undefined;
}

/** The client half. */
export function limitClient({ limitOf, clock }: LimitSettings<CallInfo>): ClientInterceptor {
  return (info, next) => {
    const limiter = limitOf(info);
    return limiter === undefined ? next(info) : new LimitCall(limiter, info, next, clock);
  };
}

/** The server half. */
export function limitServer({ limitOf, clock }: LimitSettings<ServerInfo>): ServerLayer {
  return (info, call) => {
    const limiter = limitOf(info);
    return limiter === undefined ? call : new LimitServerCall(call, limiter, info, clock);
  };
}
