/**
 * Checks of numbers in options that come from code. Every message says the value seen, the rule and the nearest valid input.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { show } from './show.ts';

/** Which numbers are good. */
export interface NumberRule {
  readonly min: number;
  /** `true`: `min` itself is refused. Default false. */
  readonly above?: boolean;
  /** Default: any finite number. `Infinity` lets Infinity in. */
  readonly max?: number;
  readonly integer?: boolean;
  /** A time: text like "0.5s" gets a hint in milliseconds. */
  readonly ms?: boolean;
}

/** The number at `path`, or the fallback when it is undefined. @throws ConfigError when the rule is broken. */
export function checkedNumber(value: unknown, fallback: number, rule: NumberRule, path: string): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && follows(value, rule)) return value;
  throw new ConfigError(path, `expected ${describeRule(rule)}, got ${show(value)}${hint(value, rule)}`);
}

/** The options object at `path` (undefined counts as empty). @throws ConfigError when it is none or has a key that is not among `known`. */
export function checkedObject(value: unknown, known: readonly string[], path: string): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(path, `expected an object, got ${show(value)}`);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    throw new ConfigError(`${path}.${key}`, `unknown option; ${meant ? `did you mean ${meant}?` : `known are ${known.join(', ')}`}`);
  }
  return { ...value };
}

function follows(value: number, { min, max, above, integer }: NumberRule): boolean {
  if (!(above ? value > min : value >= min) || value > (max ?? Number.MAX_VALUE)) return false;
  return !integer || Number.isInteger(value) || value === Number.POSITIVE_INFINITY;
}

function describeRule({ min, max, above, integer, ms }: NumberRule): string {
  const kind = ms ? 'milliseconds as a number' : integer ? 'a whole number' : 'a number';
  const low = above ? `> ${min}` : `>= ${min}`;
  return max === undefined || max === Number.POSITIVE_INFINITY ? `${kind} ${low}` : `${kind} ${low} and <= ${max}`;
}

/** What the user most likely meant by a duration or a number in quotes. */
function hint(value: unknown, rule: NumberRule): string {
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*$/.exec(value) : null;
  if (match === null || (match[2] !== undefined && !rule.ms)) return '';
  const meant = Number(match[1]) * (match[2] === 's' ? 1000 : 1);
  return follows(meant, rule) ? `; did you mean ${meant}?` : '';
}
