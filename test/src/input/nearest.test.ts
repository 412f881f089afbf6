import { describe, expect, test } from 'vitest';
import { distance, nearest } from '../../../src/input/nearest.ts';

describe('nearest: names', () => {
  test.each([
    ['', '', 0],
    ['abc', '', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abc', 'ab', 1],
    ['abc', 'xabc', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('the distance of %j and %j is %d', (a, b, d) => {
    expect(distance(a, b)).toBe(d);
    expect(distance(b, a)).toBe(d);
  });

  test('case, dashes and underscores count for nothing', () => {
    expect(nearest('RETRY_POLICY', ['timeout', 'retryPolicy'])).toBe('retryPolicy');
  });

  test('gives nothing when a third of the letters differ', () => {
    expect(nearest('tim', ['timeout'])).toBeUndefined();
    expect(nearest('xyzeout', ['timeout'])).toBeUndefined();
  });

  test('takes the nearest, of equals the first', () => {
    expect(nearest('trace', ['tracer', 'traces', 'trace'])).toBe('trace');
    expect(nearest('trac', ['tracer', 'trace', 'trach'])).toBe('trace');
  });

  test('is quick on hostile input', () => {
    expect(nearest('x'.repeat(1_000_000), ['timeout', 'x'.repeat(64)])).toBe('x'.repeat(64));
  });
});
