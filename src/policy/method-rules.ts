/**
 * What holds for one method, in the engines' units: the layers of a policy merged field by field.
 *
 * @packageDocumentation
 */
import type { BreakerRules } from '../breaker/options.ts';
import { Code } from '../call.ts';
import type { HedgeRules } from '../hedge/options.ts';
import type { AdaptiveLimitRules } from '../limit/options.ts';
import { breakerRules } from './breaker-rules.ts';
import { durationMs } from './duration.ts';
import { hedgeRules } from './hedging.ts';
import { type BulkheadRules, bulkheadRules, limitRules } from './limit-rules.ts';
import { toCode } from './names.ts';
import type { CoalesceMode, MethodPolicy, RetryPolicy } from './policy.gen.ts';
import { firstSaid, MERGED, type PolicyLayer, saidAt } from './precedence.ts';

/** When and how often a call is sent again. */
export interface RetryRules {
  /** Attempts in all, 1 to 5. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly backoffMultiplier: number;
  /** gRPC status codes worth another try. */
  readonly retryableCodes: ReadonlySet<number>;
  /** Undefined: learned. 0: a try has no limit of its own. */
  readonly perTryTimeoutMs?: number;
  /** What is called for a retry is not retried itself. */
  readonly chainStop: boolean;
}

/** What holds for one method. */
export interface MethodRules {
  /** Deadline of calls that come without one. Undefined: none. */
  readonly timeoutMs?: number;
  /** Longest time without a message on a stream. Undefined: as long as it likes. */
  readonly idleTimeoutMs?: number;
  /** Running a call twice does no harm. */
  readonly idempotent: boolean;
  readonly retry: RetryRules;
  /** In place of retry, where it is set and the method is marked. */
  readonly hedge?: HedgeRules;
  /** Undefined: no limit. */
  readonly bulkhead?: BulkheadRules;
  /** Undefined: no limit. */
  readonly limit?: AdaptiveLimitRules;
  /** Undefined: none. */
  readonly breaker?: BreakerRules;
  readonly coalesce: CoalesceMode;
}

/** gRFC A6: more attempts are asked for in vain. */
const MAX_ATTEMPTS = 5;
const UNAVAILABLE_ONLY: ReadonlySet<number> = new Set([Code.UNAVAILABLE]);
const DEFAULT_MAX_BACKOFF_MS = 250;

/** Retry rules with the built-in defaults where `policy` says nothing. */
export function retryRules(policy: RetryPolicy): RetryRules {
  const initialBackoffMs = policy.initialBackoff === undefined ? undefined : durationMs(policy.initialBackoff);
  const maxBackoffMs =
    policy.maxBackoff === undefined ? Math.max(DEFAULT_MAX_BACKOFF_MS, initialBackoffMs ?? 0) : durationMs(policy.maxBackoff);
  return {
    maxAttempts: Math.min(MAX_ATTEMPTS, policy.maxAttempts ?? 3),
    initialBackoffMs: initialBackoffMs ?? Math.min(25, maxBackoffMs),
    maxBackoffMs,
    backoffMultiplier: policy.backoffMultiplier ?? 2,
    retryableCodes:
      policy.retryableStatusCodes === undefined
        ? UNAVAILABLE_ONLY
        : new Set(policy.retryableStatusCodes.map((code) => toCode(code) ?? Code.UNKNOWN)),
    ...(policy.perTryTimeout === undefined ? {} : { perTryTimeoutMs: durationMs(policy.perTryTimeout) }),
    chainStop: policy.chainStop ?? true,
  };
}

/** Layers merged into rules, by `precedence.ts`. */
export function methodRules(layers: readonly PolicyLayer[]): MethodRules {
  const first = <T>(read: (policy: MethodPolicy) => T | undefined): T | undefined => firstSaid(layers, read)?.value;
  const timeoutMs = durationMs(first((p) => p.timeout) ?? '0s');
  const idleTimeout = first((p) => p.idleTimeout);
  const bulkhead = bulkheadRules(first((p) => p.bulkhead));
  const limit = limitRules(first((p) => p.limit));
  const breaker = breakerRules(first((p) => p.breaker));
  const hedge = hedgeRules(first((p) => p.hedgingPolicy));
  return Object.freeze({
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
    ...(idleTimeout === undefined ? {} : { idleTimeoutMs: durationMs(idleTimeout) }),
    idempotent: first((p) => p.idempotent) ?? false,
    retry: retryRules(mergedRetryPolicy(layers)),
    ...(hedge === undefined ? {} : { hedge }),
    ...(bulkhead === undefined ? {} : { bulkhead }),
    ...(limit === undefined ? {} : { limit }),
    ...(breaker === undefined ? {} : { breaker }),
    coalesce: first((p) => p.coalesce) ?? 'never',
  });
}

/** The one message that is merged field by field. */
function mergedRetryPolicy(layers: readonly PolicyLayer[]): RetryPolicy {
  const fields = new Set(layers.flatMap(({ says }) => Object.keys(says.retryPolicy ?? {})));
  return Object.fromEntries([...fields].map((field) => [field, saidAt(layers, [MERGED, field])?.value]));
}
