import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Crowd } from '../../../src/balance/crowd.ts';
import { Endpoint } from '../../../src/balance/endpoint.ts';
import { type BalanceOptions, resolveBalanceOptions } from '../../../src/balance/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let crowd: Crowd;

beforeEach(() => {
  clock = new FakeClock();
  crowd = new Crowd(clock);
});
afterEach(() => {
  clock.endTurn();
  expect(clock.pending).toBe(0);
});

function endpoint(options?: BalanceOptions): Endpoint {
  const made = new Endpoint('10.0.0.1:80', crowd, resolveBalanceOptions(options, 'balance'), clock);
  made.setReady(true);
  return made;
}

/** One call that is answered after `latencyMs`. */
function answer(target: Endpoint, latencyMs: number, dropped = false): void {
  target.started(1, clock.nowMs());
  clock.advance(latencyMs);
  target.ended(clock.nowMs(), latencyMs, dropped);
}

/** An endpoint past its probes, with this latency. */
function known(latencyMs: number, options?: BalanceOptions): Endpoint {
  const made = endpoint(options);
  for (let i = 0; i < 3; i++) answer(made, latencyMs);
  return made;
}

describe('latency of an endpoint', () => {
  test('is 0 as long as nothing came back', () => {
    expect(endpoint().latencyMs(clock.nowMs())).toBe(0);
  });

  test('is set by the first answer', () => {
    const one = endpoint();
    answer(one, 7);
    expect(one.latencyMs(clock.nowMs())).toBe(7);
  });

  test('is the fastest of the first three answers, which measure the set-up of the connection', () => {
    const one = endpoint();
    answer(one, 80);
    answer(one, 5);
    answer(one, 9);
    expect(one.latencyMs(clock.nowMs())).toBeCloseTo(5, 1);
  });

  test('jumps up to a slower answer at once (L4)', () => {
    const one = known(2);
    answer(one, 300);
    expect(one.latencyMs(clock.nowMs())).toBe(300);
  });

  test('is pulled an eighth of the way by each faster answer: a hiccup is soon forgotten, a slow endpoint is not', () => {
    const one = known(10, { decayMs: 1e9 });
    answer(one, 90);
    answer(one, 10);
    expect(one.latencyMs(clock.nowMs())).toBeCloseTo(80, 3);
    for (let i = 0; i < 30; i++) answer(one, 10);
    expect(one.latencyMs(clock.nowMs())).toBeLessThan(12);
    answer(one, 90);
    answer(one, 90);
    expect(one.latencyMs(clock.nowMs())).toBe(90);
  });

  test('falls to 1/e of a peak in decayMs when nothing is sent (L4)', () => {
    const one = known(1, { decayMs: 1_000 });
    for (let i = 0; i < 200; i++) answer(one, 1);
    answer(one, 500);
    clock.advance(1_000);
    expect(one.latencyMs(clock.nowMs())).toBeCloseTo(500 / Math.E, 6);
  });

  test('decays without answers, but not below half the average: a shunned endpoint is tried again', () => {
    const fast = known(10);
    for (let i = 0; i < 500; i++) answer(fast, 10);
    const slow = known(200);
    const before = slow.latencyMs(clock.nowMs());
    clock.advance(3_600_000);
    expect(before).toBe(200);
    expect(slow.latencyMs(clock.nowMs())).toBeCloseTo(crowd.latencyMs / 2, 6);
    expect(slow.cost(clock.nowMs())).toBeGreaterThan(0);
  });

  test('ignores a success longer than patienceMs: that was a stream', () => {
    const one = known(5);
    answer(one, 10_001);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(5);
  });

  test('is not touched by ignored outcomes', () => {
    const one = known(5);
    const cost = one.cost(clock.nowMs());
    one.started(1, clock.nowMs());
    one.ended(clock.nowMs(), undefined, false);
    expect(one.cost(clock.nowMs())).toBe(cost);
    expect(one.inFlight).toBe(0);
  });
});

describe('a silent endpoint', () => {
  test('has the wait as its latency once that is longer than the average', () => {
    const one = known(20);
    one.started(1, clock.nowMs());
    clock.advance(10);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(20);
    clock.advance(990);
    expect(one.latencyMs(clock.nowMs())).toBe(1_000);
    one.ended(clock.nowMs(), undefined, false);
  });

  test('counts from the first call after the last answer, not from a call that a younger one overtook', () => {
    const one = known(2);
    one.started(1, clock.nowMs());
    clock.advance(3_000);
    answer(one, 2);
    clock.advance(2_000);
    expect(one.inFlight).toBe(1);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
    one.started(1, clock.nowMs());
    clock.advance(400);
    expect(one.latencyMs(clock.nowMs())).toBe(400);
  });

  test('is not broken by a drop while others wait: a deadline is no answer', () => {
    const one = known(2);
    one.started(2, clock.nowMs());
    clock.advance(1_000);
    one.ended(clock.nowMs(), 1_000, true);
    clock.advance(500);
    expect(one.latencyMs(clock.nowMs())).toBe(1_500);
    one.ended(clock.nowMs(), 1_500, true);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
  });

  test('is given another chance after patienceMs, which starts the clock anew', () => {
    const one = known(2, { patienceMs: 1_000 });
    one.started(1, clock.nowMs());
    clock.advance(1_001);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
    one.started(1, clock.nowMs());
    clock.advance(600);
    expect(one.latencyMs(clock.nowMs())).toBe(600);
  });

  test('is not silent because of streams, which are load all the same', () => {
    const one = known(2);
    one.startedStream();
    clock.advance(5_000);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
    expect(one.inFlight).toBe(1);
    answer(one, 2);
    one.endedStream(clock.nowMs(), false);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
    expect(one.inFlight).toBe(0);
  });
});

describe('a silence with a stream open', () => {
  test('ends when the last call that is none was cancelled', () => {
    const one = known(2);
    one.startedStream();
    one.started(1, clock.nowMs());
    clock.advance(1_000);
    expect(one.latencyMs(clock.nowMs())).toBe(1_000);
    one.ended(clock.nowMs(), undefined, false);
    expect(one.latencyMs(clock.nowMs())).toBeLessThanOrEqual(2);
  });
});

describe('cost of an endpoint', () => {
  test('is latency times load plus one (L4)', () => {
    const one = known(4);
    const alone = one.cost(clock.nowMs());
    one.started(3, clock.nowMs());
    expect(one.cost(clock.nowMs())).toBeCloseTo(4 * alone, 9);
  });

  test('orders unknown endpoints below known ones, but only until their probe is out (L3)', () => {
    const busy = known(4);
    busy.started(50, clock.nowMs());
    const fresh = endpoint();
    expect(fresh.cost(clock.nowMs())).toBe(0);
    fresh.reserve();
    expect(fresh.cost(clock.nowMs())).toBeGreaterThan(busy.cost(clock.nowMs()));
    fresh.started(1, clock.nowMs());
    clock.endTurn();
    expect(fresh.cost(clock.nowMs())).toBeGreaterThan(busy.cost(clock.nowMs()));
  });

  test('lets an unknown endpoint be probed again when a probe turned out to be a stream', () => {
    const fresh = endpoint({ patienceMs: 1_000 });
    fresh.started(1, clock.nowMs());
    clock.advance(1_001);
    expect(fresh.cost(clock.nowMs())).toBe(crowd.latencyMs);
  });

  test('of a fast-failing endpoint is above N average ones for a while, and back after some penaltyMs', () => {
    const good = known(10);
    const bad = known(10);
    for (let i = 0; i < 40; i++) answer(bad, 0, true);
    expect(bad.cost(clock.nowMs())).toBeGreaterThan(9 * crowd.cost);
    expect(bad.latencyMs(clock.nowMs())).toBeGreaterThan(9);
    clock.advance(10_000);
    expect(bad.cost(clock.nowMs())).toBeLessThan(1.2 * good.cost(clock.nowMs()));
  });

  test('makes drops count as much under load: the average endpoint is measured with its load', () => {
    const good = known(10);
    const bad = known(10);
    answer(bad, 0, true);
    good.started(64, clock.nowMs());
    for (let i = 0; i < 40; i++) answer(bad, 0, true);
    expect(bad.cost(clock.nowMs())).toBeGreaterThan(good.cost(clock.nowMs()));
  });

  test('forgets drops after successes', () => {
    const one = known(10);
    for (let i = 0; i < 40; i++) answer(one, 0, true);
    for (let i = 0; i < 40; i++) answer(one, 10);
    expect(one.cost(clock.nowMs())).toBeLessThan(12);
  });

  test('takes no drop and no silence over to the next connection', () => {
    const one = known(10);
    for (let i = 0; i < 40; i++) answer(one, 0, true);
    one.started(1, clock.nowMs());
    clock.advance(900);
    one.setReady(false);
    one.setReady(true);
    one.ended(clock.nowMs(), undefined, false);
    expect(one.cost(clock.nowMs())).toBeLessThanOrEqual(10);
  });
});

describe('provisional load of an endpoint', () => {
  test('counts from the pick on and becomes load in flight when the call starts', () => {
    const one = endpoint();
    one.reserve();
    one.reserve();
    expect([one.load, one.inFlight]).toEqual([2, 0]);
    one.started(1, clock.nowMs());
    expect([one.load, one.inFlight]).toEqual([2, 1]);
    expect(crowd.load).toBe(2);
  });

  test('is given back at the end of the turn when the pick was abandoned, by one callback for all', () => {
    const one = endpoint();
    const two = endpoint();
    for (let i = 0; i < 100; i++) {
      one.reserve();
      two.reserve();
    }
    expect(clock.pending).toBe(1);
    one.started(1, clock.nowMs());
    clock.endTurn();
    expect([one.load, two.load, crowd.load]).toEqual([1, 0, 1]);
  });

  test('of a sure pick waits for no end of a turn, and is load until it starts or is taken back', () => {
    const one = endpoint();
    one.reserve(true);
    one.reserve(true);
    expect([clock.pending, one.load, crowd.load]).toEqual([0, 2, 2]);
    one.started(1, clock.nowMs());
    one.unreserve();
    expect([one.load, one.inFlight, crowd.load]).toEqual([1, 1, 1]);
    one.reserve();
    expect(clock.pending).toBe(1);
  });

  test('never goes below zero, whatever is reported', () => {
    const one = endpoint();
    one.ended(clock.nowMs(), 5, false);
    one.endedStream(clock.nowMs(), true);
    expect([one.load, one.inFlight, crowd.load]).toEqual([0, 0, 0]);
  });
});
