import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';

/** The longest that Node's setTimeout takes; anything longer fires at once. */
const MAX_MS = 2 ** 31 - 1;

describe('timers of the real clock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.for([MAX_MS, MAX_MS + 1, MAX_MS + 1000, 3 * MAX_MS])('D7: one of %d ms fires then, not at once', (delayMs) => {
    const fired = vi.fn();
    systemClock.setTimer(fired, delayMs);
    vi.advanceTimersByTime(delayMs - 1);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a cancelled one of several pieces leaves none', () => {
    const fired = vi.fn();
    const cancel = systemClock.setTimer(fired, 3 * MAX_MS);
    vi.advanceTimersByTime(MAX_MS + 1);
    cancel();
    expect(vi.getTimerCount()).toBe(0);
    expect(fired).not.toHaveBeenCalled();
  });
});
