/**
 * Retry: sends a failed call again when that is safe, worth it, and within the budget.
 *
 * - Scope: per call and per item of a batch, never per batch; below everything that counts calls, above everything that
 *   counts attempts.
 * - Idempotency: what the server provably never ran is re-sent whatever the method; what it may have run, only if the
 *   method is marked (policy `idempotent: true`, or `CallOptions.inmesh.idempotent`).
 * - Streams: replayed until the first answer reaches the app or the buffer is full, then committed.
 * - State: one budget per service (20 % of its calls + 10/s; for items of a broken carrier, once a connection full of them).
 * - Source: gRFC A6; budget: Finagle's RetryBudget. grpc-js's transparent retries stay on below.
 *
 * @packageDocumentation
 */
import { splitMethod } from '../src/call.ts';
import type { Clock } from '../src/clock.ts';
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import { type MethodRetry, RetryCall, type RetrySettings } from '../src/grpc/retry-call.ts';
import type { Random } from '../src/random.ts';
import { RetryBudget } from '../src/retry/budget.ts';
import type { NoRetryReason } from '../src/retry/decide.ts';
import type { RetryBudgetOptions } from '../src/retry/options.ts';

/** What the retry behaviour is told. */
export interface RetryBehaviourSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: (info: CallInfo) => MethodRetry;
  readonly budget: RetryBudgetOptions;
  /** Most calls that one lost connection may take along in carriers. @defaultValue 0 */
  readonly carried?: number;
  readonly warn: (line: string) => void;
  readonly onRetry?: (info: CallInfo) => void;
}

/** gRPC's own limit for what one call keeps (`grpc.per_rpc_retry_buffer_size`). */
const MAX_BUFFER_BYTES = 1 << 20;
/** Services with a budget of their own; the rest share one, so that names can't fill the memory. */
const MAX_BUDGETS = 1000;

/** The client half; a server has none. */
export function retryClient(settings: RetryBehaviourSettings): ClientInterceptor {
  const { clock, random, rules, warn, onRetry } = settings;
  const budgets = new Map<string, RetryBudget>();
  const services = new Map<string, RetryBudget>();
  const hinted = new Set<string>();
  const budget = (method: string): RetryBudget => {
    const known = budgets.get(method);
    if (known !== undefined) return known;
    const service = services.size < MAX_BUDGETS ? splitMethod(method).service : '';
    const made = services.get(service) ?? new RetryBudget(settings.budget, clock, settings.carried);
    services.set(service, made);
    if (budgets.size < 10 * MAX_BUDGETS) budgets.set(method, made);
    return made;
  };
  const onGivenUp = ({ method }: CallInfo, why: NoRetryReason, code: number): void => {
    if (why !== 'not-idempotent' || hinted.has(method) || hinted.size >= MAX_BUDGETS) return;
    hinted.add(method);
    const name = method.slice(1);
    warn(
      `${name} failed with code ${code} after it may have been processed, and is not sent again because nothing says that running it twice does no harm. If so, say it: methods: { "${name}": { idempotent: true } }`,
    );
  };
  const all: RetrySettings = { clock, random, rules, budget, maxBufferBytes: MAX_BUFFER_BYTES, onGivenUp, onRetry: onRetry ?? (() => {}) };
  return (info, next) => new RetryCall(all, info, next);
}
