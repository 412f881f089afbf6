import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CancelTimer } from '../../../src/clock.ts';
import { DeadlineQueue } from '../../../src/deadline/deadline-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Counts how often a timer is armed. */
class CountingClock extends FakeClock {
  armed = 0;
  override setTimer(fn: () => void, delayMs: number): CancelTimer {
    this.armed++;
    return super.setTimer(fn, delayMs);
  }
}

let clock: CountingClock;
let due: string[];
let queue: DeadlineQueue<string>;

beforeEach(() => {
  clock = new CountingClock();
  due = [];
  queue = new DeadlineQueue<string>(clock, (item) => due.push(item));
});
afterEach(() => {
  expect(queue.size).toBe(0);
  expect(clock.pending).toBe(0);
});

describe('DeadlineQueue', () => {
  test('calls items in the order of their deadlines, equal ones in the order of adding', () => {
    const now = clock.nowMs();
    queue.add('late', now + 30);
    queue.add('first', now + 10);
    queue.add('second', now + 10);
    queue.add('middle', now + 20);
    clock.advance(25);
    expect(due).toEqual(['first', 'second', 'middle']);
    clock.advance(5);
    expect(due).toEqual(['first', 'second', 'middle', 'late']);
  });

  test('keeps one timer armed, whatever waits, and none when it is empty', () => {
    const now = clock.nowMs();
    const handles = [50, 10, 40, 20, 30].map((ms) => queue.add(`${ms}`, now + ms));
    expect(clock.pending).toBe(1);
    for (const handle of handles) {
      expect(clock.pending).toBe(1);
      queue.remove(handle);
    }
    expect(clock.pending).toBe(0);
  });

  test('never calls an item before its time, though the timer comes early', () => {
    const early = new FakeClock();
    const setTimer = early.setTimer.bind(early);
    early.setTimer = (fn, delayMs) => setTimer(fn, delayMs / 2);
    const calledAt: number[] = [];
    const on = new DeadlineQueue<string>(early, () => calledAt.push(early.nowMs()));
    const atMs = early.nowMs() + 10.25;
    on.add('x', atMs);
    for (let step = 0; step < 40; step++) early.advance(0.5);
    expect(calledAt).toHaveLength(1);
    expect(calledAt[0]).toBeGreaterThanOrEqual(atMs);
    expect(early.pending).toBe(0);
  });

  test('rounds the timer up to whole milliseconds', () => {
    const delays: number[] = [];
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (fn, delayMs) => {
      delays.push(delayMs);
      return setTimer(fn, delayMs);
    };
    queue.remove(queue.add('x', clock.nowMs() + 10.25));
    expect(delays).toEqual([11]);
  });

  test('does not arm the timer again while later deadlines come and go', () => {
    const now = clock.nowMs();
    const first = queue.add('first', now + 10);
    for (let ms = 11; ms < 1000; ms++) queue.remove(queue.add('later', now + ms));
    expect(clock.armed).toBe(1);
    queue.remove(first);
  });

  test('calls nothing that was removed, and ignores a second removal', () => {
    const handle = queue.add('x', clock.nowMs() + 10);
    queue.add('y', clock.nowMs() + 20);
    queue.remove(handle);
    queue.remove(handle);
    expect(queue.size).toBe(1);
    clock.advance(20);
    expect(due).toEqual(['y']);
    queue.remove(handle);
    expect(queue.size).toBe(0);
  });

  test('fires what is already late on the next timer turn, not from inside add', () => {
    queue.add('late', clock.nowMs() - 1000);
    expect(due).toEqual([]);
    clock.advance(0);
    expect(due).toEqual(['late']);
  });

  test('lets an item remove another one that is due as well', () => {
    const at = clock.nowMs() + 10;
    const seen: string[] = [];
    const on: DeadlineQueue<string> = new DeadlineQueue<string>(clock, (item) => {
      seen.push(item);
      on.remove(second);
    });
    on.add('first', at);
    const second = on.add('second', at);
    clock.advance(10);
    expect(seen).toEqual(['first']);
    expect(on.size).toBe(0);
  });

  test('gives the turn back when an item adds itself again, already due', () => {
    let calls = 0;
    const on: DeadlineQueue<string> = new DeadlineQueue<string>(clock, (item) => {
      if (++calls < 3) on.add(item, clock.nowMs() - 1);
    });
    on.add('again', clock.nowMs() + 1);
    clock.advance(1);
    expect(calls).toBe(3);
    expect(clock.armed).toBe(3);
    expect(on.size).toBe(0);
  });

  test('goes on with the others on the next timer turn when one throws', () => {
    const seen: string[] = [];
    const on = new DeadlineQueue<string>(clock, (item) => {
      seen.push(item);
      if (item === 'bad') throw new Error('boom');
    });
    on.add('bad', clock.nowMs() + 5);
    on.add('good', clock.nowMs() + 5);
    expect(() => clock.advance(5)).toThrow('boom');
    expect(seen).toEqual(['bad']);
    clock.advance(0);
    expect(seen).toEqual(['bad', 'good']);
    expect(on.size).toBe(0);
  });

  test('arms no timer for removed items that are left when the last one throws', () => {
    const on = new DeadlineQueue<string>(clock, () => {
      throw new Error('boom');
    });
    on.add('last', clock.nowMs() + 5);
    on.remove(on.add('gone', clock.nowMs() + 10));
    expect(() => clock.advance(5)).toThrow('boom');
    expect({ size: on.size, pending: clock.pending }).toEqual({ size: 0, pending: 0 });
  });

  test.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    'refuses %s: a call without a deadline has no place in it',
    (atMs) => {
      expect(() => queue.add('x', atMs)).toThrow(new TypeError(`DeadlineQueue.add: atMs must be finite, got ${atMs}`));
    },
  );

  test('holds nothing of a removed item', () => {
    const on = new DeadlineQueue<object>(clock, () => undefined);
    const keep = on.add({}, clock.nowMs() + 1);
    const handle = on.add({}, clock.nowMs() + 2);
    on.remove(handle);
    expect(handle.item).toBeUndefined();
    on.remove(keep);
  });
});
