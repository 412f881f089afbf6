/**
 * What holds for one method, in the engines' units: the layers of a policy merged field by field.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { durationMs } from './duration.ts';
import { toCode } from './names.ts';
import type { Bulkhead, CoalesceMode, MethodPolicy, RetryPolicy } from './policy.gen.ts';

/** When and how often a call is sent again. */
export interface RetryRules {
  /** Attempts in all, 1 to 5. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly backoffMultiplier: number;
  /** gRPC status codes worth another try. */
  readonly retryableCodes: ReadonlySet<number>;
}

/** Slots and a bounded queue. */
export interface BulkheadRules {
  readonly slots: number;
  readonly queue: number;
  /** Undefined: a call waits until its deadline. */
  readonly queueTimeoutMs?: number;
}

/** What holds for one method. */
export interface MethodRules {
  /** Deadline of calls that come without one. Undefined: none. */
  readonly timeoutMs?: number;
  /** Running a call twice does no harm. */
  readonly idempotent: boolean;
  readonly retry: RetryRules;
  /** Undefined: no limit. */
  readonly bulkhead?: BulkheadRules;
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
  };
}

/** Bulkhead rules, or undefined for no limit. */
export function bulkheadRules(policy: Bulkhead | undefined): BulkheadRules | undefined {
  if (policy === undefined) return undefined;
  const { slots, queue = 0, queueTimeout } = policy;
  return queueTimeout === undefined ? { slots, queue } : { slots, queue, queueTimeoutMs: durationMs(queueTimeout) };
}

/** Layers merged into rules; the first layer that says something about a field wins. */
export function methodRules(layers: readonly (MethodPolicy | undefined)[], coalesce: CoalesceMode): MethodRules {
  const first = <T>(read: (policy: MethodPolicy) => T | undefined): T | undefined => {
    for (const layer of layers) {
      const value = layer === undefined ? undefined : read(layer);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const timeout = first((p) => p.timeout);
  const bulkhead = bulkheadRules(first((p) => p.bulkhead));
  const retry: RetryPolicy = Object.assign({}, ...layers.toReversed().map((layer) => layer?.retryPolicy));
  return Object.freeze({
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
    idempotent: first((p) => p.idempotent) ?? false,
    retry: retryRules(retry),
    ...(bulkhead === undefined ? {} : { bulkhead }),
    coalesce,
  });
}
