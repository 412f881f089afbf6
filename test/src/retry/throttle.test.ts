import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { ConfigError } from '../../../src/errors.ts';
import { seededRandom } from '../../../src/random.ts';
import { RetryBudgets } from '../../../src/retry/budgets.ts';
import { RetryThrottle } from '../../../src/retry/throttle.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Answer, play } from './drive.ts';

const UNAVAILABLE: Answer = { code: Code.UNAVAILABLE };
const OK: Answer = { code: Code.OK };

describe("RetryThrottle, gRFC A6's", () => {
  test('R9: of two tokens one failure leaves half of them: no retry', () => {
    const budget = new RetryThrottle({ maxTokens: 2, tokenRatio: 1 });
    expect(play({}, [UNAVAILABLE, OK], { budget })).toMatchObject({ attempts: 1, why: 'budget' });
    expect(budget.tokens).toBe(1);
  });

  test("R30: grpc-go's trace of twelve calls: ten tokens, 0.5 each back, the server answers at 0, 3, 6, 10-14, 16, 18", () => {
    const budget = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.5 });
    const answers = new Set([0, 3, 6, 10, 11, 12, 13, 14, 16, 18]);
    let served = -1;
    const trace = Array.from({ length: 12 }, () => {
      const left = Array.from({ length: 10 }, (_, i) => (answers.has(served + 1 + i) ? OK : UNAVAILABLE));
      const { attempts, code } = play({ maxAttempts: 5 }, left, { budget });
      served += attempts;
      if (code === Code.OK) budget.succeeded();
      return [code === Code.OK ? 'OK' : 'UNAVAILABLE', served];
    });
    expect(trace).toEqual([
      ...[0, 3, 6].map((count) => ['OK', count]),
      ...[8, 9].map((count) => ['UNAVAILABLE', count]),
      ...[10, 11, 12, 13, 14, 16].map((count) => ['OK', count]),
      ['UNAVAILABLE', 17],
    ]);
  });

  test('R30: tokens stay between 0 and their maximum', () => {
    const budget = new RetryThrottle({ maxTokens: 3, tokenRatio: 2 });
    budget.succeeded();
    expect(budget.tokens).toBe(3);
    for (let i = 0; i < 9; i++) budget.failed();
    expect(budget.tokens).toBe(0);
    budget.succeeded();
    expect(budget.tokens).toBe(2);
  });

  test.each([
    ['a retryable code', [UNAVAILABLE], { maxAttempts: 2 }, 2],
    ['the last attempt too', [UNAVAILABLE], { maxAttempts: 3 }, 3],
    ['one attempt and no retry policy: nothing', [UNAVAILABLE], { maxAttempts: 1 }, 0],
    ['INVALID_ARGUMENT: nothing', [{ code: Code.INVALID_ARGUMENT }], {}, 0],
    ['INVALID_ARGUMENT with "not again"', [{ code: Code.INVALID_ARGUMENT, pushback: ['-1'] }], {}, 1],
    ['UNAVAILABLE with "not again": once, not twice', [{ code: Code.UNAVAILABLE, pushback: ['-1'] }], {}, 1],
    ['INVALID_ARGUMENT with a pushback in ms: nothing', [{ code: Code.INVALID_ARGUMENT, pushback: ['5'] }], {}, 0],
    ['a failure after the answer has begun', [{ ...UNAVAILABLE, committed: true }], {}, 1],
    ['OK: nothing', [OK], {}, 0],
  ] as const)('R32: %s', (_what, answers, policy, cost) => {
    const budget = new RetryThrottle({ maxTokens: 100, tokenRatio: 0.1 });
    play(policy, answers, { budget });
    expect(100 - budget.tokens).toBeCloseTo(cost, 9);
  });

  test('R32: three decimals of the ratio count, and they never drift', () => {
    const budget = new RetryThrottle({ maxTokens: 100, tokenRatio: 0.1239 });
    for (let i = 0; i < 60; i++) budget.failed();
    for (let i = 0; i < 1000; i++) budget.succeeded();
    expect(budget.tokens).toBe(100);
    for (let i = 0; i < 60; i++) budget.failed();
    for (let i = 0; i < 100; i++) budget.succeeded();
    expect(budget.tokens).toBe(52.3);
  });

  test('B1: attempts <= N + maxTokens / 2 + tokenRatio x successes + 1, for every prefix of any run', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom(0.001, 0.1, 0.5, 1),
        fc.constantFrom(0, 0.1, 0.5, 0.9),
        fc.nat(),
        (maxTokens, tokenRatio, share, seed) => {
          const budget = new RetryThrottle({ maxTokens, tokenRatio });
          const random = seededRandom(seed);
          let attempts = 0;
          let successes = 0;
          for (let calls = 1; calls <= 300; calls++) {
            const answers = Array.from({ length: 5 }, () => (random() < share ? OK : UNAVAILABLE));
            const played = play({ maxAttempts: 5 }, answers, { budget });
            attempts += played.attempts;
            if (played.code === Code.OK) {
              successes++;
              budget.succeeded();
            }
            expect(attempts).toBeLessThanOrEqual(calls + maxTokens / 2 + tokenRatio * successes + 1);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('an attempt that joins a slow one costs a token, and there is none once half are gone', () => {
    const budget = new RetryThrottle({ maxTokens: 4, tokenRatio: 1 });
    expect([budget.tryJoin(), budget.tryJoin(), budget.tryJoin()]).toEqual([true, true, false]);
    expect(budget.tokens).toBe(2);
  });

  test('the balance says how many failures in a row it takes until retries stop', () => {
    const budget = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.5 });
    expect(budget.balance()).toBe(5);
    budget.failed();
    expect(budget.balance()).toBe(4);
    for (let i = 0; i < 4; i++) budget.failed();
    expect(budget.tryWithdraw()).toBe(false);
    expect(budget.balance()).toBe(0);
    budget.succeeded();
    expect(budget.tryWithdraw()).toBe(true);
    expect(budget.balance()).toBe(1);
  });

  test.each([
    [{ maxTokens: 0, tokenRatio: 1 }, 'retryBudget.throttle.maxTokens: expected a number > 0 and <= 1000, got 0'],
    [{ maxTokens: 1001, tokenRatio: 1 }, 'retryBudget.throttle.maxTokens: expected a number > 0 and <= 1000, got 1001'],
    [{ maxTokens: 10, tokenRatio: 0 }, 'retryBudget.throttle.tokenRatio: expected a number >= 0.001, got 0'],
    [{ maxTokens: 10 } as never, 'retryBudget.throttle.tokenRatio: required, but not given'],
    [{ maxTokens: 10, tokenRatoi: 1 } as never, 'retryBudget.throttle.tokenRatoi: unknown option; did you mean tokenRatio?'],
  ])('B6: refuses %j', (options, message) => {
    expect(() => new RetryThrottle(options)).toThrow(ConfigError);
    expect(() => new RetryThrottle(options)).toThrow(message);
  });
});

describe('RetryBudgets', () => {
  test('B4: all methods of a service share one, services do not', () => {
    const budgets = new RetryBudgets({ ratio: 0, minPerSecond: 0.1 }, new FakeClock());
    expect(budgets.of('/a.B/C')).toBe(budgets.of('/a.B/D'));
    expect(budgets.of('/a.B/C').tryWithdraw()).toBe(true);
    expect(budgets.of('/a.B/D').tryWithdraw()).toBe(false);
    expect(budgets.of('/a.E/C').tryWithdraw()).toBe(true);
    expect([...budgets.balances()]).toEqual([
      ['a.B', 0],
      ['a.E', 0],
    ]);
  });

  test('with a throttle they are throttles', () => {
    const budget = new RetryBudgets({ throttle: { maxTokens: 4, tokenRatio: 1 } }, new FakeClock()).of('/a.B/C');
    expect(budget.balance()).toBe(2);
    budget.failed();
    budget.failed();
    expect(budget.tryWithdraw()).toBe(false);
  });

  test('are bounded: more services than there is room for share one', () => {
    const budgets = new RetryBudgets({}, new FakeClock());
    for (let i = 0; i < 3000; i++) budgets.of(`/s${i}/M`);
    expect([...budgets.balances()]).toHaveLength(1001);
    expect(budgets.of('/s2500/M')).toBe(budgets.of('/s2999/M'));
    expect(budgets.of('/s0/Other')).toBe(budgets.of('/s0/M'));
    expect(budgets.of('/s0/M')).not.toBe(budgets.of('/s1/M'));
  });
});
