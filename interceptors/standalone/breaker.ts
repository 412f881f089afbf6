/**
 * The circuit breaker on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@grpc/grpc-js';
import { type BreakerHandle, Breakers } from '../../src/breaker/breakers.ts';
import type { FailureCounter } from '../../src/breaker/counters.ts';
import { type BreakerOptions, resolveBreakerOptions } from '../../src/breaker/options.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { show } from '../../src/input/show.ts';
import { breakerClient } from '../breaker.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link breakerInterceptor}. */
export interface BreakerInterceptorOptions extends BreakerOptions {
  /**
   * Makes what counts a method's failures, in place of `consecutiveFailures` and `failureRatio`. Any breaker of cockatiel's
   * will do: `() => new CountBreaker({ threshold: 0.2, size: 100 })`.
   */
  readonly counter?: () => FailureCounter;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/** An interceptor whose breakers can be used by hand. */
export interface BreakerInterceptor extends Interceptor {
  /** @param method - `/pkg.Service/Method` */
  breaker(method: string): BreakerHandle;
}

/** Refuses calls at once while their method keeps failing, each method for itself. @throws ConfigError on a bad option. */
export function breakerInterceptor(options: BreakerInterceptorOptions = {}): BreakerInterceptor {
  const { counter, clock = systemClock, ...own } = options;
  const rules = resolveBreakerOptions(own, 'breaker');
  if (counter !== undefined && typeof counter !== 'function')
    throw new ConfigError('breaker.counter', `expected a function that makes a counter, got ${show(counter)}`);
  const breakers = new Breakers(() => rules, clock, undefined, counter === undefined ? undefined : () => [counter()]);
  const interceptor = asInterceptor(placed('breaker', breakerClient({ clock, breakerOf: (method) => breakers.for(method) })));
  return Object.assign(interceptor, { breaker: (method: string) => breakers.handle(method) });
}
