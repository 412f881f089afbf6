import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Code } from '../../src/call.ts';
import { seededRandom } from '../../src/random.ts';
import { backoffMs } from '../../src/retry/backoff.ts';
import { RetryBudget } from '../../src/retry/budget.ts';
import { decideRetry } from '../../src/retry/decide.ts';
import { resolveRetryOptions } from '../../src/retry/options.ts';
import { parsePushback } from '../../src/retry/pushback.ts';
import { CountingBudget, play } from '../src/retry/drive.ts';
import { FakeClock } from '../support/fake-clock.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

describe('law: backoff', () => {
  const rules = resolveRetryOptions({ initialBackoffMs: 100, backoffMultiplier: 2, maxBackoffMs: 1000 }, 'retry');

  test.each([
    [1, 80, 120],
    [2, 160, 240],
    [3, 320, 480],
    [4, 640, 960],
    [5, 800, 1200],
    [50, 800, 1200],
    [5000, 800, 1200],
  ])('wait %d lies in [%d, %d], uniformly: Kolmogorov-Smirnov over 10,000 draws, p > .01 (R38)', (n, lowMs, highMs) => {
    const random = seededRandom(n);
    const draws = Array.from({ length: 10_000 }, () => (backoffMs(rules, n, random) - lowMs) / (highMs - lowMs)).sort((a, b) => a - b);
    expect(draws[0]).toBeGreaterThanOrEqual(-1e-12);
    expect(draws.at(-1)).toBeLessThanOrEqual(1 + 1e-12);
    const distance = Math.max(...draws.map((draw, index) => Math.max(draw - index / draws.length, (index + 1) / draws.length - draw)));
    expect(distance).toBeLessThan(1.628 / Math.sqrt(draws.length));
  });

  test('every wait lies within 20 % of its middle, whatever the options', () => {
    const ms = fc.double({ min: 0.001, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(
        ms,
        ms,
        fc.double({ min: 0.1, max: 20, noNaN: true }),
        fc.integer({ min: 1, max: 100 }),
        fc.nat(),
        (initial, max, multiplier, n, seed) => {
          const options = resolveRetryOptions({ initialBackoffMs: initial, maxBackoffMs: max, backoffMultiplier: multiplier }, 'retry');
          const wait = backoffMs(options, n, seededRandom(seed));
          const middle = Math.min(initial * multiplier ** (n - 1), max);
          expect(wait).toBeGreaterThanOrEqual(middle * 0.8 * (1 - 1e-12));
          expect(wait).toBeLessThanOrEqual(middle * 1.2 * (1 + 1e-12));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('law: pushback', () => {
  test('every Int32 >= 0 in plain decimal is a delay, every other text means stop', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.nat({ max: 2 ** 31 - 1 }).map(String), fc.string(), fc.integer().map(String), fc.double().map(String)),
        (text) => {
          const plain = /^[0-9]+$/.test(text) && String(Number(text)) === text && Number(text) < 2 ** 31;
          expect(parsePushback([text])).toEqual(plain ? { kind: 'delay', delayMs: Number(text) } : { kind: 'stop' });
          expect(parsePushback([text, text])).toEqual({ kind: 'stop' });
        },
      ),
      { numRuns: 5000 },
    );
    expect(parsePushback([])).toEqual({ kind: 'none' });
  });
});

describe('law: decideRetry', () => {
  const ended = fc.record({
    attempt: fc.integer({ min: 1, max: 6 }),
    code: fc.integer({ min: 0, max: 16 }),
    pushback: fc.oneof(fc.constant([]), fc.array(fc.constantFrom('0', '5', '300', '-1', 'x'), { maxLength: 2 })),
    idempotent: fc.boolean(),
    unprocessed: fc.boolean(),
    committed: fc.boolean(),
    left: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: -10, max: 400 })),
    backoffs: fc.nat(4),
    enabled: fc.boolean(),
    rich: fc.boolean(),
    maxAttempts: fc.integer({ min: 1, max: 8 }),
    codes: fc.uniqueArray(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 8 }),
  });

  test('a yes means that every condition holds; the budget pays for a yes and for nothing else', () => {
    let yes = 0;
    fc.assert(
      fc.property(ended, fc.nat(), ({ left, rich, maxAttempts, codes, ...rest }, seed) => {
        const rules = resolveRetryOptions({ maxAttempts, retryableCodes: codes }, 'retry');
        const nowMs = 5000;
        let paid = 0;
        const budget = { tryWithdraw: () => rich && ++paid > 0 };
        const decision = decideRetry({ ...rest, rules, deadlineMs: nowMs + left, nowMs, budget, random: seededRandom(seed) });
        expect(paid).toBe(decision.retry ? 1 : 0);
        if (!decision.retry) return;
        yes++;
        expect(rich && rest.enabled && !rest.committed && rest.code !== Code.OK).toBe(true);
        expect(rest.attempt).toBeLessThan(Math.min(maxAttempts, 5));
        expect(rest.idempotent || rest.unprocessed).toBe(true);
        expect(
          codes.includes(rest.code) || (rest.unprocessed && [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED].includes(rest.code as 14)),
        ).toBe(true);
        expect(decision.delayMs).toBeLessThan(left);
        expect(rest.pushback.length === 0 ? decision.delayMs > 0 : String(decision.delayMs) === rest.pushback[0]).toBe(true);
        expect(decision.backoffs).toBe(rest.pushback.length === 0 ? rest.backoffs + 1 : 0);
      }),
      { numRuns: 20_000 },
    );
    expect(yes).toBeGreaterThan(100);
  });

  test('a call that always fails makes exactly as many attempts as allowed, never one more (R5)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (maxAttempts) => {
        const budget = new CountingBudget();
        const { attempts } = play({ maxAttempts }, [{ code: Code.UNAVAILABLE }], { budget });
        expect(attempts).toBe(Math.min(maxAttempts, 5));
        expect(budget.withdrawn).toBe(attempts - 1);
      }),
    );
  });
});

describe('law: RetryBudget', () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('call' as const), n: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('retry' as const), n: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), n: fc.integer({ min: 1, max: 1500 }) }) },
  );

  test('agrees with a list of all calls and retries; the bound holds for every prefix (B3)', () => {
    const options = fc.record({
      ratio: fc.constantFrom(0, 0.1, 0.2, 0.25, 1, 2),
      minPerSecond: fc.constantFrom(0, 1, 10),
      ttlMs: fc.constantFrom(1000, 2000),
    });
    fc.assert(
      fc.property(options, fc.array(action, { maxLength: 150, size: 'max' }), ({ ratio, minPerSecond, ttlMs }, actions) => {
        const clock = new FakeClock();
        const budget = new RetryBudget({ ratio, minPerSecond, ttlMs }, clock);
        const stepMs = ttlMs / 100;
        const startMs = clock.nowMs();
        const reserve = (minPerSecond * ttlMs) / 1000;
        const calls: number[] = [];
        const retries: number[] = [];
        const alive = (times: readonly number[]): number =>
          times.filter((at) => Math.floor(clock.nowMs() / stepMs) - Math.floor(at / stepMs) <= 100).length;
        const credit = (): number => reserve + ratio * alive(calls) - alive(retries) + 1e-9;
        for (const { kind, n } of actions) {
          if (kind === 'pass') clock.advance(n);
          for (let times = kind === 'pass' ? 0 : n; times > 0; times--) {
            if (kind === 'call') {
              budget.deposit();
              calls.push(clock.nowMs());
            } else {
              const expected = credit() >= 1;
              expect(budget.tryWithdraw()).toBe(expected);
              if (expected) retries.push(clock.nowMs());
            }
          }
          expect(budget.balance()).toBe(Math.max(0, Math.floor(credit())));
          expect(budget.balance()).toBeLessThanOrEqual(reserve + ratio * alive(calls) + 1e-9);
          const windows = Math.floor((clock.nowMs() - startMs) / ttlMs) + 1;
          expect(retries.length).toBeLessThanOrEqual(ratio * calls.length + reserve * windows + 1);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('with a purse for carriers, attempts stay within it once and what successes put back, for every prefix (B3)', () => {
    const step = fc.record({ kind: fc.constantFrom('lost', 'failed', 'ok', 'pass'), n: fc.integer({ min: 1, max: 200 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(0.1, 0.2, 1),
        fc.integer({ min: 0, max: 300 }),
        fc.array(step, { maxLength: 60 }),
        (ratio, carried, steps) => {
          const clock = new FakeClock();
          const startMs = clock.nowMs();
          const budget = new RetryBudget({ ratio, minPerSecond: 10, ttlMs: 1000 }, clock, carried);
          const total = { calls: 0, ok: 0, retries: 0, carried: 0 };
          for (const { kind, n } of steps) {
            if (kind === 'pass') clock.advance(n);
            else {
              for (let i = 0; i < n; i++) {
                budget.deposit();
                total.calls++;
                if (kind === 'ok') {
                  budget.succeeded();
                  total.ok++;
                } else if (budget.tryWithdraw(kind === 'lost')) {
                  total.retries++;
                  if (kind === 'lost') total.carried++;
                }
              }
            }
            const windows = Math.floor((clock.nowMs() - startMs) / 1000) + 1;
            const window = ratio * total.calls + 10 * windows + 1;
            expect(total.retries - total.carried).toBeLessThanOrEqual(window);
            expect(total.retries).toBeLessThanOrEqual(window + carried + ratio * total.ok);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
