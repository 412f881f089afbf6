/**
 * Hedging on its own, as a grpc-js client interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@grpc/grpc-js';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { type HedgeOptions, resolveHedgeOptions } from '../../src/hedge/options.ts';
import { pathSet } from '../../src/input/paths.ts';
import { ResetBudget } from '../../src/resets/reset-budget.ts';
import { RetryBudgets } from '../../src/retry/budgets.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import { type RetryBudgetOptions, resolveRetryBudgetOptions } from '../../src/retry/options.ts';
import { hedgeClient } from '../hedge.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link hedgeInterceptor}. */
export interface HedgeInterceptorOptions extends HedgeOptions {
  /** Paths (`/pkg.Service/Method`) of the methods to hedge, at least one. They may run more than once without harm. */
  readonly methods: readonly string[];
  /** How many attempts besides the first of each call. Default 20 % + 10/s for each service. */
  readonly budget?: RetryBudgetOptions;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/**
 * Sends calls that are not answered yet once more. To another endpoint where the client has `balanceOptions()`, else wherever
 * grpc-js's own balancing sends it. It stands where `retryInterceptor` does: a client has one of them.
 *
 * @throws ConfigError on a bad option.
 */
export function hedgeInterceptor(options: HedgeInterceptorOptions): Interceptor {
  const { methods, budget, clock = systemClock, ...own } = options;
  const hedged = pathSet(methods, 'hedge.methods');
  if (hedged.size === 0) throw new ConfigError('hedge.methods', 'is empty; name a method that may run more than once without harm');
  const hedge = resolveHedgeOptions(own, 'hedge');
  const rules = { hedge, idempotent: true, retry: { chainStop: true } };
  const hook = hedgeClient({
    clock,
    rules: () => rules,
    budgets: new RetryBudgets(resolveRetryBudgetOptions(budget, 'hedge.budget'), clock),
    latencies: new MethodLatencies(clock),
    resets: new ResetBudget(undefined, clock),
  });
  return asInterceptor(
    placed('retry', (info, next) => (hedged.has(info.method) ? hook(info, next) : undefined) ?? next(info)),
    clock,
  );
}
