/**
 * Waits between attempts, as gRFC A6 defines them.
 *
 * cockatiel's generators (checked in 4.0.0) do not fit: its jitter is full [0, d), half [d/2, d) or decorrelated,
 * never d ± 20 %; full and half fix the multiplier at 2 and cut to whole milliseconds; all read `Math.random` themselves.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import type { RetryRules } from './options.ts';

/** Share of a wait by which chance may shorten or lengthen it, so that callers which failed together do not return together. */
const JITTER = 0.2;

/** The wait in ms before the n-th retry: `min(initial * multiplier^(n-1), max)` times a uniform draw from [0.8, 1.2). `n` counts from 1. */
export function backoffMs(rules: RetryRules, n: number, random: Random): number {
  const middleMs = Math.min(rules.initialBackoffMs * rules.backoffMultiplier ** (n - 1), rules.maxBackoffMs);
  return middleMs * (1 - JITTER + 2 * JITTER * random());
}
