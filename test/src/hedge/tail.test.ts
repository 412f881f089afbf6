import { describe, expect, test } from 'vitest';
import { quantileOf, runTail } from './tail.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

describe('hedging of a long tail (1 % of attempts 20 times slower)', () => {
  test.each([7, 8, 9])('H17: at most 6 % more attempts make p99.9 five times shorter, and the median no longer (seed %d)', (seed) => {
    const plain = runTail({ seconds: 100, seed });
    const hedged = runTail({ hedge: { percentile: 0.95 }, seconds: 100, seed });
    expect(hedged.ended).toBe(hedged.calls);
    expect(sum(hedged.extra) / hedged.calls).toBeLessThanOrEqual(0.06);
    expect(quantileOf(hedged.tookMs, 0.999)).toBeLessThanOrEqual(quantileOf(plain.tookMs, 0.999) / 5);
    expect(quantileOf(hedged.tookMs, 0.5)).toBeLessThanOrEqual(quantileOf(plain.tookMs, 0.5) * 1.05);
  });

  test('H17: when everything is ten times slower hedges stay within the budget, and within 6 % once that is the usual', () => {
    const budget = { ratio: 0.1, minPerSecond: 1, ttlMs: 10_000 };
    const slowFromMs = 60_000;
    const { calls, extra, ended } = runTail({
      hedge: { percentile: 0.95 },
      budget,
      seconds: 140,
      slowdown: (atMs) => (atMs >= slowFromMs ? 10 : 1),
    });
    expect(ended).toBe(calls);
    const perSecond = calls / 140;
    for (let from = 60; from < 140; from += 10) {
      const within = sum(extra.slice(from, from + 10));
      // Ten seconds see what they earned, and what the ten before had left.
      expect(within).toBeLessThanOrEqual(10 * perSecond * 0.1 + 10 + 10 * perSecond * 0.1 + 10);
    }
    expect(sum(extra.slice(60))).toBeLessThanOrEqual(80 * perSecond * 0.1 + 80 + 10 * perSecond * 0.1 + 10);
    expect(sum(extra.slice(100, 140)) / (40 * perSecond)).toBeLessThanOrEqual(0.06);
  });

  test('H17: a delay that is set, without a bound on the budget, doubles the attempts (the trap is real)', () => {
    const { extra, calls } = runTail({
      hedge: { delayMs: 18 }, // what 95 % took before
      budget: { ratio: 1000 },
      seconds: 70,
      slowdown: (atMs) => (atMs >= 60_000 ? 10 : 1),
    });
    expect(extra[60] ?? 0).toBeGreaterThan((calls / 70) * 0.5);
  });

  test('H17: everything is twice as slow: until that has been learned no more than the share is hedged, whatever the budget', () => {
    const { calls, extra, ended } = runTail({
      hedge: { percentile: 0.98 },
      budget: { ratio: 1000 },
      seconds: 100,
      slowdown: (atMs) => (atMs >= 60_000 ? 2 : 1),
    });
    expect(ended).toBe(calls);
    const perSecond = calls / 100;
    // A burst of twenty; a quarter more than 2 %; and late ones: the 1 % that is 20 times slower waits for one at three times p99.
    for (let from = 60; from < 100; from += 5)
      expect(sum(extra.slice(from, from + 5))).toBeLessThanOrEqual(20 + 5 * perSecond * (0.025 + 0.015));
  });

  test('H16: the share of hedges is stable over ten windows: what hedges cut off does not shorten the delay', () => {
    const { extra, calls } = runTail({ hedge: { percentile: 0.95 }, seconds: 600, callsPerSecond: 100 });
    const perSecond = calls / 600;
    for (let from = 30; from < 600; from += 60) expect(sum(extra.slice(from, from + 60)) / (60 * perSecond)).toBeLessThanOrEqual(0.065);
    expect(sum(extra.slice(500, 600)) / (100 * perSecond)).toBeGreaterThan(0.03);
  });
});
