import { describe, expect, test } from 'vitest';
import { Histogram } from '../../../src/math/histogram.ts';

describe('Histogram', () => {
  test('is 0 everywhere when empty', () => {
    const histogram = new Histogram();
    expect([histogram.count, histogram.percentile(0), histogram.percentile(50), histogram.percentile(100)]).toEqual([0, 0, 0, 0]);
  });

  test.each([1, 1.5, 31, 32, 33, 1000, 65_535, 65_536, 1e6, 2 ** 31, 2 ** 31 + 5, 3.6e9])('knows %d within 1.6 %%', (value) => {
    const histogram = new Histogram();
    histogram.record(value);
    expect(Math.abs(histogram.percentile(50) - value) / value).toBeLessThanOrEqual(1 / 64 + 1e-9);
  });

  test.each([
    [0, 1],
    [-5, 1],
    [0.3, 1],
    [Number.NaN, 1],
    [2 ** 32, 2 ** 32],
    [1e15, 2 ** 32],
    [Number.POSITIVE_INFINITY, 2 ** 32],
  ])('counts %d, which is out of range, as the nearest end', (value, end) => {
    const histogram = new Histogram();
    histogram.record(value);
    expect(histogram.count).toBe(1);
    expect(Math.abs(histogram.percentile(100) - end) / end).toBeLessThanOrEqual(1 / 32);
  });

  test('merges and resets', () => {
    const [low, high] = [new Histogram(), new Histogram()];
    for (let n = 0; n < 90; n++) low.record(10);
    for (let n = 0; n < 10; n++) high.record(5000);
    low.merge(high);
    expect(low.count).toBe(100);
    expect(low.percentile(90)).toBeCloseTo(10, 0);
    expect(low.percentile(91)).toBeGreaterThan(4900);
    expect(high.count).toBe(10);
    low.reset();
    expect([low.count, low.percentile(50)]).toEqual([0, 0]);
    low.record(7);
    expect(low.percentile(100)).toBeCloseTo(7, 0);
  });
});
