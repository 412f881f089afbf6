/**
 * Adaptive limits on their own, as grpc-js interceptors.
 *
 * @packageDocumentation
 */
import type { Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { KeyedLimits } from '../../src/limit/keyed.ts';
import { AdaptiveLimiter } from '../../src/limit/limiter.ts';
import { type AdaptiveLimitOptions, createAlgorithm, resolveLimitOptions } from '../../src/limit/options.ts';
import { systemRandom } from '../../src/random.ts';
import { limitClient, limitServer } from '../limit.ts';
import { placed } from '../pipeline.ts';

/** Finds how many calls in flight the server stands, each method for itself, and refuses more. @throws ConfigError on a bad option. */
export function limitInterceptor(options: AdaptiveLimitOptions = {}): Interceptor {
  const rules = resolveLimitOptions(options, 'limit');
  const limits = new KeyedLimits(() => rules, { clock: systemClock, random: systemRandom });
  return asInterceptor(placed('limit', limitClient({ clock: systemClock, limitOf: ({ method }) => limits.for(method) })));
}

/** Finds how many calls this server stands at a time, over all methods, and refuses more. @throws ConfigError on a bad option. */
export function limitServerInterceptor(options: AdaptiveLimitOptions = {}): ServerInterceptor {
  const rules = resolveLimitOptions(options, 'limit');
  const limiter = new AdaptiveLimiter(rules, createAlgorithm(rules, systemRandom), systemClock);
  return asServerInterceptor(limitServer({ clock: systemClock, limitOf: () => limiter }));
}
