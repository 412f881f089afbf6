import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Rounds } from '../../../src/endpoints/rounds.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let rounds: Rounds;
let seen: { readonly nowMs: number; readonly late: boolean }[];
let busy: boolean;

beforeEach(() => {
  clock = new FakeClock();
  seen = [];
  busy = false;
  rounds = new Rounds({ busy: () => busy, round: (nowMs, late) => seen.push({ nowMs, late }) }, clock);
});

afterEach(() => {
  rounds.stop();
  expect(clock.pending).toBe(0);
});

describe('rounds', () => {
  test('begin with the first use, at once, and come every 250 ms', () => {
    clock.advance(1_000);
    expect(seen).toEqual([]);
    const startMs = clock.nowMs();
    rounds.used();
    rounds.used();
    expect(seen).toEqual([]);
    clock.advance(1_000);
    expect(seen.map(({ nowMs }) => nowMs - startMs)).toEqual([0, 250, 500, 750, 1_000]);
  });

  test('end ten seconds after the last use, and begin again with the next', () => {
    rounds.used();
    clock.advance(9_000);
    rounds.used();
    clock.advance(60_000);
    expect(clock.pending).toBe(0);
    const count = seen.length;
    expect(count).toBeLessThanOrEqual(79);
    rounds.used();
    clock.advance(0);
    expect(seen).toHaveLength(count + 1);
  });

  test('go on while a call is out', () => {
    rounds.used();
    busy = true;
    clock.advance(60_000);
    expect(seen.length).toBeGreaterThan(230);
    busy = false;
    clock.advance(20_000);
    expect(clock.pending).toBe(0);
  });

  test('say when the process was held up', () => {
    rounds.used();
    clock.advance(250);
    expect(seen.map(({ late }) => late)).toEqual([false, false]);
    const held = new (class extends FakeClock {
      offsetMs = 0;
      override nowMs(): number {
        return super.nowMs() + this.offsetMs;
      }
    })();
    const lates: boolean[] = [];
    const other = new Rounds({ busy: () => true, round: (_nowMs, late) => lates.push(late) }, held);
    other.used();
    held.advance(250);
    held.offsetMs = 2_000; // the loop stood still while the timer was due
    held.advance(250);
    held.advance(250);
    expect(lates).toEqual([false, false, true, false]);
    other.stop();
    expect(held.pending).toBe(0);
  });

  test('never begin again once stopped', () => {
    rounds.used();
    rounds.stop();
    rounds.used();
    clock.advance(10_000);
    expect(seen).toEqual([]);
  });

  test('can be stopped by a round', () => {
    const one = new Rounds({ busy: () => true, round: () => one.stop() }, clock);
    one.used();
    clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });
});
