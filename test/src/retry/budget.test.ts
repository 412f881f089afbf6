import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { RetryBudget } from '../../../src/retry/budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

/** Makes calls that all fail, each asking for one retry; the retries granted. */
function fail(budget: RetryBudget, calls: number): number {
  let retries = 0;
  for (let n = 0; n < calls; n++) {
    budget.deposit();
    if (budget.tryWithdraw()) retries++;
  }
  return retries;
}

function drain(budget: RetryBudget): number {
  let taken = 0;
  while (budget.tryWithdraw()) taken++;
  return taken;
}

describe('RetryBudget', () => {
  test.each([0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1, 1.5, 2])(
    'ratio %d over 10,000 calls on a frozen clock: retries within 1 (B2)',
    (ratio) => {
      const budget = new RetryBudget({ ratio, minPerSecond: 0 }, clock);
      let retries = 0;
      for (let n = 0; n < 10_000; n++) {
        budget.deposit();
        retries += drain(budget);
      }
      expect(Math.abs(retries - ratio * 10_000)).toBeLessThanOrEqual(1);
    },
  );

  test.each([1, 2, 6])('100 %% failure over %d ttl: attempts <= N(1+r) + f T + 1 (B1)', (ttls) => {
    const budget = new RetryBudget({}, clock);
    const seconds = ttls * 10;
    let retries = 0;
    for (let ms = 0; ms < seconds * 1000; ms += 5) {
      retries += fail(budget, 1);
      clock.advance(5);
    }
    const calls = seconds * 200;
    expect(retries).toBeLessThanOrEqual(0.2 * calls + 10 * seconds + 1);
    expect(retries).toBeGreaterThan(0.2 * calls + 10 * seconds * 0.9);
  });

  test('starts with the reserve of one ttl, for cold starts', () => {
    const budget = new RetryBudget({}, clock);
    expect(budget.balance()).toBe(100);
    expect(drain(budget)).toBe(100);
    expect(budget.balance()).toBe(0);
  });

  test('saves nothing up: after an idle hour the reserve is there and no more (B5)', () => {
    const budget = new RetryBudget({}, clock);
    for (let n = 0; n < 10_000; n++) budget.deposit();
    expect(budget.balance()).toBe(2100);
    clock.advance(3_600_000);
    expect(budget.balance()).toBe(100);
    expect(drain(budget)).toBe(100);
  });

  test('a call counts for its ttl and at most a hundredth longer, and so does a retry (B3)', () => {
    const budget = new RetryBudget({ ratio: 1, minPerSecond: 1, ttlMs: 1000 }, clock);
    clock.advance(3);
    budget.deposit();
    expect(budget.balance()).toBe(2);
    clock.advance(1000);
    expect(budget.balance()).toBe(2);
    clock.advance(10);
    expect(budget.balance()).toBe(1);
    expect(budget.tryWithdraw()).toBe(true);
    clock.advance(1000);
    expect(budget.tryWithdraw()).toBe(false);
    clock.advance(10);
    expect(budget.tryWithdraw()).toBe(true);
  });

  test('five calls at 0.2 make one retry, ten at 0.1 as well', () => {
    for (const [ratio, calls] of [
      [0.2, 5],
      [0.1, 10],
      [0.05, 20],
    ] as const) {
      const budget = new RetryBudget({ ratio, minPerSecond: 0 }, clock);
      for (let n = 1; n < calls; n++) budget.deposit();
      expect(budget.tryWithdraw()).toBe(false);
      budget.deposit();
      expect(budget.tryWithdraw()).toBe(true);
      expect(budget.tryWithdraw()).toBe(false);
    }
  });

  test('loses no retry to floating point: 0.29 * 100 is a hair below 29', () => {
    const budget = new RetryBudget({ ratio: 0.29, minPerSecond: 0 }, clock);
    for (let n = 0; n < 100; n++) budget.deposit();
    expect(budget.balance()).toBe(29);
    expect(drain(budget)).toBe(29);
  });

  test('never allows anything with ratio 0 and no floor', () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0 }, clock);
    expect(fail(budget, 1000)).toBe(0);
  });

  test('shows no negative balance when calls lapse before the retries they paid for', () => {
    const budget = new RetryBudget({ ratio: 1, minPerSecond: 0, ttlMs: 1000 }, clock);
    for (let n = 0; n < 10; n++) budget.deposit();
    clock.advance(500);
    expect(drain(budget)).toBe(10);
    clock.advance(520);
    expect(budget.balance()).toBe(0);
    expect(budget.tryWithdraw()).toBe(false);
  });

  describe('for attempts that join slow ones', () => {
    const join = (budget: RetryBudget, times: number): number =>
      Array.from({ length: times }, () => budget.tryJoin()).filter((granted) => granted).length;

    test('a hundred at once, then one for each five answers with OK, never more than a hundred saved', () => {
      const budget = new RetryBudget({ minPerSecond: 1000 }, clock);
      expect(join(budget, 200)).toBe(100);
      for (let n = 0; n < 14; n++) budget.succeeded();
      expect(join(budget, 10)).toBe(2);
      for (let n = 0; n < 10_000; n++) budget.succeeded();
      expect(join(budget, 200)).toBe(100);
    });

    test('calls that are made and not answered pay for none, however many there are; time does not either (B5)', () => {
      const budget = new RetryBudget({}, clock);
      join(budget, 100);
      for (let n = 0; n < 10_000; n++) budget.deposit();
      clock.advance(5000);
      expect(budget.balance()).toBeGreaterThan(1000);
      expect(join(budget, 10)).toBe(0);
      expect(budget.tryWithdraw()).toBe(true); // what failed may still be sent again
    });

    test('each is taken out of the one budget (B4); without that there is none', () => {
      const budget = new RetryBudget({ ratio: 0, minPerSecond: 0.5 }, clock);
      expect(join(budget, 3)).toBe(3);
      expect(budget.balance()).toBe(2);
      expect(join(budget, 10)).toBe(2);
      expect(drain(budget)).toBe(0);
    });
  });

  describe('for calls that were lost with their carrier', () => {
    const lose = (budget: RetryBudget, calls: number): number =>
      Array.from({ length: calls }, () => budget.tryWithdraw(true)).filter((granted) => granted).length;

    test('all of a full carrier are re-sent, out of the window first, then out of the purse', () => {
      const budget = new RetryBudget({}, clock, 1024);
      for (let n = 0; n < 1024; n++) budget.deposit();
      expect(lose(budget, 1024)).toBe(1024);
      expect(budget.balance()).toBe(0);
      expect(lose(budget, 2000)).toBe(304); // 100 + 0.2 * 1024 + 1024 in all
    });

    test('others never touch the purse (B1)', () => {
      const budget = new RetryBudget({}, clock, 1024);
      expect(drain(budget)).toBe(100);
      expect(budget.tryWithdraw()).toBe(false);
      expect(budget.tryWithdraw(true)).toBe(true);
    });

    test('100 % failure gets it once: time does not fill it again (B1, B5)', () => {
      const budget = new RetryBudget({}, clock, 128);
      let retries = 0;
      for (let ms = 0; ms < 60_000; ms += 5) {
        budget.deposit();
        if (budget.tryWithdraw(true)) retries++;
        clock.advance(5);
      }
      expect(retries).toBeLessThanOrEqual(0.2 * 12_000 + 10 * 60 + 1 + 128);
      clock.advance(3_600_000);
      expect(lose(budget, 1000)).toBe(100);
    });

    test('successes fill it again, each by the ratio, and never over its cap', () => {
      const budget = new RetryBudget({ minPerSecond: 0 }, clock, 10);
      expect(lose(budget, 20)).toBe(10);
      for (let n = 0; n < 25; n++) budget.succeeded();
      expect(lose(budget, 20)).toBe(5);
      for (let n = 0; n < 1000; n++) budget.succeeded();
      expect(lose(budget, 20)).toBe(10);
    });

    test('ratio 0 without a floor means no retry, here too', () => {
      expect(lose(new RetryBudget({ ratio: 0, minPerSecond: 0 }, clock, 1024), 10)).toBe(0);
    });
  });

  test.each([
    [{ ratio: -0.1 }, 'retryBudget.ratio: expected a number >= 0 and <= 1000, got -0.1'],
    [{ ratio: 1001 }, 'retryBudget.ratio: expected a number >= 0 and <= 1000, got 1001'],
    [{ ratio: Number.NaN }, 'retryBudget.ratio'],
    [{ minPerSecond: -1 }, 'retryBudget.minPerSecond: expected a number >= 0 and <= 1000000, got -1'],
    [{ minPerSecond: Number.POSITIVE_INFINITY }, 'retryBudget.minPerSecond'],
    [{ ttlMs: 0 }, 'retryBudget.ttlMs: expected milliseconds as a number >= 1000 and <= 60000, got 0'],
    [
      { ttlMs: '10s' as unknown as number },
      'retryBudget.ttlMs: expected milliseconds as a number >= 1000 and <= 60000, got "10s"; did you mean 10000?',
    ],
  ])('refuses %j (B6)', (options, message) => {
    expect(() => new RetryBudget(options, clock)).toThrow(ConfigError);
    expect(() => new RetryBudget(options, clock)).toThrow(message);
  });
});
