import { describe, expect, test } from 'vitest';
import { LateRejects } from '../../../src/deadline/late-rejects.ts';
import { ConfigError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** So many calls, each late; how many are refused. */
function refused(rejects: LateRejects, calls: number): number {
  let count = 0;
  for (let i = 0; i < calls; i++) {
    rejects.arrived();
    if (rejects.tryReject()) count++;
  }
  return count;
}

// The cases of Finagle's DeadlineFilter tests, in our words.
describe('D9: how many late calls are refused', () => {
  test.for<[number, number, number]>([
    [1, 10, 10],
    [0, 1000, 0],
    [0.2, 10, 2],
    [0.2, 4, 0],
    [0.2, 5, 1],
    [0.5, 100, 50],
    [0.01, 1000, 10],
  ])('a fraction of %d: of %d calls, all late, %d', ([fraction, calls, expected]) => {
    expect(refused(new LateRejects(fraction, new FakeClock()), calls)).toBe(expected);
  });

  test('calls in time earn what late ones are refused with', () => {
    const rejects = new LateRejects(0.2, new FakeClock());
    for (let i = 0; i < 45; i++) rejects.arrived();
    expect(refused(rejects, 5)).toBe(5);
  });

  test('what was earned lapses after ten seconds', () => {
    const clock = new FakeClock();
    const rejects = new LateRejects(0.2, clock);
    for (let i = 0; i < 50; i++) rejects.arrived();
    clock.advance(11_001);
    expect(rejects.tryReject()).toBe(false);
  });

  test('so does what was spent', () => {
    const clock = new FakeClock();
    const rejects = new LateRejects(0.2, clock);
    expect(refused(rejects, 10)).toBe(2);
    clock.advance(11_001);
    expect(refused(rejects, 10)).toBe(2);
  });

  test('never more than the fraction, whatever the order', () => {
    const clock = new FakeClock();
    const rejects = new LateRejects(0.1, clock);
    let calls = 0;
    let count = 0;
    for (let i = 0; i < 2000; i++) {
      calls++;
      rejects.arrived();
      if (i % 3 === 0 && rejects.tryReject()) count++;
      expect(count).toBeLessThanOrEqual(calls * 0.1 + 1e-6);
    }
    expect(count).toBeGreaterThan(190);
  });

  test.for([-0.1, 1.1, Number.NaN])('a fraction of %d is refused', (fraction) => {
    expect(() => new LateRejects(fraction, new FakeClock())).toThrow(ConfigError);
  });
});
