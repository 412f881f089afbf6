/**
 * Retry on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import type { RetryOnResponse } from '../../src/grpc/retry-settings.ts';
import { pathSet } from '../../src/input/paths.ts';
import { show } from '../../src/input/show.ts';
import { systemRandom } from '../../src/random.ts';
import { type AdaptiveThrottleOptions, AdaptiveThrottles, resolveAdaptiveThrottleOptions } from '../../src/retry/adaptive-throttle.ts';
import { RetryBudgets } from '../../src/retry/budgets.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import { type RetryBudgetOptions, type RetryOptions, resolveRetryBudgetOptions, resolveRetryOptions } from '../../src/retry/options.ts';
import { placed } from '../pipeline.ts';
import { retryClient } from '../retry.ts';

/** Options of {@link retryInterceptor}. */
export interface RetryInterceptorOptions extends RetryOptions {
  /** Paths (`/pkg.Service/Method`) of methods that may run twice without harm. Default none: only what never ran is re-sent. */
  readonly idempotentMethods?: readonly string[];
  /** How many calls may be re-sent. Default 20 % + 10/s for each service. */
  readonly budget?: RetryBudgetOptions;
  /** True: an answer with OK is no good, ask again. Of idempotent unary methods; the last attempt's is the app's in any case. */
  readonly retryOnResponse?: RetryOnResponse;
  /** Refuses calls that their service would only refuse. Default: none is refused. */
  readonly adaptiveThrottle?: AdaptiveThrottleOptions;
}

/** Sends failed calls again where that is safe. @throws ConfigError on a bad option. */
export function retryInterceptor(options: RetryInterceptorOptions = {}): Interceptor {
  const { idempotentMethods = [], budget, retryOnResponse, adaptiveThrottle, ...own } = options;
  if (retryOnResponse !== undefined && typeof retryOnResponse !== 'function')
    throw new ConfigError('retry.retryOnResponse', `expected a function, got ${show(retryOnResponse)}`);
  const retry = resolveRetryOptions(own, 'retry');
  const throttle = adaptiveThrottle && resolveAdaptiveThrottleOptions(adaptiveThrottle, 'retry.adaptiveThrottle');
  const marked = pathSet(idempotentMethods, 'retry.idempotentMethods');
  const rules = { marked: { retry, idempotent: true }, unmarked: { retry, idempotent: false } };
  const intercept = retryClient({
    clock: systemClock,
    random: systemRandom,
    rules: ({ method }) => (marked.has(method) ? rules.marked : rules.unmarked),
    budgets: new RetryBudgets(resolveRetryBudgetOptions(budget, 'retry.budget'), systemClock),
    latencies: new MethodLatencies(systemClock),
    throttles: throttle && new AdaptiveThrottles(throttle, systemClock, systemRandom),
    retryOnResponse,
    warn: (line) => process.emitWarning(line, 'InmeshWarning'),
  });
  return asInterceptor(placed('retry', intercept));
}
