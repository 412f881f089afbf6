import { describe, expect, test } from 'vitest';
import { quantile, runTail } from '../../bench/sim/tail.ts';
import { resolveRetryBudgetOptions } from '../../src/retry/options.ts';

describe('hedging with a learned delay, in virtual time', () => {
  test.each([7, 8, 9])(
    'H17: one of a hundred is 20 times slower: the tail falls to a fifth for 6 more calls of a hundred (seed %i)',
    (seed) => {
      const alone = runTail({ seed });
      const hedged = runTail({ seed, hedge: {} });
      expect(quantile(alone, 0.999)).toBeGreaterThan(150);
      expect(quantile(hedged, 0.999)).toBeLessThan(quantile(alone, 0.999) / 5);
      expect(hedged.attempts / hedged.calls).toBeLessThanOrEqual(1.06);
      expect(hedged.calls).toBe(alone.calls);
    },
  );

  test('H17: everything is ten times slower: no more attempts than the budget has', () => {
    const { ratio, minPerSecond, ttlMs } = resolveRetryBudgetOptions({}, 'budget');
    const { attempts, calls } = runTail({ hedge: {}, slowdown: 10 });
    const reserve = minPerSecond * (30 + ttlMs / 1000);
    // What ten seconds before it have saved may be spent besides.
    expect(attempts - calls).toBeLessThanOrEqual(ratio * (calls + 500 * (ttlMs / 1000)) + reserve);
    expect(attempts).toBeGreaterThan(calls);
  });
});
