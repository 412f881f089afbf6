import { describe, expect, test } from 'vitest';
import type { Ended } from '../coalescing/load.ts';
import { report, worst } from './report.ts';

const call = (id: string, atMs: number, tookMs: number, code = 'OK'): Ended => ({ id, code, details: '', trailers: {}, atMs, tookMs });

describe('report', () => {
  const calls = [
    call('a', 900, 20),
    call('b', 1_010, 1_000, 'DEADLINE_EXCEEDED'),
    call('c', 1_300, 250),
    call('d', 1_600, 30, 'UNAVAILABLE'),
    call('e', 1_900, 20),
  ];
  const ranOn = new Map([
    ['a', [0]],
    ['b', [0]],
    ['c', [1, 2]],
    ['e', [2]],
  ]);
  const run = { calls, faultMs: 1_000, attempts: undefined, ranOn, replicas: 3 };

  test('counts what failed and what was slow, and says when', () => {
    expect(report(run)).toEqual({
      calls: 5,
      errors: { DEADLINE_EXCEEDED: 1, UNAVAILABLE: 1 },
      failed: 2,
      slow: 2,
      firstErrorMs: 10,
      lastErrorMs: 600,
      goodAgainMs: 750,
      attemptsPerCall: 1,
      shares: [25, 25, 50],
      p50Ms: 30,
      p99Ms: 1_000,
    });
  });

  test('takes the client at its word for attempts', () => {
    expect(report({ ...run, attempts: 10 }).attemptsPerCall).toBe(2);
  });

  test('keeps of two runs the worst of each figure', () => {
    const good = { ...run, calls: [call('a', 1_200, 300), call('c', 1_300, 320), call('e', 1_400, 330)] };
    for (const both of [
      [report(run), report(good)],
      [report(good), report(run)],
    ]) {
      expect(worst(both)).toMatchObject({ failed: 2, slow: 3, firstErrorMs: 10, lastErrorMs: 600, attemptsPerCall: 4 / 3, p50Ms: 320 });
    }
  });
});
