import { describe, expect, test } from 'vitest';
import { peak, runFleet } from '../../bench/sim/fleet.ts';

const sum = (bins: readonly number[], from: number, to: number): number => bins.slice(from, to).reduce((all, n) => all + n, 0);

describe('fifty clients of one server that dies for five seconds, in virtual time', () => {
  test.each([7, 8, 9])(
    'T5: no second after it has more than 1.5 times the mean, and they connect one after the other (seed %i)',
    (seed) => {
      const { attempts, connects, calls, good } = runFleet(seed);
      expect(sum(attempts, 20, 25)).toBeLessThan(50); // what was sent at the moment of death
      expect(peak(attempts, 25, 60)).toBeLessThanOrEqual(1.5);
      expect(sum(connects, 250, 600)).toBe(50);
      expect(Math.max(...connects)).toBeLessThanOrEqual(10);
      expect(sum(good, 36, 60) / sum(calls, 36, 60)).toBeGreaterThan(0.99);
    },
  );
});
