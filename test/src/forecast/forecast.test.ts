import { describe, expect, test } from 'vitest';
import { bestLingerMs, controlLimit, stoppingCount } from '../../../src/forecast/control-limit.ts';
import { EwmaRate, HoltRate, type RateForecast } from '../../../src/forecast/rate.ts';

/** Arrivals at a rate that may change with time, for so long. */
function feed(rate: RateForecast, untilMs: number, perMs: (atMs: number) => number): void {
  for (let atMs = 0; atMs < untilMs; atMs += 1 / perMs(atMs)) rate.arrived(atMs);
}

describe.each([
  ['EWMA', () => new EwmaRate()],
  ["Holt's", () => new HoltRate()],
] as const)('%s rate', (_, make) => {
  test('nothing is expected before anything came', () => {
    expect(make().perMs(1000)).toBe(0);
  });

  test.for([0.4, 2, 20])('finds a steady rate of %d/ms', (perMs) => {
    const rate = make();
    feed(rate, 500, () => perMs);
    expect(rate.perMs(500)).toBeGreaterThan(0.85 * perMs);
    expect(rate.perMs(500)).toBeLessThan(1.15 * perMs);
  });

  test('forgets a rate that has ended, at once after a long silence', () => {
    const rate = make();
    feed(rate, 500, () => 5);
    expect(rate.perMs(700)).toBeLessThan(0.1);
    expect(rate.perMs(1e9)).toBeLessThan(1e-3);
  });

  test('is never below nothing', () => {
    const rate = make();
    feed(rate, 300, (atMs) => 0.1 + 20 * Math.max(0, 1 - atMs / 250));
    for (let atMs = 300; atMs < 900; atMs += 7) expect(rate.perMs(atMs)).toBeGreaterThanOrEqual(0);
  });
});

describe("Holt's against EWMA", () => {
  test('lags less behind a rate that rises', () => {
    const rising = (atMs: number): number => 1 + atMs / 20;
    const [ewma, holt] = [new EwmaRate(), new HoltRate()];
    feed(ewma, 600, rising);
    feed(holt, 600, rising);
    const miss = (rate: RateForecast): number => Math.abs(rate.perMs(600) - rising(600));
    expect(miss(holt)).toBeLessThan(0.7 * miss(ewma));
  });
});

describe('control limit', () => {
  const costs = { batchMs: 0.205, waitWeight: 0.1 };

  /** CPU and waiting of an item with a fixed linger, for Poisson arrivals. */
  const itemCost = (lingerMs: number, perMs: number): number =>
    (costs.waitWeight * (lingerMs + (perMs * lingerMs ** 2) / 2) + costs.batchMs) / (1 + perMs * lingerMs);

  test.for([
    [0.1, 0],
    [1, 0.76],
    [5, 0.68],
    [20, 0.4],
  ] as const)('at %d/ms the best linger is %d ms, as brute force finds', ([perMs, expected]) => {
    const best = bestLingerMs(perMs, costs);
    expect(best).toBeCloseTo(expected, 2);
    const tried = Array.from({ length: 2000 }, (_, i) => i * 0.002);
    const found = tried.reduce((least, lingerMs) => (itemCost(lingerMs, perMs) < itemCost(least, perMs) ? lingerMs : least), 0);
    expect(found).toBeCloseTo(best, 2);
  });

  test('the number that should wait grows with the root of the rate', () => {
    expect(controlLimit(5, costs)).toBeCloseTo(Math.sqrt(2 * 5 * 2.05));
    expect(controlLimit(20, costs) / controlLimit(5, costs)).toBeCloseTo(2);
    expect(controlLimit(-1, costs)).toBe(0);
  });

  test('for an even stream both forms stop at the same number', () => {
    const perMs = 5;
    // The best running cost of an item is w k* / L.
    const limit = controlLimit(perMs, costs);
    expect(stoppingCount(perMs, (costs.waitWeight * limit) / perMs, costs.waitWeight)).toBeCloseTo(limit);
  });
});
