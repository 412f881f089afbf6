/**
 * Faults that were hardly meant.
 *
 * @packageDocumentation
 */
import type { LintRule } from './context.ts';

/** IM160: nothing says which calls, nor how many. */
export const wideFaults: LintRule = ({ policy, report }) => {
  const lists = [
    [['faults'], policy.faults ?? []],
    [['server', 'faults'], policy.server?.faults ?? []],
  ] as const;
  for (const [keys, faults] of lists) {
    for (const [at, { match, percent = 100, abort }] of faults.entries()) {
      if (abort === undefined || percent < 100 || match?.methods !== undefined || match?.headers !== undefined) continue;
      report('IM160', [...keys, at], `every call of every method ends with ${abort}`, 'a percent, or match by methods or headers');
    }
  }
};
