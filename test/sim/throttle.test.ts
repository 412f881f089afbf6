import { describe, expect, test } from 'vitest';
import { runThrottle } from '../../bench/sim/throttle.ts';

describe('client-side throttling of a service with a limit, in virtual time', () => {
  test.each([1, 3, 5, 10])(
    'T6: asked for %i times what it can do: the share refused is that of the formula, sent are twice what is taken',
    (load) => {
      const { calls, sent, accepted } = runThrottle(load);
      expect(Math.abs(1 - sent / calls - Math.max(0, (calls - 2 * accepted) / (calls + 1)))).toBeLessThanOrEqual(0.05);
      expect(sent).toBeLessThanOrEqual(2 * accepted * 1.05);
      expect(accepted / (30 * 400)).toBeGreaterThan(0.9);
    },
  );
});
