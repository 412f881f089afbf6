/**
 * Options of an adaptive limit.
 *
 * @packageDocumentation
 */
import { type BulkheadBy, resolveBulkheadOptions } from '../bulkhead/options.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import type { Random } from '../random.ts';
import { AimdLimit } from './aimd.ts';
import type { LimitAlgorithm, LimitBounds } from './algorithm.ts';
import { GradientLimit } from './gradient.ts';
import { Gradient2Limit } from './gradient2.ts';
import { VegasLimit } from './vegas.ts';

/** How the right number of calls in flight is found. */
export type LimitAlgorithmName = 'gradient' | 'gradient2' | 'vegas' | 'aimd';

/** A limit of calls in flight that finds its own size. */
export interface AdaptiveLimitOptions {
  /** See docs/limits.md. @defaultValue 'gradient' */
  readonly algorithm?: LimitAlgorithmName;
  /** Calls in flight at first. Whole number from `min` to `max`. @defaultValue 20, or `min` or `max` if that is nearer */
  readonly initial?: number;
  /** Calls in flight that are always allowed. Whole number >= 1. @defaultValue 1 */
  readonly min?: number;
  /** Calls in flight that are never exceeded. Whole number >= `min`, at most 100,000. @defaultValue 200, or `min` if that is more */
  readonly max?: number;
  /** Calls that may wait. Whole number >= 0, or Infinity. @defaultValue 0 */
  readonly queue?: number;
  /** Longest wait in ms, > 0. @defaultValue until the call's own deadline */
  readonly queueTimeoutMs?: number;
  /** As in `BulkheadOptions`, but always with `partitions`. */
  readonly by?: BulkheadBy;
  /** Shares of the limit and of the queue, as in `BulkheadOptions`. Needs `by`. */
  readonly partitions?: Readonly<Record<string, number>>;
}

/** {@link AdaptiveLimitOptions} checked: the bounds filled in, the rest as given. */
export interface AdaptiveLimitRules extends AdaptiveLimitOptions, LimitBounds {
  readonly algorithm: LimitAlgorithmName;
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

const KEYS = [
  'algorithm',
  'initial',
  'min',
  'max',
  'queue',
  'queueTimeoutMs',
  'by',
  'partitions',
] as const satisfies readonly (keyof AdaptiveLimitOptions)[];
const ALGORITHMS: readonly LimitAlgorithmName[] = ['gradient', 'gradient2', 'vegas', 'aimd'];
const DEFAULT_INITIAL = 20;
const DEFAULT_MAX = 200;
const LARGEST = 100_000;

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveLimitOptions(input: unknown, path: string): AdaptiveLimitRules {
  const { algorithm, initial, min, max, ...queueing } = checkedObject(input, KEYS, path);
  const least = checkedNumber(min, 1, { min: 1, max: LARGEST, integer: true }, `${path}.min`);
  const most = checkedNumber(max, Math.max(DEFAULT_MAX, least), { min: least, max: LARGEST, integer: true }, `${path}.max`);
  const nearestDefault = Math.max(least, Math.min(most, DEFAULT_INITIAL));
  const first = checkedNumber(initial, nearestDefault, { min: least, max: most, integer: true }, `${path}.initial`);
  if (queueing['by'] !== undefined && queueing['partitions'] === undefined) {
    throw new ConfigError(`${path}.partitions`, `is missing; expected shares, for by is ${show(queueing['by'])}`);
  }
  resolveBulkheadOptions({ slots: first, ...queueing }, path);
  return { ...queueing, algorithm: checkedAlgorithm(algorithm, `${path}.algorithm`), initial: first, min: least, max: most };
}

function checkedAlgorithm(value: unknown, path: string): LimitAlgorithmName {
  const known = value === undefined ? 'gradient' : ALGORITHMS.find((name) => name === value);
  if (known !== undefined) return known;
  const meant = typeof value === 'string' ? nearest(value, ALGORITHMS) : undefined;
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  throw new ConfigError(path, `expected "gradient", "gradient2", "vegas" or "aimd", got ${show(value)}${hint}`);
}

/** The algorithm of checked options. */
export function createAlgorithm(rules: AdaptiveLimitRules, random: Random): LimitAlgorithm {
  switch (rules.algorithm) {
    case 'gradient':
      return new GradientLimit(rules, random);
    case 'gradient2':
      return new Gradient2Limit(rules);
    case 'vegas':
      return new VegasLimit(rules, random);
    case 'aimd':
      return new AimdLimit(rules);
  }
}
