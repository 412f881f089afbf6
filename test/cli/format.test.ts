/**
 * Numbers as people read them. O6.
 */
import { describe, expect, test } from 'vitest';
import { count, millis, percent, rate, span, sparkline, timeOfDay } from '../../src/cli/format.ts';

describe('numbers', () => {
  test.each([
    [1, '100%'],
    [0.99999, '99.99%'],
    [0.999, '99.90%'],
    [0.9631, '96.3%'],
    [0.5, '50.0%'],
    [0.001, '0.10%'],
    [0.00001, '<0.01%'],
    [0, '0%'],
    [Number.NaN, '-'],
  ])('a share of %f is %s: never rounded up to all or down to nothing', (share, shown) => expect(percent(share)).toBe(shown));

  test.each([
    [0, '0.0'],
    [0.01, '<0.1'],
    [9.96, '10.0'],
    [412.4, '412'],
    [123_456, '123k'],
  ])('%f a second is %s', (perSecond, shown) => expect(rate(perSecond)).toBe(shown));

  test.each([
    [0, '-'],
    [0.0001, '1µs'],
    [0.05, '50µs'],
    [0.1, '0.1ms'],
    [9.94, '9.9ms'],
    [340, '340ms'],
    [12_345, '12.3s'],
    [Number.NaN, '-'],
  ])('%f ms is %s', (ms, shown) => expect(millis(ms)).toBe(shown));

  test.each([
    [0, '0'],
    [99_999, '99999'],
    [100_000, '100k'],
    [1_234_567, '1.2M'],
    [5e9, '5.0G'],
    [Number.POSITIVE_INFINITY, '-'],
  ])('%f things are %s', (things, shown) => expect(count(things)).toBe(shown));

  test.each([
    [900, '0s'],
    [61_000, '1m1s'],
    [3_723_000, '1h2m'],
    [90_000_000, '1d1h'],
  ])('%f ms last %s', (ms, shown) => expect(span(ms)).toBe(shown));

  test('the time of day is in UTC', () => {
    expect(timeOfDay(Date.UTC(2026, 10, 23, 4, 5, 6, 7))).toBe('04:05:06.007');
    expect(timeOfDay(0)).toBe('00:00:00.000');
  });

  test('bars show the last values, the highest full, nothing empty', () => {
    expect(sparkline([9, 9, 0, 1, 4, 8], 4)).toBe(' ▁▄█');
    expect(sparkline([0, 0], 5)).toBe('  ');
    expect(sparkline([], 5)).toBe('');
  });
});
