import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { ResetBudget, type ResetBudgetOptions } from '../../../src/resets/reset-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Asks so often, evenly over so many ms, and counts what was granted in each second. */
function askEvenly(budget: ResetBudget, clock: FakeClock, times: number, overMs: number): number[] {
  const bySecond: number[] = [];
  for (let i = 0; i < times; i++) {
    const second = Math.floor((i * overMs) / times / 1000);
    if (budget.tryReset('a:1')) bySecond[second] = (bySecond[second] ?? 0) + 1;
    clock.advance(overMs / times);
  }
  return bySecond;
}

describe('reset budget', () => {
  test('H18: 270 a second for 12 seconds are granted 500 at first and then at most 25 a second', () => {
    const clock = new FakeClock();
    const budget = new ResetBudget(undefined, clock);
    const bySecond = askEvenly(budget, clock, 270 * 12, 12_000);
    expect(bySecond[0]).toBe(270);
    for (const granted of bySecond.slice(3)) expect(granted).toBeLessThanOrEqual(25);
    const all = bySecond.reduce((sum, one) => sum + one, 0);
    // The server allows 1000 and 33 a second.
    expect(all).toBeLessThanOrEqual(500 + 12 * 16);
    expect(budget.counts).toEqual({ granted: all, withheld: 270 * 12 - all, left: 0 });
  });

  test('27 a second are granted for half a minute', () => {
    const clock = new FakeClock();
    const bySecond = askEvenly(new ResetBudget(undefined, clock), clock, 27 * 30, 30_000);
    expect(bySecond).toEqual(Array.from({ length: 30 }, () => 27));
  });

  test('each endpoint has its own', () => {
    const budget = new ResetBudget({ burst: 1 }, new FakeClock());
    expect([budget.tryReset('a:1'), budget.tryReset('a:1'), budget.tryReset('b:1')]).toEqual([true, false, true]);
  });

  test('a lost connection takes along what was spent on it', () => {
    const budget = new ResetBudget({ burst: 1 }, new FakeClock());
    budget.tryReset('a:1');
    budget.lost('a:1');
    expect(budget.tryReset('a:1')).toBe(true);
  });

  test('what asks again is not counted as withheld once more', () => {
    const budget = new ResetBudget({ burst: 0, perSecond: 0 }, new FakeClock());
    budget.tryReset('a:1');
    budget.tryReset('a:1', true);
    expect(budget.counts.withheld).toBe(1);
  });

  test('remembers so many endpoints and forgets the one that was asked about longest ago', () => {
    const budget = new ResetBudget({ burst: 1, perSecond: 0, maxAddresses: 2 }, new FakeClock());
    for (const address of ['a:1', 'b:1', 'a:1', 'c:1']) budget.tryReset(address);
    expect(budget.size).toBe(2);
    expect(budget.tryReset('a:1')).toBe(false);
    expect(budget.tryReset('b:1')).toBe(true);
  });

  test.for<[ResetBudgetOptions, string]>([
    [{ burst: -1 }, 'resets.burst: expected a whole number >= 0, got -1'],
    [{ perSecond: Number.NaN }, 'resets.perSecond: expected a number >= 0, got NaN'],
    [{ maxAddresses: 0 }, 'resets.maxAddresses: expected a whole number >= 1, got 0'],
    [{ perSec: 1 } as ResetBudgetOptions, 'resets.perSec: unknown option; did you mean perSecond?'],
  ])('%o is refused', ([options, message]) => {
    expect(() => new ResetBudget(options, new FakeClock())).toThrow(ConfigError);
    expect(() => new ResetBudget(options, new FakeClock())).toThrow(message);
  });
});
