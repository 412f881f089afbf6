import { describe, expect, test } from 'vitest';
import { deadlineAfter, isLate, minDeadline, NO_DEADLINE, remainingMs, withHopMargin } from '../../../src/deadline/arithmetic.ts';

describe('deadline arithmetic', () => {
  test('the earlier of two deadlines wins, none loses against any (D2)', () => {
    expect(minDeadline(2000, 5000)).toBe(2000);
    expect(minDeadline(NO_DEADLINE, 5000)).toBe(5000);
    expect(minDeadline(NO_DEADLINE, NO_DEADLINE)).toBe(NO_DEADLINE);
  });

  test('a hop of 300 ms out of 1 s leaves 700 ms less the margin (D1)', () => {
    const deadlineMs = deadlineAfter(10_000, 1000);
    expect(remainingMs(withHopMargin(deadlineMs, 20), 10_300)).toBe(680);
    expect(withHopMargin(NO_DEADLINE, 20)).toBe(NO_DEADLINE);
  });

  test('a deadline within the hop margin is late (D5)', () => {
    expect(isLate(withHopMargin(10_020, 20), 10_000)).toBe(true);
    expect(isLate(withHopMargin(10_021, 20), 10_000)).toBe(false);
  });

  test('what is left is never negative, and unbounded without a deadline', () => {
    expect(remainingMs(900, 1000)).toBe(0);
    expect(remainingMs(NO_DEADLINE, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(remainingMs(Number.NEGATIVE_INFINITY, 1000)).toBe(0);
  });

  test('no timeout makes no deadline', () => {
    expect(deadlineAfter(1000, undefined)).toBe(NO_DEADLINE);
    expect(isLate(NO_DEADLINE, 1e15)).toBe(false);
  });
});
