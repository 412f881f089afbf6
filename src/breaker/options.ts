/**
 * Options of a circuit breaker.
 *
 * @packageDocumentation
 */
import { checkedNumber, checkedObject } from '../input/checks.ts';

/** When a breaker opens, and how it finds back. */
export interface BreakerOptions {
  /**
   * Failed calls in a row that open it. Whole number >= 1, or Infinity.
   * @defaultValue 5 where `failureRatio` is not given, else Infinity (Envoy, Finagle)
   */
  readonly consecutiveFailures?: number;
  /** Share of failed calls within `windowMs` that opens it, > 0 and <= 1. @defaultValue none */
  readonly failureRatio?: number;
  /** Time over which the share is taken, in ms, > 0. @defaultValue 10_000 */
  readonly windowMs?: number;
  /** The share counts from so many calls within `windowMs` on. Whole number >= 1. @defaultValue 20 */
  readonly minimumCalls?: number;
  /** How long it stays open at first, in ms, > 0; each failed probe doubles it. @defaultValue 1_000 */
  readonly openMs?: number;
  /** Longest time open in ms, > 0; at least `openMs`. @defaultValue 30_000 */
  readonly maxOpenMs?: number;
  /** Calls let out to probe at a time; as many successes close it. Whole number >= 1. @defaultValue 1 */
  readonly halfOpenProbes?: number;
}

/** {@link BreakerOptions} with everything filled in. */
export interface BreakerRules {
  readonly consecutiveFailures: number;
  /** Infinity: no share opens it. */
  readonly failureRatio: number;
  readonly windowMs: number;
  readonly minimumCalls: number;
  readonly openMs: number;
  readonly maxOpenMs: number;
  readonly halfOpenProbes: number;
}

const KEYS = [
  'consecutiveFailures',
  'failureRatio',
  'windowMs',
  'minimumCalls',
  'openMs',
  'maxOpenMs',
  'halfOpenProbes',
] as const satisfies readonly (keyof BreakerOptions)[];
const DEFAULT_CONSECUTIVE_FAILURES = 5;

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveBreakerOptions(input: unknown, path: string): BreakerRules {
  const given = checkedObject(input, KEYS, path);
  const span = { min: 0, above: true, ms: true };
  const count = { min: 1, integer: true };
  const never = Number.POSITIVE_INFINITY;
  const inARow = given['failureRatio'] === undefined ? DEFAULT_CONSECUTIVE_FAILURES : never;
  const openMs = checkedNumber(given['openMs'], 1_000, span, `${path}.openMs`);
  return {
    consecutiveFailures: checkedNumber(given['consecutiveFailures'], inARow, { ...count, max: never }, `${path}.consecutiveFailures`),
    failureRatio: checkedNumber(given['failureRatio'], never, { min: 0, above: true, max: 1 }, `${path}.failureRatio`),
    windowMs: checkedNumber(given['windowMs'], 10_000, span, `${path}.windowMs`),
    minimumCalls: checkedNumber(given['minimumCalls'], 20, count, `${path}.minimumCalls`),
    openMs,
    maxOpenMs: Math.max(openMs, checkedNumber(given['maxOpenMs'], 30_000, span, `${path}.maxOpenMs`)),
    halfOpenProbes: checkedNumber(given['halfOpenProbes'], 1, count, `${path}.halfOpenProbes`),
  };
}
