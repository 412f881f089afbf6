import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConnectWatch } from '../../../src/endpoints/connect-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let watch: ConnectWatch;
let ready: boolean;
let timeoutMs: number;

beforeEach(() => {
  clock = new FakeClock();
  ready = false;
  timeoutMs = 5_000;
  watch = new ConnectWatch({ clock, timeoutMs: () => timeoutMs, ready: () => ready });
});

afterEach(() => {
  watch.close();
  expect(clock.pending).toBe(0);
});

describe('the watch on connecting', () => {
  test('M12: gives an attempt up that is not ready in time', () => {
    const signal = watch.begin();
    clock.advance(4_999);
    expect([signal.aborted, watch.gaveUp]).toEqual([false, false]);
    clock.advance(1);
    expect([signal.aborted, watch.gaveUp, watch.limitMs]).toEqual([true, true, 5_000]);
  });

  test('lets one alone that succeeded, and knows how it went', () => {
    watch.begin();
    watch.failed();
    const signal = watch.begin();
    clock.advance(120);
    watch.succeeded();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect([signal.aborted, watch.tookMs, watch.tookAttempts]).toEqual([false, 120, 2]);
    watch.succeeded();
    expect(watch.tookMs).toBe(120);
  });

  test('lets one alone that stands though nobody said so', () => {
    const signal = watch.begin();
    ready = true;
    clock.advance(5_000);
    expect([signal.aborted, watch.gaveUp]).toEqual([false, false]);
  });

  test('watches each attempt for itself, with the limit of its time', () => {
    const first = watch.begin();
    clock.advance(3_000);
    watch.failed();
    timeoutMs = 1_000;
    const second = watch.begin();
    clock.advance(999);
    expect([first.aborted, second.aborted]).toEqual([false, false]);
    clock.advance(1);
    expect([first.aborted, second.aborted, watch.gaveUp]).toEqual([false, true, true]);
    watch.begin();
    expect(watch.gaveUp).toBe(false);
  });

  test('ends an attempt of which nobody said how it ended when the next begins', () => {
    const first = watch.begin();
    const second = watch.begin();
    expect([first.aborted, second.aborted]).toEqual([true, false]);
  });

  test('closed, ends the connection that stands and lets no other be made', () => {
    const signal = watch.begin();
    watch.succeeded();
    watch.close();
    expect(signal.aborted).toBe(true);
    watch.close();
    expect([watch.begin().aborted, clock.pending]).toEqual([true, 0]);
  });
});
