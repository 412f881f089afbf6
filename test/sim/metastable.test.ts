import { describe, expect, test } from 'vitest';
import { amplification, CAPACITY, FAULT_MS, goodput, LASTS_MS, recoversIn, runMetastable } from '../../bench/sim/metastable.ts';
import { resolveRetryBudgetOptions } from '../../src/retry/options.ts';

const triggers = ['stall', 'spike', 'replica', 'cold'] as const;
const FAULT = FAULT_MS / 1000;

describe('a fault of seconds at 80 % load, in virtual time', () => {
  test.each(['loop 3', 'loop 4 + backoff'] as const)('T1: %s keeps the service down for ever', (way) => {
    for (const dropLate of [false, true]) {
      const seconds = runMetastable({ way, dropLate });
      expect(recoversIn(seconds, 'stall')).toBe(Number.POSITIVE_INFINITY);
      expect(goodput(seconds, 20, 60)).toBeLessThan(0.1);
      expect(amplification(seconds, 20, 60)).toBeGreaterThan(2.8);
    }
  });

  test('the model: without retries the queue drains by itself, slowly (T1)', () => {
    const seconds = runMetastable({ way: 'none', dropLate: false });
    expect(goodput(seconds, 0, FAULT)).toBeGreaterThan(0.98);
    // Two seconds of arrivals, at a fifth of spare capacity: eight seconds, but for chance.
    expect(recoversIn(seconds, 'stall')).toBeGreaterThanOrEqual(6);
    expect(recoversIn(seconds, 'stall')).toBeLessThanOrEqual(12);
  });

  test.each([7, 8, 9])(
    'T2: our defaults on both sides are back at nineteen of twenty within two seconds, with 1.1 attempts a call (seed %i)',
    (seed) => {
      const seconds = runMetastable({ way: 'mesh', dropLate: true, seed });
      expect(recoversIn(seconds, 'stall')).toBeLessThanOrEqual(2);
      expect(goodput(seconds, 14, 60)).toBeGreaterThan(0.95);
      expect(amplification(seconds, 12, 60)).toBeLessThanOrEqual(1.1);
    },
  );

  // Attempts that join slow ones are paid by answers: in an outage there are none.
  test.each(['stall', 'cold'] as const)(
    'T2: before servers that work on what is late, a %s lasts at most twice as long as without any retry',
    (trigger) => {
      const alone = recoversIn(runMetastable({ way: 'none', trigger, dropLate: false }), trigger);
      expect(recoversIn(runMetastable({ way: 'mesh', trigger, dropLate: false }), trigger)).toBeLessThanOrEqual(2 * alone);
    },
  );

  test.each(triggers)('T3: after a %s the loop stays down, and ours is back within two seconds', (trigger) => {
    expect(recoversIn(runMetastable({ way: 'loop 3', trigger, dropLate: true }), trigger)).toBe(Number.POSITIVE_INFINITY);
    expect(recoversIn(runMetastable({ way: 'mesh', trigger, dropLate: true }), trigger)).toBeLessThanOrEqual(2);
  });

  test.each(triggers)(
    'T4: during a %s attempts stay within the budget in every second after the first, also where the server works on what is late',
    (trigger) => {
      const { ratio, minPerSecond, ttlMs } = resolveRetryBudgetOptions({}, 'budget');
      const ttl = ttlMs / 1000;
      for (const dropLate of [false, true]) {
        const seconds = runMetastable({ way: 'mesh', trigger, dropLate });
        for (const { attempts, calls } of seconds.slice(FAULT + 1))
          expect(attempts).toBeLessThanOrEqual((1 + ratio) * calls + minPerSecond * ttl);
        const to = FAULT + Math.max(ttl, LASTS_MS[trigger] / 1000);
        // A call counts a hundredth of the ttl longer, and arrivals are chance.
        expect(amplification(seconds, to, to + ttl)).toBeLessThanOrEqual(1 + 1.1 * (ratio + minPerSecond / (0.8 * CAPACITY)));
      }
    },
  );
});
