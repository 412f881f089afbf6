import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AdaptiveThrottle } from '../../../src/retry/adaptive-throttle.ts';
import { RetryBudget } from '../../../src/retry/budget.ts';
import { RetryThrottle } from '../../../src/retry/throttle.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('F7 budgets that take other numbers', () => {
  test('a throttle keeps its share of tokens, and its state of open or closed', () => {
    const throttle = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.1 });
    for (let i = 0; i < 4; i++) throttle.failed();
    throttle.retune({ maxTokens: 1000, tokenRatio: 0.5 });
    expect(throttle.tokens).toBe(600);
    expect(throttle.tryWithdraw()).toBe(true);
    for (let i = 0; i < 100; i++) throttle.failed();
    expect(throttle.tryWithdraw()).toBe(false);
    throttle.retune({ maxTokens: 4, tokenRatio: 0.1 });
    expect(throttle.tokens).toBe(2);
    expect(throttle.tryWithdraw()).toBe(false);
  });

  test('a budget keeps the share that is used, of the reserve and of what calls have earned', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 }, clock);
    for (let i = 0; i < 500; i++) budget.deposit(); // 100 of reserve, 100 earned
    for (let i = 0; i < 50; i++) budget.tryWithdraw(); // a quarter of it
    budget.retune({ ratio: 0.4, minPerSecond: 20, ttlMs: 10_000 }, 0);
    expect(budget.balance()).toBe(300);
    budget.retune({ ratio: 0, minPerSecond: 1, ttlMs: 10_000 }, 0);
    expect(budget.balance()).toBe(7);
    budget.retune({ ratio: 0, minPerSecond: 0, ttlMs: 10_000 }, 0);
    expect(budget.balance()).toBe(0);
    expect(budget.tryWithdraw()).toBe(false);
  });

  test('another memory: what was earned and used goes along, and lapses in its time', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 0, ttlMs: 10_000 }, clock);
    for (let i = 0; i < 100; i++) budget.deposit();
    for (let i = 0; i < 25; i++) budget.tryWithdraw();
    budget.retune({ ratio: 0.5, minPerSecond: 0, ttlMs: 20_000 }, 0);
    expect(budget.balance()).toBe(25);
    clock.advance(15_000);
    expect(budget.balance()).toBe(25);
    clock.advance(6_000);
    expect(budget.balance()).toBe(0);
  });

  test('a purse for lost carriers grows and shrinks by its share', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0.1, ttlMs: 10_000 }, clock, 8);
    for (let i = 0; i < 1 + 4; i++) expect(budget.tryWithdraw(true)).toBe(true);
    budget.retune({ ratio: 0, minPerSecond: 0.1, ttlMs: 10_000 }, 4);
    for (let i = 0; i < 2; i++) expect(budget.tryWithdraw(true)).toBe(true);
    expect(budget.tryWithdraw(true)).toBe(false);
  });

  test('whatever it takes and in whatever order, a budget is never more than full and never below nothing', () => {
    const options = fc.record({
      ratio: fc.double({ min: 0, max: 1, noNaN: true }),
      minPerSecond: fc.integer({ min: 0, max: 50 }),
      ttlMs: fc.integer({ min: 1000, max: 60_000 }),
    });
    const step = fc.oneof(fc.constant('call'), fc.constant('retry'), fc.constant('time'), options);
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 60 }), (first, steps) => {
        const clock = new FakeClock();
        const budget = new RetryBudget(first, clock, 10);
        let now = first;
        let calls = 0;
        for (const one of steps) {
          if (one === 'call') {
            budget.deposit();
            calls++;
          } else if (one === 'retry') budget.tryWithdraw();
          else if (one === 'time') clock.advance(100);
          else if (typeof one === 'object') {
            budget.retune(one, 10);
            now = one;
          }
          const full = now.ratio * calls + (now.minPerSecond * now.ttlMs) / 1000;
          expect(budget.balance()).toBeGreaterThanOrEqual(0);
          expect(budget.balance()).toBeLessThanOrEqual(full + 1e-6);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('adaptive throttling goes on from what it has counted', () => {
    const clock = new FakeClock();
    const throttle = new AdaptiveThrottle({ k: 2, windowMs: 120_000 }, clock, () => 0);
    for (let i = 0; i < 90; i++) throttle.ended(14);
    for (let i = 0; i < 10; i++) throttle.ended(0);
    expect(throttle.refusal).toBeCloseTo(80 / 101);
    throttle.retune({ k: 4, windowMs: 120_000 });
    expect(throttle.refusal).toBeCloseTo(60 / 101);
    throttle.retune({ k: 4, windowMs: 60_000 });
    expect(throttle.refusal).toBeCloseTo(30 / 51);
    clock.advance(62_000);
    expect(throttle.refusal).toBe(0);
  });
});
