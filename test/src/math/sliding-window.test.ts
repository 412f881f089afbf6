import { describe, expect, test } from 'vitest';
import { SlidingWindow } from '../../../src/math/sliding-window.ts';

describe('SlidingWindow', () => {
  test('counts what is added for the span, and at most one step longer', () => {
    const window = new SlidingWindow(1000, 10, 0);
    window.add(3, 50);
    expect(window.sum(50)).toBe(3);
    expect(window.sum(1050)).toBe(3);
    expect(window.sum(1099)).toBe(3);
    expect(window.sum(1100)).toBe(0);
  });

  test('forgets all after a long silence', () => {
    const window = new SlidingWindow(1000, 10, 0);
    for (let ms = 0; ms < 1000; ms += 10) window.add(1, ms);
    expect(window.sum(999)).toBe(100);
    expect(window.sum(1e9)).toBe(0);
    window.add(1, 1e9 + 50);
    expect(window.sum(1e9 + 50)).toBe(1);
  });

  test('gives the true rate of a steady stream, wherever in a step it is asked', () => {
    const window = new SlidingWindow(1000, 10, 0);
    for (let ms = 0; ms < 5000; ms++) {
      window.add(1, ms);
      if (ms > 2000) expect(window.ratePerSecond(ms)).toBeGreaterThan(990);
      if (ms > 2000) expect(window.ratePerSecond(ms)).toBeLessThan(1010);
    }
  });

  test('takes a step back in time for standing still', () => {
    const window = new SlidingWindow(1000, 10, 5000);
    window.add(1, 5000);
    window.add(1, 3000);
    expect(window.sum(3000)).toBe(2);
    expect(window.sum(6100)).toBe(0);
  });
});
