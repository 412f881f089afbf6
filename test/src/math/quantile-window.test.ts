import { describe, expect, test } from 'vitest';
import { QuantileWindow } from '../../../src/math/quantile-window.ts';
import { seededRandom } from '../../../src/random.ts';

const WINDOW_MS = 60_000;
const window = (minSamples = 1, nowMs = 0): QuantileWindow => new QuantileWindow({ windowMs: WINDOW_MS, minSamples }, nowMs);

describe('QuantileWindow', () => {
  test('knows nothing while there are fewer values than it needs', () => {
    const latencies = window(20);
    for (let n = 0; n < 19; n++) latencies.record(5, n);
    expect(latencies.quantile(0.95, 19)).toBeUndefined();
    latencies.record(5, 19);
    expect(latencies.quantile(0.95, 19)).toBeGreaterThanOrEqual(5);
  });

  test.each([0.04, 0.5, 1, 1.01, 3, 31.9, 32, 250, 1000, 65_536, 130_000])('is at or up to 3.2 %% above %d', (value) => {
    const latencies = window();
    latencies.record(value, 0);
    const seen = latencies.quantile(0.5, 0) ?? 0;
    expect(seen).toBeGreaterThanOrEqual(value);
    expect(seen).toBeLessThanOrEqual(value * (1 + 1 / 32) + 1e-9);
  });

  test.each([
    [0, 1 / 32],
    [-5, 1 / 32],
    [Number.NaN, 1 / 32],
    [1e9, 131_072],
    [Number.POSITIVE_INFINITY, 131_072],
  ])('counts %d, which is out of range, as the nearest end', (value, end) => {
    const latencies = window();
    latencies.record(value, 0);
    expect(latencies.count(0)).toBe(1);
    const seen = latencies.quantile(1, 0) ?? 0;
    expect(seen / end).toBeGreaterThan(0.99);
    expect(seen / end).toBeLessThan(1.04);
  });

  test.each([0.01, 0.5, 0.9, 0.95, 0.99, 1])('is never exceeded by more than its share: %d', (q) => {
    const random = seededRandom(3);
    const latencies = window();
    const values = Array.from({ length: 5000 }, () => 2 * Math.exp(3 * random()));
    for (const value of values) latencies.record(value, 0);
    const seen = latencies.quantile(q, 0) ?? 0;
    expect(values.filter((value) => value > seen).length).toBeLessThanOrEqual((1 - q) * values.length + 1e-9);
    const exact = values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? 0;
    expect(seen / exact).toBeLessThan(1.032);
  });

  test('stands for a second, for each of two quantiles', () => {
    const latencies = window();
    latencies.record(10, 0);
    const [median, highest] = [latencies.quantile(0.5, 0), latencies.quantile(1, 0)];
    for (let n = 0; n < 10; n++) latencies.record(1000, 0);
    expect([latencies.quantile(0.5, 999), latencies.quantile(1, 999)]).toEqual([median, highest]);
    expect(latencies.quantile(0.5, 1000)).toBeGreaterThanOrEqual(1000);
    expect(latencies.quantile(1, 1000)).toBeGreaterThanOrEqual(1000);
  });

  test('forgets a value after half the window at the earliest, the whole at the latest', () => {
    const latencies = window();
    latencies.record(100, 0);
    latencies.record(1, WINDOW_MS / 2 - 1);
    expect(latencies.quantile(1, WINDOW_MS - 1)).toBeGreaterThanOrEqual(100);
    latencies.record(1, WINDOW_MS - 1);
    expect(latencies.quantile(1, 1.5 * WINDOW_MS)).toBeLessThan(2);
  });

  test('is empty after an idle window, and knows nothing', () => {
    const latencies = window(2);
    for (let n = 0; n < 10; n++) latencies.record(7, 0);
    expect(latencies.quantile(0.5, 0)).toBeGreaterThan(6);
    expect(latencies.quantile(0.5, WINDOW_MS)).toBeUndefined();
    expect(latencies.count(WINDOW_MS)).toBe(0);
  });

  test('keeps the shares when one of its counters is full', () => {
    const latencies = window();
    for (let n = 0; n < 200_000; n++) latencies.record(n % 10 === 0 ? 50 : 2, 0);
    expect(latencies.count(0)).toBeLessThan(200_000);
    expect(latencies.quantile(0.89, 0)).toBeLessThan(3);
    expect(latencies.quantile(0.91, 0)).toBeGreaterThanOrEqual(50);
  });

  test('takes time that runs backwards for time that stands still', () => {
    const latencies = window(1, 5000);
    latencies.record(3, 5000);
    latencies.record(3, 1000);
    expect(latencies.count(0)).toBe(2);
    expect(latencies.quantile(0.5, 0)).toBeGreaterThanOrEqual(3);
  });
});
