import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../../src/math/token-bucket.ts';

describe('TokenBucket', () => {
  test('lets the burst through, then the rate', () => {
    const bucket = new TokenBucket(3, 10, 0);
    expect([1, 2, 3, 4].map(() => bucket.tryTake(1, 0))).toEqual([true, true, true, false]);
    expect(bucket.tryTake(1, 99)).toBe(false);
    expect(bucket.tryTake(1, 100)).toBe(true);
  });

  test('never holds more than its capacity', () => {
    const bucket = new TokenBucket(3, 10, 0, 50);
    expect(bucket.tokens(0)).toBe(3);
    expect(bucket.tokens(1e9)).toBe(3);
  });

  test('takes all or none', () => {
    const bucket = new TokenBucket(3, 10, 0, 2);
    expect(bucket.tryTake(3, 0)).toBe(false);
    expect(bucket.tokens(0)).toBe(2);
  });

  test('tells how long to wait', () => {
    const bucket = new TokenBucket(3, 10, 0, 1);
    expect(bucket.waitMs(1, 0)).toBe(0);
    expect(bucket.waitMs(3, 0)).toBeCloseTo(200, 9);
    expect(bucket.waitMs(4, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(new TokenBucket(3, 0, 0, 0).waitMs(1, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  test('gains nothing when time runs backwards', () => {
    const bucket = new TokenBucket(3, 10, 1000, 0);
    expect(bucket.tokens(500)).toBe(0);
    expect(bucket.tokens(1100)).toBeCloseTo(1, 9);
  });
});
