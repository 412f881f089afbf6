import { describe, expect, test } from 'vitest';
import { budgetCountsOf, RetryBudgets } from '../../../src/retry/budgets.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('counts of budgets', () => {
  test('what was paid and what was not, by service, over all stacks', () => {
    const clock = new FakeClock();
    const options = { ratio: 0, minPerSecond: 0.2, ttlMs: 10_000 };
    const [first, second] = [new RetryBudgets(options, clock), new RetryBudgets(options, clock)];
    for (const budgets of [first, second]) for (let i = 0; i < 5; i++) budgets.of('/shop.Cart/Add').tryWithdraw();
    second.of('/shop.Other/Get').tryJoin();
    expect(budgetCountsOf([first, second])).toEqual({ 'shop.Cart': { drawn: 4, refused: 6 }, 'shop.Other': { drawn: 1, refused: 0 } });
  });

  test("gRFC A6's throttle counts the same", () => {
    const budgets = new RetryBudgets(
      { ratio: 0, minPerSecond: 0, ttlMs: 10_000, throttle: { maxTokens: 4, tokenRatio: 0.1 } },
      new FakeClock(),
    );
    const budget = budgets.of('/shop.Cart/Add');
    expect(budget.tryWithdraw()).toBe(true);
    budget.failed();
    budget.failed();
    expect(budget.tryWithdraw()).toBe(false);
    expect(budgetCountsOf([budgets])).toEqual({ 'shop.Cart': { drawn: 1, refused: 1 } });
  });

  test('an attempt that would join, and finds no answers to pay with, is refused', () => {
    const clock = new FakeClock();
    const budgets = new RetryBudgets({ ratio: 1, minPerSecond: 1000, ttlMs: 10_000 }, clock);
    const budget = budgets.of('/shop.Cart/Add');
    let joined = 0;
    while (budget.tryJoin()) joined++;
    expect(budgetCountsOf([budgets])).toEqual({ 'shop.Cart': { drawn: joined, refused: 1 } });
  });
});
