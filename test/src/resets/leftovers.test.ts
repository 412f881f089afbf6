import { describe, expect, test } from 'vitest';
import { ASK_AGAIN_MS, type Leftover, Leftovers } from '../../../src/resets/leftovers.ts';
import { ResetBudget, type ResetBudgetOptions } from '../../../src/resets/reset-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

class Stream implements Leftover {
  readonly address: string = 'a:1';
  place: Leftover['place'] = undefined;
  resets = 0;
  reset(): void {
    this.resets++;
  }
}

function setUp(options: ResetBudgetOptions, maxLeft?: number) {
  const clock = new FakeClock();
  const budget = new ResetBudget(options, clock);
  const leftovers = new Leftovers(budget, clock, maxLeft);
  const leave = (afterMs?: number): Stream => {
    const stream = new Stream();
    leftovers.leave(stream, afterMs);
    return stream;
  };
  return { clock, budget, leftovers, leave };
}

describe('streams that are left to finish', () => {
  test('one that finishes by itself is never reset', () => {
    const { clock, budget, leftovers, leave } = setUp({ burst: 10 });
    const stream = leave();
    expect(budget.counts.left).toBe(1);
    leftovers.finished(stream);
    clock.advance(10 * ASK_AGAIN_MS);
    expect(stream.resets).toBe(0);
    expect(budget.counts).toEqual({ granted: 0, withheld: 0, left: 0 });
    expect(clock.pending).toBe(0);
  });

  test('one that does not is reset as soon as it has waited, if the budget has room', () => {
    const { clock, budget, leave } = setUp({ burst: 1 });
    const stream = leave(250);
    clock.advance(249);
    expect(stream.resets).toBe(0);
    clock.advance(1);
    expect(stream.resets).toBe(1);
    expect(budget.counts).toEqual({ granted: 1, withheld: 0, left: 0 });
    expect(clock.pending).toBe(0);
  });

  test('many are reset in their order, no faster than the budget has room', () => {
    const { clock, budget, leftovers, leave } = setUp({ burst: 2, perSecond: 2 });
    const streams = Array.from({ length: 10 }, () => leave());
    const seen: number[] = [];
    while (leftovers.size > 0) {
      clock.advance(ASK_AGAIN_MS);
      seen.push(streams.filter(({ resets }) => resets > 0).length);
    }
    expect(seen).toEqual([2, 4, 6, 8, 10]);
    expect(streams.map(({ resets }) => resets)).toEqual(streams.map(() => 1));
    expect(budget.counts.left).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('past the limit the oldest is reset whatever the budget says', () => {
    const { clock, leftovers, leave } = setUp({ burst: 0, perSecond: 0 }, 2);
    const streams = [leave(), leave(), leave()];
    expect(streams.map(({ resets }) => resets)).toEqual([1, 0, 0]);
    expect(leftovers.size).toBe(2);
    leftovers.clear();
    expect(streams.map(({ resets }) => resets)).toEqual([1, 1, 1]);
    expect(clock.pending).toBe(0);
  });

  test('a second end of the same stream is passed over', () => {
    const { budget, leftovers, leave, clock } = setUp({ burst: 1 });
    const stream = leave();
    leftovers.finished(stream);
    leftovers.finished(stream);
    expect(budget.counts.left).toBe(0);
    expect(clock.pending).toBe(0);
  });
});
