/**
 * Other rules for a limit that calls are in.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import { bounded } from './algorithm.ts';
import type { AdaptiveLimiter } from './limiter.ts';
import { type AdaptiveLimitRules, createAlgorithm } from './options.ts';

/** Goes on from the limit as it is, within the new bounds. @param rules - Undefined: no limit any more, so nobody waits. */
export function retuneLimit(limiter: AdaptiveLimiter, rules: AdaptiveLimitRules | undefined, random: Random): void {
  if (rules === undefined) {
    limiter.retune({ algorithm: 'aimd', ...NO_LIMIT }, UNLIMITED);
    return;
  }
  const initial = bounded(limiter.stats().limit, rules);
  limiter.retune(rules, createAlgorithm({ ...rules, initial }, random));
}

const NO_LIMIT = { initial: 1, min: 1, max: 1 };
const UNLIMITED = { limit: Number.POSITIVE_INFINITY, onSample: () => Number.POSITIVE_INFINITY };
