/**
 * Adaptive limits on virtual time, against a server of four slots and 10 ms a call (C = 400 calls a second) unless said.
 */
import { describe, expect, test, vi } from 'vitest';
import {
  adaptive,
  BIMODAL_CAPACITY,
  bimodal,
  CAPACITY,
  criticalShare,
  fixed,
  fourSlots,
  hundredSlots,
  LARGE_CAPACITY,
  STALLING_CAPACITY,
  shared,
  stalling,
} from '../../../bench/sim/limits.ts';
import { goodput, latency, limitBand, type ModelOptions, type Run, runQueueModel } from '../../../bench/sim/queue-model.ts';
import type { LimitAlgorithmName } from '../../../src/limit/options.ts';

// A second of virtual time takes some ms, on a busy machine more.
vi.setConfig({ testTimeout: 60_000 });

const STARTS = [4, 20, 200];
const LATENCY_BASED: readonly LimitAlgorithmName[] = ['gradient', 'vegas'];
const share = (run: Run, from: number, to?: number): number => goodput(run, from, to) / CAPACITY;

describe('a simulated server under an adaptive limit', () => {
  test('V4: without a limit nothing is answered in time from 1.2 times its capacity on (the trap is real)', () => {
    expect(
      share(
        fourSlots(0.8, () => []),
        3,
      ),
    ).toBeGreaterThan(0.75);
    for (const load of [1.2, 2])
      expect(
        share(
          fourSlots(load, () => []),
          3,
        ),
      ).toBeLessThan(0.01);
  });

  test.for(STARTS)('A8: vegas finds 4 to 12 within 3 s at twice the capacity, begun at %d, at 95 % and p99 < 80 ms', (initial) => {
    const run = fourSlots(2, adaptive({ algorithm: 'vegas', initial }));
    const { least, mean, most } = limitBand(run, 3);
    expect(mean).toBeGreaterThanOrEqual(4);
    expect(mean).toBeLessThanOrEqual(12);
    expect(least).toBeGreaterThanOrEqual(4);
    expect(most).toBeLessThanOrEqual(20); // for a moment after it has taken the fastest time anew
    expect(share(run, 3)).toBeGreaterThanOrEqual(0.95);
    expect(latency(run, 0.99, 3)).toBeLessThan(80);
  });

  test.for(STARTS)('A8: gradient2 swings between 1 and 100 at twice the capacity, begun at %d, at 95 % and p99 < 250 ms', (initial) => {
    const run = fourSlots(2, adaptive({ algorithm: 'gradient2', initial }));
    const { mean, most } = limitBand(run, 3);
    expect(mean).toBeGreaterThanOrEqual(8);
    expect(most).toBeLessThanOrEqual(100);
    expect(share(run, 3)).toBeGreaterThanOrEqual(0.95);
    expect(latency(run, 0.99, 3)).toBeLessThan(250);
  });

  test.for(STARTS)('A8: gradient, the default, finds 4 to 20, begun at %d, at 95 % and p99 < 80 ms', (initial) => {
    const run = fourSlots(2, adaptive({ initial }));
    const from = initial === 200 ? 12 : 3; // the first look at half of 200 shows a long queue, the second a shorter one
    const { mean } = limitBand(run, from);
    expect(mean).toBeGreaterThanOrEqual(4);
    expect(mean).toBeLessThanOrEqual(20);
    expect(share(run, from)).toBeGreaterThanOrEqual(0.95);
    expect(latency(run, 0.99, from)).toBeLessThan(80);
  });

  test.for([1.2, 2, 5])('A8: with one or the other, four slots do nearly what they can at %d times their load', (load) => {
    const best = share(fourSlots(load, fixed(16)), 3);
    for (const algorithm of [...LATENCY_BASED, 'gradient2'] as const) {
      expect(share(fourSlots(load, adaptive({ algorithm })), 3)).toBeGreaterThanOrEqual(0.9 * best);
    }
    expect(share(fourSlots(load, adaptive({ algorithm: 'aimd' })), 3)).toBeGreaterThanOrEqual(0.75 * best);
  });

  test.for(LATENCY_BASED)('A9: %s follows the capacity from 4 to 8 to 2 slots within 10 s, no second under 0.6 of it', (algorithm) => {
    const slots = (atMs: number): number => (atMs < 20_000 ? 4 : atMs < 40_000 ? 8 : 2);
    const run = fourSlots(2.2, adaptive({ algorithm }), { seconds: 60, slots, rate: () => 4.4 * CAPACITY });
    const least = Math.min(...run.seconds.slice(1).map(({ good }, index) => good / (slots((index + 1) * 1000) * 100)));
    expect(least).toBeGreaterThanOrEqual(0.6);
    const means = [10, 30, 50].map((from) => limitBand(run, from, from + 10).mean);
    expect(means[0]).toBeGreaterThan(3.9);
    expect(means[0]).toBeLessThan(16);
    expect(means[1]).toBeGreaterThan(7.9);
    expect(means[1]).toBeLessThan(32);
    expect(means[2]).toBeGreaterThan(1.9);
    expect(means[2]).toBeLessThan(10);
  });

  test.for(LATENCY_BASED)('A9: %s comes back from its minimum', (algorithm) => {
    const slots = (atMs: number): number => (atMs > 5000 && atMs < 8000 ? 0 : 4);
    const run = fourSlots(2, adaptive({ algorithm, initial: 1 }), { seconds: 20, slots, dropLate: true });
    expect(share(run, 11)).toBeGreaterThanOrEqual(0.9);
  });

  test.for(LATENCY_BASED)(
    'A10: %s does not collapse when calls take twice as long for good: 0.9 of what is possible after 30 s',
    (algorithm) => {
      const serviceMs = (atMs: number): number => (atMs < 10_000 ? 10 : 20);
      const run = fourSlots(2, adaptive({ algorithm }), { seconds: 60, serviceMs });
      expect(goodput(run, 40) / (CAPACITY / 2)).toBeGreaterThanOrEqual(0.9);
    },
  );

  test('A11: a tenth of slow calls moves the limit by 30 % at most, in a small server and in a large one', () => {
    const uniform = limitBand(fourSlots(2, adaptive({}), { seconds: 30, timeoutMs: 1000 }), 5).mean;
    const mixed = bimodal(2, adaptive({}));
    expect(Math.abs(limitBand(mixed, 5).mean / uniform - 1)).toBeLessThanOrEqual(0.3);
    expect(goodput(mixed, 5) / BIMODAL_CAPACITY).toBeGreaterThanOrEqual(0.9);
  });

  test('A11: a hundred slots with latencies that vary as they do in life are used, where a limit by the fastest call starves them', () => {
    expect(goodput(hundredSlots(0.8, adaptive({})), 3) / LARGE_CAPACITY).toBeGreaterThan(0.78);
    expect(goodput(hundredSlots(2, adaptive({})), 3) / LARGE_CAPACITY).toBeGreaterThan(0.9);
    // Why vegas is not the default.
    expect(goodput(hundredSlots(0.8, adaptive({ algorithm: 'vegas' })), 3) / LARGE_CAPACITY).toBeLessThan(0.2);
  });

  test('a callee that stands still now and then: a queue rides over it, where a limit alone refuses what comes meanwhile', () => {
    const offered = 0.7 * STALLING_CAPACITY;
    expect(goodput(stalling(adaptive({})), 3) / offered).toBeGreaterThan(0.8);
    expect(goodput(stalling(adaptive({ queue: 50 })), 3) / offered).toBeGreaterThan(0.99);
  });

  test('V5: at five times the capacity 99 % of the critical calls, half of the capacity, are answered, and none is wasted', () => {
    const { critical, run } = criticalShare(shared({ queue: 20, by: 'priority', partitions: { critical: 0.7 } }));
    expect(critical).toBeGreaterThanOrEqual(0.99);
    expect(share(run, 3)).toBeGreaterThanOrEqual(0.95);
    expect(criticalShare(shared({ queue: 20 })).critical).toBeLessThan(0.5); // without shares they are calls like others
  });

  test('A12: no traffic and traffic again leave it where it was', () => {
    const rate = (atMs: number): number => (atMs > 5000 && atMs < 10_000 ? 0 : 2 * CAPACITY);
    const run = fourSlots(2, adaptive({}), { rate });
    expect(limitBand(run, 11).most).toBeLessThanOrEqual(40);
    expect(share(run, 11)).toBeGreaterThanOrEqual(0.95);
  });

  test('A13: a limit at the client and one at the server together keep 70 % of the capacity and more', () => {
    const both: ModelOptions['limits'] = (...about) => [...adaptive({})(...about), ...adaptive({})(...about)];
    expect(share(fourSlots(2, both), 5)).toBeGreaterThanOrEqual(0.7);
  });

  test('A13: twenty clients with a limit each share a server fairly: Jain index >= 0.9, 70 % of the capacity and more', () => {
    const run = runQueueModel({
      seconds: 40,
      clients: 20,
      rate: () => 5 * 2 * CAPACITY,
      slots: () => 20,
      serviceMs: () => 10,
      limits: adaptive({ initial: 4 }),
    });
    expect(goodput(run, 5) / (5 * CAPACITY)).toBeGreaterThanOrEqual(0.7);
    const sum = run.byClient.reduce((total, good) => total + good, 0);
    const squares = run.byClient.reduce((total, good) => total + good * good, 0);
    expect((sum * sum) / (20 * squares)).toBeGreaterThanOrEqual(0.9);
  });

  test.for([2, 5])('a server that drops what is late and has a limit holds its goodput at %d times its load', (load) => {
    expect(share(fourSlots(load, adaptive({}), { dropLate: true }), 3)).toBeGreaterThanOrEqual(0.95);
    expect(
      share(
        fourSlots(load, () => [], { dropLate: true }),
        3,
      ),
    ).toBeLessThan(0.35); // dropping alone does not
  });
});
