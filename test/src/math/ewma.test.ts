import { describe, expect, test } from 'vitest';
import { Ewma, PeakEwma } from '../../../src/math/ewma.ts';

describe('Ewma', () => {
  test('is undefined before the first sample, which sets it', () => {
    const average = new Ewma(1000);
    expect(average.value).toBeUndefined();
    average.observe(40, 7);
    expect(average.value).toBe(40);
  });

  test('has gone 63 % of the way to a new level after one time constant', () => {
    const average = new Ewma(1000);
    average.observe(0, 0);
    average.observe(100, 1000);
    expect(average.value).toBeCloseTo(100 * (1 - Math.exp(-1)), 9);
  });

  test('does not move by samples in no time, nor when time runs backwards', () => {
    const average = new Ewma(1000);
    average.observe(10, 500);
    average.observe(1000, 500);
    average.observe(1000, 100);
    expect(average.value).toBe(10);
    average.observe(20, 1500);
    expect(average.value).toBeCloseTo(10 * Math.exp(-1) + 20 * (1 - Math.exp(-1)), 9);
  });
});

describe('PeakEwma', () => {
  test('jumps up at once and comes down slowly', () => {
    const peak = new PeakEwma(1000);
    peak.observe(10, 0);
    peak.observe(200, 1);
    expect(peak.value(1)).toBe(200);
    peak.observe(10, 1001);
    expect(peak.value(1001)).toBeCloseTo(200 * Math.exp(-1) + 10 * (1 - Math.exp(-1)), 9);
  });

  test('fades to nothing in silence, and reading changes nothing', () => {
    const peak = new PeakEwma(1000);
    expect(peak.value(0)).toBe(0);
    peak.observe(100, 0);
    expect(peak.value(5000)).toBeCloseTo(100 * Math.exp(-5), 9);
    expect(peak.value(1000)).toBeCloseTo(100 * Math.exp(-1), 9);
    expect(peak.value(-50)).toBe(100);
  });
});
