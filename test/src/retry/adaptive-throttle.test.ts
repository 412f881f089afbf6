import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { seededRandom } from '../../../src/random.ts';
import { AdaptiveThrottle, AdaptiveThrottles } from '../../../src/retry/adaptive-throttle.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});
const make = (k = 2, windowMs = 120_000): AdaptiveThrottle => new AdaptiveThrottle({ k, windowMs }, clock, seededRandom(7));

/** Calls a service that takes `share` of what it is sent, evenly spread over the time; what was sent and taken. */
function drive(throttle: AdaptiveThrottle, calls: number, share: number): { sent: number; accepted: number } {
  const random = seededRandom(11);
  const count = { sent: 0, accepted: 0 };
  for (let i = 0; i < calls; i++) {
    clock.advance(1);
    if (!throttle.trySend()) continue;
    count.sent++;
    const accepted = random() < share;
    if (accepted) count.accepted++;
    throttle.ended(accepted ? Code.OK : Code.UNAVAILABLE);
  }
  return count;
}

describe('AdaptiveThrottle', () => {
  test('lets everything through while at least one in k is taken', () => {
    const throttle = make();
    drive(throttle, 1000, 1);
    expect(drive(throttle, 5000, 0.6).sent).toBe(5000);
    expect(throttle.refusal).toBe(0);
  });

  test.each([2, 1.5, 1.1, 4])('T6: in a steady state calls sent <= k x accepts, and the chance is that of the formula (k = %d)', (k) => {
    const throttle = make(k, 10_000);
    for (const share of [0.05, 0.2]) {
      drive(throttle, 30_000, share); // forgets what was before
      const { sent, accepted } = drive(throttle, 20_000, share);
      expect(sent).toBeLessThanOrEqual(Math.max(k * accepted * 1.1, 20_000 * 0.06));
    }
  });

  test('T6: a service with room for so many calls a second is sent about k times as many, within 0.05 of the formula', () => {
    const throttle = make(2, 10_000);
    const taken = { inSecond: 0 };
    const count = { requests: 0, sent: 0, accepted: 0 };
    for (let i = 0; i < 60_000; i++) {
      clock.advance(1);
      if (i % 1000 === 0) taken.inSecond = 0;
      const measured = i >= 30_000;
      if (measured) count.requests++;
      if (!throttle.trySend()) continue;
      if (measured) count.sent++;
      const accepted = taken.inSecond++ < 100; // a tenth of what is asked
      if (accepted && measured) count.accepted++;
      throttle.ended(accepted ? Code.OK : Code.RESOURCE_EXHAUSTED);
    }
    const dropped = 1 - count.sent / count.requests;
    const formula = 1 - (2 * count.accepted) / count.requests;
    expect(Math.abs(dropped - formula)).toBeLessThan(0.05);
    expect(count.sent).toBeLessThanOrEqual(2 * count.accepted * 1.1);
    expect(count.accepted).toBe(3000);
  });

  test('a service that takes nothing still sees some calls, so it is noticed when it is back', () => {
    const throttle = make(2, 10_000);
    drive(throttle, 20_000, 0);
    expect(throttle.refusal).toBe(0.95);
    expect(drive(throttle, 10_000, 0).sent / 10_000).toBeCloseTo(0.05, 2);
    drive(throttle, 40_000, 1); // four windows
    expect(throttle.refusal).toBe(0);
  });

  test('a first burst is not refused, though nothing has been taken yet', () => {
    const throttle = make();
    expect(Array.from({ length: 1000 }, () => throttle.trySend())).toEqual(Array(1000).fill(true));
  });

  test('a failure of the call itself counts as taken, one that was cancelled as nothing', () => {
    const throttle = make();
    for (let i = 0; i < 100; i++) throttle.ended(Code.INVALID_ARGUMENT);
    expect(throttle.refusal).toBe(0);
    for (let i = 0; i < 100_000; i++) throttle.ended(Code.CANCELLED);
    expect(throttle.refusal).toBe(0);
    for (let i = 0; i < 101; i++) throttle.ended(Code.DEADLINE_EXCEEDED);
    expect(throttle.refusal).toBeCloseTo(1 / 202, 9);
  });

  test('forgets what was longer ago than its window', () => {
    const throttle = make(2, 60_000);
    for (let i = 0; i < 100; i++) throttle.ended(Code.UNAVAILABLE);
    expect(throttle.refusal).toBe(0.95);
    clock.advance(61_001);
    expect(throttle.refusal).toBe(0);
  });
});

describe('AdaptiveThrottles', () => {
  test('each service has its own, and there are not more than so many', () => {
    const throttles = new AdaptiveThrottles({ k: 2, windowMs: 1000 }, clock, seededRandom(1));
    expect(throttles.of('/a.B/C')).toBe(throttles.of('/a.B/D'));
    expect(throttles.of('/a.B/C')).not.toBe(throttles.of('/a.E/C'));
    for (let i = 0; i < 2000; i++) throttles.of(`/s${i}/M`);
    expect(throttles.of('/s1998/M')).toBe(throttles.of('/s1999/M'));
    expect(throttles.of('/a.B/C')).not.toBe(throttles.of('/s1999/M'));
  });
});
