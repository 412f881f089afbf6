/**
 * The numbers of Netflix's own unit tests, and what every algorithm must do.
 */
import { describe, expect, test } from 'vitest';
import { AimdLimit } from '../../../src/limit/aimd.ts';
import type { LimitAlgorithm, LimitBounds } from '../../../src/limit/algorithm.ts';
import { GradientLimit } from '../../../src/limit/gradient.ts';
import { Gradient2Limit } from '../../../src/limit/gradient2.ts';
import { VegasLimit, type VegasSettings } from '../../../src/limit/vegas.ts';
import { seededRandom } from '../../../src/random.ts';

const vegas = (settings: VegasSettings): VegasLimit => new VegasLimit(settings, seededRandom(1));
/** Alpha 3, beta 6, initially 10, at most 20. */
const small = (): VegasLimit => vegas({ initial: 10, min: 1, max: 20, alpha: () => 3, beta: () => 6 });

describe('VegasLimit', () => {
  test('A1: grows by beta while a call takes no longer than the fastest', () => {
    const limit = small();
    expect(limit.onSample(10, 10, false)).toBe(10);
    expect(limit.onSample(10, 11, false)).toBe(16);
  });

  test('A2: shrinks by one when the queue is longer than beta', () => {
    const limit = small();
    limit.onSample(10, 10, false);
    expect(limit.onSample(50, 11, false)).toBe(9);
  });

  test('A3: stays where it is between alpha and beta', () => {
    const limit = small();
    limit.onSample(10, 10, false);
    expect(limit.onSample(14, 14, false)).toBe(10);
  });

  test('A4: halving goes half of the way with smoothing 0.5, and all of it without', () => {
    const settings = { initial: 100, min: 1, max: 200, decrease: (limit: number) => limit / 2 };
    const trace = (limit: VegasLimit): number[] => [10, 20, 20].map((rtt) => limit.onSample(rtt, 100, false));
    expect(trace(vegas({ ...settings, smoothing: 0.5 }))).toEqual([100, 75, 56]);
    expect(trace(vegas(settings))).toEqual([100, 50, 25]);
  });

  test('A6: steps are larger where the limit is: 10,000 becomes 10,024', () => {
    const limit = vegas({ initial: 10_000, min: 1, max: 20_000 });
    expect(limit.onSample(10_000, 5000, false)).toBe(10_000);
    expect(limit.onSample(10_000, 6000, false)).toBe(10_024);
  });

  test('takes the fastest time anew at half the limit, from calls that began after the queue had drained', () => {
    const limit = vegas({ initial: 10, min: 1, max: 20, probeMultiplier: 1, alpha: () => 3, beta: () => 6 });
    limit.onSample(10, 10, false);
    for (let i = 0; i < 20 && limit.limit === 10; i++) limit.onSample(14, 10, false);
    expect(limit.limit).toBe(5);
    for (let i = 0; i < 30; i++) expect(limit.onSample(28, 10, false)).toBe(5); // began before
    for (let i = 0; i < 10; i++) limit.onSample(28, 5, false);
    expect(limit.limit).toBe(10);
    expect(limit.onSample(28, 10, false)).toBe(16); // 28 ms is no queue any more
  });

  test('a drop shrinks it, and a quick refusal is not taken for the fastest answer', () => {
    const limit = small();
    limit.onSample(10, 10, false);
    expect(limit.onSample(0.1, 10, true)).toBe(9);
    expect(limit.onSample(10, 10, false)).toBe(15);
  });
});

describe('AimdLimit', () => {
  const bounds = { min: 20, max: 200 };
  test('A5: one more after a success at half the limit or above, and never above the maximum', () => {
    expect(new AimdLimit({ ...bounds, initial: 20 }).onSample(1, 10, false, 0)).toBe(21);
    expect(new AimdLimit({ initial: 21, min: 1, max: 21 }).onSample(1, 10, false, 0)).toBe(21);
  });

  test('A5: a tenth less after a drop: 30 becomes 27', () => {
    expect(new AimdLimit({ ...bounds, initial: 30 }).onSample(0, 0, true, 0)).toBe(27);
  });

  test('a call that takes longer than the timeout counts as dropped', () => {
    expect(new AimdLimit({ ...bounds, initial: 30, timeoutMs: 100 }).onSample(101, 30, false, 0)).toBe(27);
  });

  test('a burst of late calls that were out together shrinks it once, the next round once more', () => {
    const limit = new AimdLimit({ initial: 100, min: 1, max: 200 });
    for (let i = 0; i < 50; i++) limit.onSample(200, 100, true, 1000 + i / 100);
    expect(limit.limit).toBe(90);
    limit.onSample(200, 90, true, 1300);
    expect(limit.limit).toBe(81);
  });
});

describe('Gradient2Limit', () => {
  const settings = { initial: 20, min: 20, max: 200 };
  test('grows by a fifth of its queue of 4 while latency stays within the tolerance', () => {
    const limit = new Gradient2Limit(settings);
    const trace = [10, 10, 14].map((rtt) => limit.onSample(rtt, 20, false));
    expect(trace).toEqual([20, 21, 22]);
  });

  test('shrinks by at most a tenth for a latency that has doubled many times over', () => {
    const limit = new Gradient2Limit({ ...settings, initial: 100 });
    limit.onSample(10, 10, false); // app-limited: only the average learns
    expect(limit.onSample(10_000, 100, false)).toBe(95); // 100 * (0.8 + 0.2 * 0.75) + 0.8, the average being 5005
    const settled = new Gradient2Limit({ ...settings, initial: 100 });
    for (let i = 0; i < 20; i++) settled.onSample(10, 10, false);
    expect(settled.onSample(10_000, 100, false)).toBe(90);
  });

  test('a drop takes a tenth away, and its time is not averaged', () => {
    const limit = new Gradient2Limit({ ...settings, initial: 100 });
    for (let i = 0; i < 20; i++) limit.onSample(10, 10, false);
    expect(limit.onSample(0.01, 100, true)).toBe(90);
    expect(limit.onSample(10, 100, false)).toBe(90);
    expect(limit.onSample(10, 100, false)).toBe(91);
  });
});

describe('GradientLimit', () => {
  const gradient = (settings: LimitBounds): GradientLimit => new GradientLimit(settings, seededRandom(1));
  /** A window of 20 equal calls over 100 ms. */
  const play = (limit: LimitAlgorithm, rttMs: number, inflight: number, fromMs: number, dropped = 0): number => {
    for (let i = 0; i < 21; i++) limit.onSample(rttMs, inflight, i < dropped, fromMs + i * 5);
    return limit.limit;
  };

  test('learns the latency at little concurrency, then grows by its root while the median stays within a quarter of it', () => {
    const limit = gradient({ initial: 16, min: 1, max: 200 });
    expect(play(limit, 10, 4, 0)).toBe(16);
    expect(play(limit, 12, 16, 200)).toBe(20);
  });

  test('shrinks to what the latency allows, at most by half', () => {
    const limit = gradient({ initial: 100, min: 1, max: 200 });
    play(limit, 10, 4, 0);
    expect(play(limit, 15.625, 100, 200)).toBe(90); // 100 * 0.8 + 10
    expect(play(limit, 1000, 90, 400)).toBe(54); // 90 / 2 + 9.48
  });

  test('halves itself for a moment where concurrency is never little, and does not count what began before', () => {
    const limit = gradient({ initial: 100, min: 1, max: 200 });
    expect(play(limit, 50, 100, 0)).toBe(50); // nothing is known yet
    for (let i = 0; i < 100; i++) limit.onSample(50, 100, false, 200 + i);
    expect(limit.limit).toBe(50);
    expect(play(limit, 10, 50, 1000)).toBe(110); // seen; from here on the quotient counts
    expect(play(limit, 50, 110, 1200)).toBe(65);
  });

  test('every dropped call of a window takes its share of half the limit', () => {
    const limit = gradient({ initial: 100, min: 1, max: 200 });
    play(limit, 10, 4, 0);
    for (let i = 0; i < 20; i++) limit.onSample(10, 30, i % 2 === 0, 200 + i * 6);
    expect(limit.limit).toBe(75);
  });

  test('shrinks though no call is answered, and comes back', () => {
    const limit = gradient({ initial: 100, min: 1, max: 200 });
    let nowMs = 0;
    for (; nowMs < 2000; nowMs += 200) play(limit, 200, 100, nowMs, 21);
    expect(limit.limit).toBe(1);
    for (; nowMs < 14_000; nowMs += 200) play(limit, 10, limit.limit, nowMs);
    expect(limit.limit).toBe(200);
  });
});

const all: readonly (readonly [string, (bounds: LimitBounds) => LimitAlgorithm])[] = [
  ['gradient', (bounds) => new GradientLimit(bounds, seededRandom(1))],
  ['gradient2', (bounds) => new Gradient2Limit(bounds)],
  ['vegas', (bounds) => new VegasLimit(bounds, seededRandom(1))],
  ['aimd', (bounds) => new AimdLimit(bounds)],
];

describe.each(all)('every algorithm: %s', (_name, make) => {
  test('A7: does not grow while less than half of the limit is in use', () => {
    const limit = make({ initial: 40, min: 1, max: 200 });
    for (let i = 0; i < 1000; i++) limit.onSample(10, 19, false, i * 10);
    expect(limit.limit).toBe(40);
  });

  test('grows to its maximum, and no further, while latency stays the same whatever is in flight', () => {
    const limit = make({ initial: 4, min: 1, max: 50 });
    let highest = 0;
    for (let i = 0; i < 5000; i++) highest = Math.max(highest, limit.onSample(10, limit.limit, false, i * 10));
    expect(highest).toBe(50);
  });

  test('ignores times that are none', () => {
    const limit = make({ initial: 20, min: 1, max: 200 });
    for (const rtt of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      for (let i = 0; i < 100; i++) limit.onSample(rtt, 20, false, i);
    }
    expect(limit.limit).toBe(20);
  });
});
