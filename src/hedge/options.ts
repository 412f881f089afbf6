/**
 * Options of hedging.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { MAX_ATTEMPTS, resolveCode } from '../retry/options.ts';

/** When a call that is not answered yet is sent to another endpoint too. Words: gRFC A6. */
export interface HedgeOptions {
  /** Attempts in all, the first included. Whole number >= 2; more than 5 count as 5. @defaultValue 2 */
  readonly maxAttempts?: number;
  /** Time between two attempts in ms, >= 0; 0: all at once. @defaultValue learned: `percentile` of the method's latency, at least 1 ms */
  readonly delayMs?: number;
  /** The share of answers that come before the learned delay. Above 0, at most 1. @defaultValue 0.98 */
  readonly percentile?: number;
  /** Status codes after which other attempts go on, as numbers or names in any case. Never OK. @defaultValue [UNAVAILABLE] */
  readonly nonFatalCodes?: readonly (number | string)[];
}

/** {@link HedgeOptions}, checked, with everything filled in. */
export interface HedgeRules {
  readonly maxAttempts: number;
  /** Undefined: learned. */
  readonly delayMs?: number;
  readonly percentile: number;
  readonly nonFatalCodes: ReadonlySet<number>;
}

/** Shortest delay that is learned, in ms: below, the timers of this process say more than the endpoint. */
export const MIN_LEARNED_MS = 1;

/** Attempts where nothing is said. */
export const DEFAULT_ATTEMPTS = 2;
/** The percentile where nothing is said: about 2 % more requests, the price that "The Tail at Scale" (Dean, Barroso) names for BigTable. */
export const DEFAULT_PERCENTILE = 0.98;
/** The codes where nothing is said. */
export const DEFAULT_NON_FATAL: ReadonlySet<number> = new Set([Code.UNAVAILABLE]);

const KEYS = ['maxAttempts', 'delayMs', 'percentile', 'nonFatalCodes'] as const satisfies readonly (keyof HedgeOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming path, value and rule, with the nearest valid input. */
export function resolveHedgeOptions(input: unknown, path: string): HedgeRules {
  const { maxAttempts, delayMs, percentile, nonFatalCodes } = checkedObject(input, KEYS, path);
  return {
    maxAttempts: Math.min(checkedNumber(maxAttempts, DEFAULT_ATTEMPTS, { min: 2, integer: true }, `${path}.maxAttempts`), MAX_ATTEMPTS),
    ...(delayMs === undefined ? {} : { delayMs: checkedNumber(delayMs, 0, { min: 0, ms: true }, `${path}.delayMs`) }),
    percentile: checkedNumber(percentile, DEFAULT_PERCENTILE, { min: 0, above: true, max: 1 }, `${path}.percentile`),
    nonFatalCodes: resolveCodes(nonFatalCodes, `${path}.nonFatalCodes`),
  };
}

function resolveCodes(input: unknown, path: string): ReadonlySet<number> {
  if (input === undefined) return DEFAULT_NON_FATAL;
  if (!Array.isArray(input)) throw new ConfigError(path, `expected a list of status codes, got ${show(input)}`);
  return new Set(input.map((value: unknown, index) => resolveCode(value, `${path}[${index}]`)));
}
