import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Code, type Outcome } from '../../../src/call.ts';
import type { LimitAlgorithm } from '../../../src/limit/algorithm.ts';
import { KeyedLimits } from '../../../src/limit/keyed.ts';
import { AdaptiveLimiter, type LimitSample, lessonOf } from '../../../src/limit/limiter.ts';
import { type AdaptiveLimitOptions, createAlgorithm, resolveLimitOptions } from '../../../src/limit/options.ts';
import { SampleWindow } from '../../../src/limit/window.ts';
import { seededRandom } from '../../../src/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingWaiter } from '../bulkhead/waiter.ts';

let clock: FakeClock;
let log: string[];

beforeEach(() => {
  clock = new FakeClock();
  log = [];
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

/** Writes down what it is told, and says what the test lets it say. */
class Told implements LimitAlgorithm {
  limit = 2;
  readonly samples: string[] = [];
  onSample(rttMs: number, inflight: number, dropped: boolean): number {
    this.samples.push(`${rttMs} ms, ${inflight} in flight${dropped ? ', dropped' : ''}`);
    return this.limit;
  }
}

/** A call, for its whole life. */
class Call extends LoggingWaiter implements LimitSample {
  startedMs = 0;
  inflight = 0;
}
const begin = (limiter: AdaptiveLimiter, id: string): Call => {
  const call = new Call(id, log, Number.POSITIVE_INFINITY, () => limiter.begin(call));
  const answer = limiter.bulkhead.acquire(call);
  log.push(`${id} ${answer}`);
  if (answer === 'granted') limiter.begin(call);
  return call;
};
const end = (limiter: AdaptiveLimiter, call: Call, outcome: Outcome): void => {
  limiter.learn(call, outcome);
  limiter.bulkhead.release(call);
};

describe('AdaptiveLimiter', () => {
  test('tells its algorithm how long a call took and how many were in flight when it began; its wait does not count', () => {
    const told = new Told();
    const limiter = new AdaptiveLimiter(resolveLimitOptions({ queue: 5 }, 'limit'), told, clock);
    const [first, second, third] = ['1', '2', '3'].map((id) => begin(limiter, id)) as [Call, Call, Call];
    clock.advance(10);
    end(limiter, first, 'success');
    clock.advance(5);
    end(limiter, second, 'dropped');
    end(limiter, third, 'success');
    expect(log).toEqual(['1 granted', '2 granted', '3 queued', '3 granted']);
    expect(told.samples).toEqual(['10 ms, 1 in flight', '15 ms, 2 in flight, dropped', '5 ms, 2 in flight']);
    expect(limiter.stats()).toEqual({ limit: 2, inFlight: 0, queued: 0 });
  });

  test('what was ignored teaches nothing', () => {
    const told = new Told();
    const limiter = new AdaptiveLimiter(resolveLimitOptions({}, 'limit'), told, clock);
    end(limiter, begin(limiter, '1'), 'ignored');
    expect(told.samples).toEqual([]);
    expect(limiter.bulkhead.inUse).toBe(0);
  });

  test('a limit that grows lets waiters in at once, one that shrinks takes fewer from then on', () => {
    const told = new Told();
    const limiter = new AdaptiveLimiter(resolveLimitOptions({ queue: 5 }, 'limit'), told, clock);
    const [first, second] = ['1', '2', '3', '4'].map((id) => begin(limiter, id)) as [Call, Call, Call, Call];
    told.limit = 3;
    end(limiter, first, 'success');
    expect(log.slice(4)).toEqual(['3 granted', '4 granted']);
    told.limit = 1;
    end(limiter, second, 'success');
    expect(limiter.stats()).toEqual({ limit: 1, inFlight: 2, queued: 0 });
    expect(limiter.bulkhead.acquire(new Call('5', log))).toBe('queued');
    expect(limiter.stats().queued).toBe(1);
  });

  test.each([
    [Code.OK, 'success'],
    [Code.UNAVAILABLE, 'dropped'],
    [Code.DEADLINE_EXCEEDED, 'dropped'],
    [Code.RESOURCE_EXHAUSTED, 'dropped'],
    [Code.CANCELLED, 'ignored'],
    [Code.INVALID_ARGUMENT, 'ignored'],
    [Code.NOT_FOUND, 'ignored'],
    [Code.INTERNAL, 'ignored'],
    [Code.UNKNOWN, 'ignored'],
  ])('status %d is %s', (code, lesson) => {
    expect(lessonOf(code)).toBe(lesson);
  });
});

describe('SampleWindow', () => {
  test('knows the percentile of answered calls, the highest concurrency, and how many were dropped', () => {
    const window = new SampleWindow();
    expect(window.percentile(0.5)).toBeUndefined();
    for (let i = 1; i <= 9; i++) window.add(i * 10, i, false);
    window.add(1, 20, true);
    expect([0.01, 0.5, 0.9, 1].map((percentile) => window.percentile(percentile))).toEqual([10, 50, 80, 90]);
    expect(window).toMatchObject({ inflight: 20, samples: 10, dropped: 1 });
    window.clear();
    expect(window).toMatchObject({ inflight: 0, samples: 0, dropped: 0 });
    expect(window.percentile(0.5)).toBeUndefined();
  });

  test('of more calls than it keeps times of, the first count', () => {
    const window = new SampleWindow();
    for (let i = 0; i < 5000; i++) window.add(i < 1000 ? 10 : 20, 1, false);
    expect(window.percentile(1)).toBe(10);
    expect(window.samples).toBe(5000);
  });
});

describe('KeyedLimits', () => {
  const rules = resolveLimitOptions({ initial: 1 }, 'limit');
  const keyed = (maxKeys?: number): KeyedLimits =>
    new KeyedLimits((method) => (method === '/a/free' ? undefined : rules), { clock, random: seededRandom(1) }, maxKeys);

  test('gives each method a limit of its own, and none to a method without rules', () => {
    const limits = keyed();
    const [one, other] = [limits.for('/a/X'), limits.for('/a/Y')];
    expect(one).not.toBe(other);
    expect(limits.for('/a/X')).toBe(one);
    expect(limits.for('/a/free')).toBeUndefined();
    one?.bulkhead.acquire(new Call('1', log));
    expect(limits.stats()).toEqual({ '/a/X': { limit: 1, inFlight: 1, queued: 0 }, '/a/Y': { limit: 1, inFlight: 0, queued: 0 } });
  });

  test('stays bounded: an idle one makes room', () => {
    const limits = keyed(2);
    const busy = limits.for('/a/busy');
    busy?.bulkhead.acquire(new Call('1', log));
    for (let i = 0; i < 100; i++) limits.for(`/made/up${i}`);
    expect(Object.keys(limits.stats())).toHaveLength(2);
    expect(limits.for('/a/busy')).toBe(busy);
  });
});

describe('options of an adaptive limit', () => {
  test('fills in what is missing: gradient, 20 at first, 1 to 200', () => {
    expect(resolveLimitOptions(undefined, 'limit')).toEqual({ algorithm: 'gradient', initial: 20, min: 1, max: 200 });
    expect(resolveLimitOptions({ min: 300 }, 'limit')).toMatchObject({ initial: 300, min: 300, max: 300 });
    expect(resolveLimitOptions({ max: 5 }, 'limit')).toMatchObject({ initial: 5, min: 1, max: 5 });
  });

  test.each(['gradient', 'gradient2', 'vegas', 'aimd'] as const)('%s begins where it is told', (algorithm) => {
    expect(createAlgorithm(resolveLimitOptions({ algorithm, initial: 7 }, 'limit'), seededRandom(1)).limit).toBe(7);
  });

  test.each([
    [{ algorithm: 'vagas' }, 'limit.algorithm: expected "gradient", "gradient2", "vegas" or "aimd", got "vagas"; did you mean "vegas"?'],
    [{ min: 0 }, 'limit.min: expected a whole number >= 1 and <= 100000, got 0'],
    [{ min: 10, max: 5 }, 'limit.max: expected a whole number >= 10 and <= 100000, got 5'],
    [{ initial: 300 }, 'limit.initial: expected a whole number >= 1 and <= 200, got 300'],
    [{ queue: -1 }, 'limit.queue: expected a whole number >= 0, got -1'],
    [{ slots: 5 }, 'limit.slots: unknown option'],
    [{ by: 'tenant' }, 'limit.partitions: is missing; expected shares, for by is "tenant"'],
    [{ partitions: { a: 1 } }, 'limit.by: is missing'],
    [7, 'limit: expected an object, got 7'],
  ])('refuses %j', (options, message) => {
    expect(() => resolveLimitOptions(options as AdaptiveLimitOptions, 'limit')).toThrow(message);
  });
});
