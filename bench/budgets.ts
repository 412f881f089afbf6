/**
 * What the bench must show, and how a figure is judged against it.
 *
 * @packageDocumentation
 */
import type { Spread } from './stats.ts';
import type { VariantName } from './variants.ts';

/** Least number of rounds that a ratio is judged on. */
export const ROUNDS_TO_JUDGE = 9;

/** `--gate` fails below this share of a committed median: far enough down that a busy machine does not trip it. */
export const GATE_SHARE = 0.65;

/** A bound on a variant's ratio to bare. */
export interface Budget {
  readonly variants: readonly VariantName[];
  /** Callers at a time. */
  readonly callers: number;
  /** Calls per second (more is better), median latency or the server's CPU per call (less is better). */
  readonly metric: 'rate' | 'p50' | 'serverCpu';
  /** Least ratio for `rate`, greatest for the others. */
  readonly target: number;
}

/** Bounds on ratios, over a real connection. */
export const BUDGETS: readonly Budget[] = [
  { variants: ['empty-interceptors', 'empty-channel'], callers: 64, metric: 'rate', target: 0.97 },
  { variants: ['default-interceptors', 'default-channel', 'default-both'], callers: 64, metric: 'rate', target: 0.93 },
  { variants: ['coalesce-interceptors', 'coalesce-channel'], callers: 256, metric: 'rate', target: 5 },
  { variants: ['tunnel-interceptors', 'tunnel-channel'], callers: 256, metric: 'rate', target: 6.5 },
  { variants: ['coalesce-wrap'], callers: 256, metric: 'rate', target: 9 },
  { variants: ['tunnel-wrap'], callers: 256, metric: 'rate', target: 16 },
  { variants: ['tunnel-channel', 'tunnel-wrap'], callers: 1, metric: 'rate', target: 2 },
  { variants: ['tunnel-three'], callers: 256, metric: 'serverCpu', target: 0.25 },
  {
    variants: ['default-interceptors', 'default-channel', 'default-both', 'coalesce-interceptors', 'coalesce-channel'],
    callers: 1,
    metric: 'p50',
    target: 1.03,
  },
];

/** Bounds on the client CPU that the default stack adds to a call over a fake channel, in microseconds. */
export const LAYER_BUDGET_US = { budget: 15, goal: 10 } as const;

/** Above this ratio of the ends of bare's interval, a figure inside it says nothing. */
const WIDEST_NOISE = 1.5;

/**
 * How a figure stands to its bound. `noise`: past the bound, but no further than bare strays from itself; `unclear`: the
 * same, and bare strays so far that anything would.
 */
export type Verdict = 'holds' | 'noise' | 'unclear' | 'missed';

/**
 * A ratio holds if its median is at or past the target, or inside the interval that bare measured twice shows in the
 * same rounds.
 */
export function judge(budget: Pick<Budget, 'metric' | 'target'>, ratio: Spread, noise: Spread): Verdict {
  const past = budget.metric === 'rate' ? ratio.median >= budget.target : ratio.median <= budget.target;
  if (past) return 'holds';
  if (ratio.median < noise.min || ratio.median > noise.max) return 'missed';
  return noise.max > noise.min * WIDEST_NOISE ? 'unclear' : 'noise';
}
