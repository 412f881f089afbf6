import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Ewma, PeakEwma } from '../../src/math/ewma.ts';
import { Histogram } from '../../src/math/histogram.ts';
import { SlidingWindow } from '../../src/math/sliding-window.ts';
import { TokenBucket } from '../../src/math/token-bucket.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

/** 1 us to 1 h in us, every size as likely. */
const durationUs = fc.double({ min: 0, max: Math.log(3.6e9), noNaN: true }).map((power) => Math.max(1, Math.exp(power)));
const gapMs = fc.double({ min: 0, max: 5000, noNaN: true });

describe('law: Histogram', () => {
  test('a percentile is within 1/64 of the one in the sorted array', () => {
    fc.assert(
      fc.property(
        fc.array(durationUs, { minLength: 1, maxLength: 300, size: 'max' }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (values, p) => {
          const histogram = new Histogram();
          for (const value of values) histogram.record(value);
          const sorted = values.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil((p / 100) * sorted.length)) - 1] ?? 0;
          expect(Math.abs(histogram.percentile(p) - exact) / exact).toBeLessThanOrEqual(1 / 64 + 1e-12);
          expect(histogram.count).toBe(values.length);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('merging is the same as recording in one', () => {
    fc.assert(
      fc.property(fc.array(durationUs), fc.array(durationUs), fc.double({ min: 0, max: 100, noNaN: true }), (left, right, p) => {
        const [a, b, both] = [new Histogram(), new Histogram(), new Histogram()];
        for (const value of left) a.record(value);
        for (const value of right) b.record(value);
        for (const value of [...left, ...right]) both.record(value);
        a.merge(b);
        expect([a.count, a.percentile(p)]).toEqual([both.count, both.percentile(p)]);
      }),
    );
  });
});

describe('law: averages', () => {
  const samples = fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), gapMs), { minLength: 1 });

  test('an EWMA stays between its smallest and largest sample', () => {
    fc.assert(
      fc.property(samples, (list) => {
        const average = new Ewma(1000);
        let nowMs = 0;
        for (const [sample, gap] of list) {
          nowMs += gap;
          average.observe(sample, nowMs);
        }
        const values = list.map(([sample]) => sample);
        expect(average.value).toBeGreaterThanOrEqual(Math.min(...values) * (1 - 1e-9));
        expect(average.value).toBeLessThanOrEqual(Math.max(...values) * (1 + 1e-9));
      }),
    );
  });

  test('a peak EWMA is never below its newest sample, never above its largest, and only falls in silence', () => {
    fc.assert(
      fc.property(samples, gapMs, gapMs, (list, first, second) => {
        const peak = new PeakEwma(1000);
        let nowMs = 0;
        for (const [sample, gap] of list) {
          nowMs += gap;
          peak.observe(sample, nowMs);
          expect(peak.value(nowMs)).toBeGreaterThanOrEqual(sample * (1 - 1e-9));
        }
        expect(peak.value(nowMs)).toBeLessThanOrEqual(Math.max(...list.map(([sample]) => sample)) * (1 + 1e-9));
        const soon = peak.value(nowMs + first);
        expect(soon).toBeLessThanOrEqual(peak.value(nowMs));
        expect(peak.value(nowMs + first + second)).toBeCloseTo(soon * Math.exp(-second / 1000), 3);
      }),
    );
  });
});

describe('law: windows and buckets', () => {
  test('a sliding window agrees with a list of all that was added', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.tuple(fc.nat(100), fc.nat(700)), { maxLength: 100 }), (buckets, events) => {
        const stepMs = 1000 / buckets;
        const window = new SlidingWindow(1000, buckets, 0);
        const added: (readonly [number, number])[] = [];
        let nowMs = 0;
        for (const [amount, gap] of events) {
          nowMs += gap;
          window.add(amount, nowMs);
          added.push([amount, nowMs]);
          const expected = added
            .filter(([, at]) => Math.floor(nowMs / stepMs) - Math.floor(at / stepMs) <= buckets)
            .reduce((sum, [n]) => sum + n, 0);
          expect(window.sum(nowMs)).toBe(expected);
          expect(window.sum(nowMs)).toBeGreaterThanOrEqual(added.filter(([, at]) => nowMs - at < 1000).reduce((sum, [n]) => sum + n, 0));
        }
      }),
    );
  });

  test('a token bucket lets through at most capacity + rate * time, from every start', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 50 }),
        fc.array(fc.nat(300), { maxLength: 200, size: 'max' }),
        (capacity, perSecond, gaps) => {
          const bucket = new TokenBucket(capacity, perSecond, 0);
          const taken: number[] = [];
          let nowMs = 0;
          for (const gap of gaps) {
            nowMs += gap;
            if (bucket.tryTake(1, nowMs)) taken.push(nowMs);
            expect(bucket.tokens(nowMs)).toBeGreaterThanOrEqual(0);
            const most = (from: number): number => capacity + (perSecond * (nowMs - from)) / 1000 + 1e-6;
            expect(taken.findIndex((from, index) => taken.length - index > most(from))).toBe(-1);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
