/**
 * Options of retry and of its budget.
 *
 * @packageDocumentation
 */
import { Code, codeName, codeOf } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';

/** When and how often a failed call is sent again. Words and meaning: gRFC A6. */
export interface RetryOptions {
  /** Attempts in all, the first included. Whole number >= 1; 1 is no retry, more than 5 count as 5. @defaultValue 3 */
  readonly maxAttempts?: number;
  /** Wait before the first retry in ms, give or take 20 %. > 0. @defaultValue 25 */
  readonly initialBackoffMs?: number;
  /** Longest wait in ms, give or take 20 %. > 0. @defaultValue 250 */
  readonly maxBackoffMs?: number;
  /** Growth of the wait from retry to retry. > 0. @defaultValue 2 */
  readonly backoffMultiplier?: number;
  /** Status codes worth another try, as numbers or names in any case. Not empty, not OK. @defaultValue [UNAVAILABLE] */
  readonly retryableCodes?: readonly (number | string)[];
  /**
   * How long one try of a unary call may take before another is made, in ms; for idempotent methods, never the last try. 0: no
   * limit. @defaultValue learned: three times the method's p99, at least 10 ms, once 100 answers are known
   */
  readonly perTryTimeoutMs?: number;
  /** A call made while serving a call that is itself a retry is not sent again unless it never ran. @defaultValue true */
  readonly chainStop?: boolean;
}

/** {@link RetryOptions}, checked, with everything filled in. */
export interface RetryRules {
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly backoffMultiplier: number;
  readonly retryableCodes: ReadonlySet<number>;
  /** Undefined: learned. 0: a try has no limit of its own. */
  readonly perTryTimeoutMs?: number;
  readonly chainStop: boolean;
}

/** gRFC A6's retry throttle. */
export interface ThrottleOptions {
  /** Tokens at most; retries stop at half of them. > 0, at most 1000. */
  readonly maxTokens: number;
  /** Tokens that one answer with OK puts back, three decimals of which count. >= 0.001. */
  readonly tokenRatio: number;
}

/** How many calls may be re-sent. */
export interface RetryBudgetOptions {
  /** Retries earned by each call. 0 to 1000. @defaultValue 0.2 */
  readonly ratio?: number;
  /** Retries per second allowed whatever the traffic; a ttl's worth may be spent at once. 0 to 1000000. @defaultValue 10 */
  readonly minPerSecond?: number;
  /** How long a call counts, in ms. 1000 to 60000. @defaultValue 10000 */
  readonly ttlMs?: number;
  /** gRFC A6's throttle in place of all of these. */
  readonly throttle?: ThrottleOptions;
}

/** {@link RetryBudgetOptions}, checked. */
export interface ResolvedBudgetOptions {
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly ttlMs: number;
  readonly throttle?: ThrottleOptions;
}

/** gRFC A6: more attempts than this count as this. */
export const MAX_ATTEMPTS = 5;

const RETRY_KEYS = [
  'maxAttempts',
  'initialBackoffMs',
  'maxBackoffMs',
  'backoffMultiplier',
  'retryableCodes',
  'perTryTimeoutMs',
  'chainStop',
] as const satisfies readonly (keyof RetryOptions)[];
const BUDGET_KEYS = ['ratio', 'minPerSecond', 'ttlMs', 'throttle'] as const satisfies readonly (keyof RetryBudgetOptions)[];
const THROTTLE_KEYS = ['maxTokens', 'tokenRatio'] as const satisfies readonly (keyof ThrottleOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming path, value and rule, with the nearest valid input. */
export function resolveRetryOptions(input: unknown, path: string): RetryRules {
  const given = checkedObject(input, RETRY_KEYS, path);
  const positiveMs = { min: 0, above: true, ms: true };
  const { perTryTimeoutMs, chainStop = true } = given;
  if (typeof chainStop !== 'boolean') throw new ConfigError(`${path}.chainStop`, `expected true or false, got ${show(chainStop)}`);
  const maxAttempts = checkedNumber(given['maxAttempts'], 3, { min: 1, integer: true }, `${path}.maxAttempts`);
  return {
    maxAttempts: Math.min(maxAttempts, MAX_ATTEMPTS),
    initialBackoffMs: checkedNumber(given['initialBackoffMs'], 25, positiveMs, `${path}.initialBackoffMs`),
    maxBackoffMs: checkedNumber(given['maxBackoffMs'], 250, positiveMs, `${path}.maxBackoffMs`),
    backoffMultiplier: checkedNumber(given['backoffMultiplier'], 2, { min: 0, above: true }, `${path}.backoffMultiplier`),
    retryableCodes: resolveCodes(given['retryableCodes'], `${path}.retryableCodes`),
    ...(perTryTimeoutMs === undefined
      ? {}
      : { perTryTimeoutMs: checkedNumber(perTryTimeoutMs, 0, { min: 0, ms: true }, `${path}.perTryTimeoutMs`) }),
    chainStop,
  };
}

/** Checks options and fills in what is missing; bad ones never come out as "unlimited" (case B6). @throws ConfigError as above. */
export function resolveRetryBudgetOptions(input: unknown, path: string): ResolvedBudgetOptions {
  const given = checkedObject(input, BUDGET_KEYS, path);
  const { throttle } = given;
  if (throttle !== undefined) {
    const beside = BUDGET_KEYS.find((key) => key !== 'throttle' && given[key] !== undefined);
    if (beside !== undefined)
      throw new ConfigError(`${path}.${beside}`, 'expected nothing beside throttle, which takes the place of the other fields');
  }
  return {
    ...(throttle === undefined ? {} : { throttle: resolveThrottleOptions(throttle, `${path}.throttle`) }),
    ratio: checkedNumber(given['ratio'], 0.2, { min: 0, max: 1000 }, `${path}.ratio`),
    minPerSecond: checkedNumber(given['minPerSecond'], 10, { min: 0, max: 1_000_000 }, `${path}.minPerSecond`),
    ttlMs: checkedNumber(given['ttlMs'], 10_000, { min: 1000, max: 60_000, ms: true }, `${path}.ttlMs`),
  };
}

/** Checks gRFC A6's throttle. @throws ConfigError as above. */
export function resolveThrottleOptions(input: unknown, path: string): ThrottleOptions {
  const given = checkedObject(input, THROTTLE_KEYS, path);
  for (const key of THROTTLE_KEYS) if (given[key] === undefined) throw new ConfigError(`${path}.${key}`, 'required, but not given');
  return {
    maxTokens: checkedNumber(given['maxTokens'], 0, { min: 0, above: true, max: 1000 }, `${path}.maxTokens`),
    tokenRatio: checkedNumber(given['tokenRatio'], 0, { min: 0.001 }, `${path}.tokenRatio`),
  };
}

function resolveCodes(input: unknown, path: string): ReadonlySet<number> {
  if (input === undefined) return new Set([Code.UNAVAILABLE]);
  if (!Array.isArray(input) && !(input instanceof Set)) throw new ConfigError(path, `expected a list of status codes, got ${show(input)}`);
  const codes = new Set([...input].map((value: unknown, index) => resolveCode(value, `${path}[${index}]`)));
  if (codes.size === 0) throw new ConfigError(path, 'is empty; name at least one status code, or set maxAttempts to 1 for no retry');
  return codes;
}

/** A status code given by number or name; never OK. @throws ConfigError */
export function resolveCode(value: unknown, path: string): number {
  const code = typeof value === 'string' ? codeOf(value) : value;
  if (code === Code.OK) throw new ConfigError(path, 'OK is no failure; expected a status code from 1 to 16 or its name');
  if (typeof code === 'number' && Number.isInteger(code) && code > 0 && code <= Code.UNAUTHENTICATED) return code;
  const meant = typeof value === 'string' ? nearest(value, Object.keys(Code)) : undefined;
  const help = meant === undefined ? `, e.g. ${codeName(Code.UNAVAILABLE)}` : `; did you mean ${meant}?`;
  throw new ConfigError(path, `expected a status code from 1 to 16 or its name, got ${show(value)}${help}`);
}
