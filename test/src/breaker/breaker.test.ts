import { CountBreaker } from 'cockatiel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Breaker } from '../../../src/breaker/breaker.ts';
import { Breakers } from '../../../src/breaker/breakers.ts';
import { countersOf } from '../../../src/breaker/counters.ts';
import { type BreakerOptions, resolveBreakerOptions } from '../../../src/breaker/options.ts';
import type { Outcome } from '../../../src/call.ts';
import { systemClock } from '../../../src/clock.ts';
import { ConfigError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

function breakerWith(options: BreakerOptions): Breaker {
  const rules = resolveBreakerOptions(options, 'breaker');
  return new Breaker(rules, countersOf(rules, clock));
}

/** One call that is over at once; false: it was refused. */
function call(breaker: Breaker, outcome: Outcome): boolean {
  const startedMs = clock.nowMs();
  if (!breaker.enter(startedMs)) return false;
  breaker.ended(startedMs, clock.nowMs(), outcome);
  return true;
}

const calls = (breaker: Breaker, ...outcomes: readonly Outcome[]): boolean[] => outcomes.map((outcome) => call(breaker, outcome));

/** A breaker that has just opened. */
function opened(options: BreakerOptions = {}): Breaker {
  const breaker = breakerWith({ consecutiveFailures: 1, ...options });
  call(breaker, 'dropped');
  expect(breaker.state).toBe('open');
  return breaker;
}

describe('a breaker that counts failures in a row', () => {
  test('O28: opens at the n-th, and refuses from then on', () => {
    const breaker = breakerWith({ consecutiveFailures: 3 });
    expect(calls(breaker, 'dropped', 'dropped')).toEqual([true, true]);
    expect(breaker.state).toBe('closed');
    expect(calls(breaker, 'dropped', 'success')).toEqual([true, false]);
    expect(breaker.state).toBe('open');
  });

  test('O28: starts anew after a success, not after what says nothing', () => {
    const breaker = breakerWith({ consecutiveFailures: 2 });
    calls(breaker, 'dropped', 'success', 'dropped');
    expect(breaker.state).toBe('closed');
    calls(breaker, 'ignored', 'dropped');
    expect(breaker.state).toBe('open');
  });
});

describe('a breaker that counts the share of failures', () => {
  const half: BreakerOptions = { failureRatio: 0.5, windowMs: 10_000, minimumCalls: 10 };

  test('O28: opens at the share, from the minimum of calls on', () => {
    const breaker = breakerWith(half);
    for (let i = 0; i < 9; i++) call(breaker, 'dropped');
    expect(breaker.state).toBe('closed');
    call(breaker, 'dropped');
    expect(breaker.state).toBe('open');
  });

  test('O28: stays closed below the share, and opens exactly at it', () => {
    const breaker = breakerWith(half);
    for (let i = 0; i < 50; i++) calls(breaker, 'success', 'success', 'dropped');
    expect(breaker.state).toBe('closed');
    for (let i = 0; i < 49; i++) call(breaker, 'dropped');
    expect(breaker.state).toBe('closed');
    call(breaker, 'dropped');
    expect(breaker.state).toBe('open');
  });

  test('O28: forgets what has left the window', () => {
    const breaker = breakerWith(half);
    for (let i = 0; i < 9; i++) call(breaker, 'dropped');
    clock.advance(11_001);
    call(breaker, 'dropped');
    expect(breaker.state).toBe('closed');
  });

  test('forgets what was counted before it was open', () => {
    const breaker = breakerWith({ ...half, openMs: 100 });
    for (let i = 0; i < 10; i++) call(breaker, 'dropped');
    clock.advance(100);
    calls(breaker, 'success', 'dropped', 'dropped');
    expect(breaker.state).toBe('closed');
  });

  test('is not touched by a step of the wall clock', () => {
    const breaker = breakerWith(half);
    for (let i = 0; i < 9; i++) call(breaker, 'dropped');
    clock.wallOffsetMs += 3_600_000;
    call(breaker, 'dropped');
    expect(breaker.state).toBe('open');
  });
});

describe('an open breaker', () => {
  test('O28: lets one call out when its time is over, refuses all others, and closes with its success', () => {
    const breaker = opened({ openMs: 1_000 });
    clock.advance(999);
    expect(call(breaker, 'success')).toBe(false);
    clock.advance(1);
    const startedMs = clock.nowMs();
    expect(breaker.enter(startedMs)).toBe(true);
    expect([breaker.enter(startedMs), breaker.enter(startedMs)]).toEqual([false, false]);
    expect(breaker.state).toBe('halfOpen');
    breaker.ended(startedMs, clock.nowMs(), 'success');
    expect(breaker.state).toBe('closed');
    expect(call(breaker, 'success')).toBe(true);
  });

  test('O28: is open twice as long after each failed probe, up to the longest', () => {
    const breaker = opened({ openMs: 1_000, maxOpenMs: 5_000 });
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      waits.push(breaker.probeAtMs - clock.nowMs());
      clock.advance(breaker.probeAtMs - clock.nowMs());
      expect(call(breaker, 'dropped')).toBe(true);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  test('O28: begins anew with the shortest time once it was closed', () => {
    const breaker = opened({ openMs: 1_000 });
    for (let i = 0; i < 3; i++) {
      clock.advance(breaker.probeAtMs - clock.nowMs());
      call(breaker, i < 2 ? 'dropped' : 'success');
    }
    expect(breaker.state).toBe('closed');
    call(breaker, 'dropped');
    expect(breaker.probeAtMs - clock.nowMs()).toBe(1_000);
  });

  test('O28: an outcome that says nothing keeps the probe: another call may try', () => {
    const breaker = opened({ openMs: 1_000 });
    clock.advance(1_000);
    expect(calls(breaker, 'ignored', 'ignored')).toEqual([true, true]);
    expect(breaker.state).toBe('halfOpen');
    call(breaker, 'success');
    expect(breaker.state).toBe('closed');
  });

  test('O28: a probe that never ends makes room for another after the time it was open', () => {
    const breaker = opened({ openMs: 1_000 });
    clock.advance(1_000);
    expect(breaker.enter(clock.nowMs())).toBe(true);
    clock.advance(999);
    expect(breaker.enter(clock.nowMs())).toBe(false);
    clock.advance(1);
    expect(breaker.enter(clock.nowMs())).toBe(true);
    expect(breaker.enter(clock.nowMs())).toBe(false);
  });

  test('a probe that came to nothing before it began makes room at once', () => {
    const breaker = opened({ openMs: 1_000 });
    clock.advance(1_000);
    breaker.enter(clock.nowMs());
    breaker.giveBack();
    expect(breaker.enter(clock.nowMs())).toBe(true);
  });

  test('needs as many successes as it lets probes out', () => {
    const breaker = opened({ openMs: 1_000, halfOpenProbes: 3 });
    clock.advance(1_000);
    const startedMs = clock.nowMs();
    expect([1, 2, 3, 4].map(() => breaker.enter(startedMs))).toEqual([true, true, true, false]);
    breaker.ended(startedMs, startedMs, 'success');
    breaker.ended(startedMs, startedMs, 'success');
    expect(breaker.state).toBe('halfOpen');
    breaker.ended(startedMs, startedMs, 'success');
    expect(breaker.state).toBe('closed');
  });

  test('hears nothing of calls that began before its last change', () => {
    const breaker = breakerWith({ consecutiveFailures: 1, openMs: 1_000 });
    const oldMs = clock.nowMs();
    for (let i = 0; i < 3; i++) breaker.enter(oldMs);
    clock.advance(10);
    breaker.ended(oldMs, clock.nowMs(), 'dropped');
    clock.advance(1_000);
    breaker.enter(clock.nowMs());
    breaker.ended(oldMs, clock.nowMs(), 'success');
    expect(breaker.state).toBe('halfOpen');
    breaker.ended(oldMs, clock.nowMs(), 'dropped');
    expect(breaker.state).toBe('halfOpen');
  });
});

describe('a breaker by hand', () => {
  test('refuses when isolated, whatever happens, until released', () => {
    const breaker = breakerWith({ consecutiveFailures: 2, openMs: 10 });
    call(breaker, 'dropped');
    breaker.isolate(clock.nowMs());
    clock.advance(1e6);
    expect(call(breaker, 'success')).toBe(false);
    expect(breaker.state).toBe('isolated');
    breaker.release(clock.nowMs());
    expect(calls(breaker, 'dropped', 'success')).toEqual([true, true]);
    expect(breaker.state).toBe('closed');
  });

  test('is not closed by a release when it opened by itself', () => {
    const breaker = opened();
    breaker.release(clock.nowMs());
    expect(breaker.state).toBe('open');
  });
});

describe('breakers by method', () => {
  const rules = resolveBreakerOptions({ consecutiveFailures: 1 }, 'breaker');

  test('are one for each method that policy gives one, and none else', () => {
    const breakers = new Breakers((method) => (method === '/a.B/C' ? rules : undefined), clock);
    expect(breakers.for('/a.B/D')).toBeUndefined();
    expect(breakers.for('/a.B/C')).toBe(breakers.for('/a.B/C'));
    expect(breakers.stats()).toEqual({ '/a.B/C': { state: 'closed', opened: 0, refused: 0 } });
  });

  test('can be opened by hand for a method without one', () => {
    const breakers = new Breakers(() => undefined, clock);
    const handle = breakers.handle('/a.B/C');
    expect(handle.state).toBe('closed');
    expect(breakers.for('/a.B/C')).toBeUndefined();
    handle.isolate();
    handle.isolate();
    expect(breakers.for('/a.B/C')?.breaker.enter(clock.nowMs())).toBe(false);
    expect(breakers.stats()).toEqual({ '/a.B/C': { state: 'isolated', opened: 1, refused: 0 } });
    handle.release();
    expect(handle.state).toBe('closed');
    expect(breakers.for('/a.B/C')?.breaker.enter(clock.nowMs())).toBe(true);
  });

  test('are bounded: a closed one makes room, an open one does not', () => {
    const breakers = new Breakers(() => rules, clock, 3);
    breakers.for('/a.B/0')?.breaker.isolate(clock.nowMs());
    for (let i = 1; i < 100; i++) breakers.for(`/a.B/${i}`);
    expect(breakers.size).toBe(3);
    expect(breakers.for('/a.B/0')?.breaker.state).toBe('isolated');
    for (const method of Object.keys(breakers.stats())) breakers.for(method)?.breaker.isolate(clock.nowMs());
    expect(breakers.for('/a.B/new')).toBeUndefined();
    expect(breakers.size).toBe(3);
  });

  test("take cockatiel's own counters", () => {
    const breakers = new Breakers(
      () => rules,
      clock,
      10,
      () => [new CountBreaker({ threshold: 0.5, size: 4 })],
    );
    const breaker = breakers.for('/a.B/C')?.breaker;
    if (breaker === undefined) throw new Error('no breaker');
    calls(breaker, 'dropped', 'success', 'dropped');
    expect(breaker.state).toBe('closed');
    call(breaker, 'dropped');
    expect(breaker.state).toBe('open');
  });
});

describe('options of a breaker', () => {
  test('have defaults', () => {
    expect(resolveBreakerOptions(undefined, 'breaker')).toEqual({
      consecutiveFailures: 5,
      failureRatio: Number.POSITIVE_INFINITY,
      windowMs: 10_000,
      minimumCalls: 20,
      openMs: 1_000,
      maxOpenMs: 30_000,
      halfOpenProbes: 1,
    });
  });

  test('count failures in a row beside a share only when asked to', () => {
    expect(resolveBreakerOptions({ failureRatio: 0.5 }, 'breaker').consecutiveFailures).toBe(Number.POSITIVE_INFINITY);
    expect(resolveBreakerOptions({ failureRatio: 0.5, consecutiveFailures: 9 }, 'breaker').consecutiveFailures).toBe(9);
    expect(resolveBreakerOptions({ openMs: 60_000 }, 'breaker').maxOpenMs).toBe(60_000);
  });

  test.each([
    [{ failureRatio: 0 }, 'breaker.failureRatio: expected a number > 0 and <= 1, got 0'],
    [{ consecutiveFailures: 0 }, 'breaker.consecutiveFailures: expected a whole number >= 1, got 0'],
    [{ openMs: '1s' }, 'did you mean 1000?'],
    [{ openTime: 5 }, 'breaker.openTime: unknown option'],
  ])('%o is refused with what is wrong', (options, problem) => {
    expect(() => resolveBreakerOptions(options, 'breaker')).toThrow(ConfigError);
    expect(() => resolveBreakerOptions(options, 'breaker')).toThrow(problem);
  });
});

describe('a refusal of a breaker', () => {
  test('O28: takes far less than a millisecond', () => {
    const breaker = opened({ openMs: 60_000 });
    const startedMs = systemClock.nowMs();
    for (let i = 0; i < 10_000; i++) breaker.enter(clock.nowMs());
    expect((systemClock.nowMs() - startedMs) / 10_000).toBeLessThan(0.05);
  });
});
