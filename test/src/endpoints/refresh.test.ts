import { describe, expect, test } from 'vitest';
import { Refresh } from '../../../src/endpoints/refresh.ts';
import { seededRandom } from '../../../src/random.ts';

/** Asks every 10 ms from 0 to `untilMs`; each time it is due, `answer` says what came of it. */
function dueTimes(refresh: Refresh, untilMs: number, answer: (nowMs: number) => boolean | undefined): number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 10) {
    if (!refresh.due(nowMs)) continue;
    times.push(nowMs);
    const ok = answer(nowMs);
    if (ok !== undefined) refresh.answered(nowMs, ok);
  }
  return times;
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - (times[i] ?? 0));

describe('the refresh of a name', () => {
  test('waits for a first answer: until then the resolver is at work', () => {
    expect(dueTimes(new Refresh(1_500, seededRandom(1)), 60_000, () => true)).toEqual([]);
  });

  test('comes after refreshMs or up to a fifth sooner, and never at the same time in two processes', () => {
    const [one, other] = [1, 2].map((seed) => {
      const refresh = new Refresh(1_500, seededRandom(seed));
      refresh.answered(0, true);
      return dueTimes(refresh, 60_000, () => true);
    });
    for (const gap of gaps(one ?? [])) {
      expect(gap).toBeGreaterThanOrEqual(1_190);
      expect(gap).toBeLessThanOrEqual(1_510);
    }
    expect(one?.length).toBeGreaterThan(39);
    expect(one).not.toEqual(other);
  });

  test('comes less and less often while the resolver says nothing, down to every ten seconds, and is back with an answer', () => {
    const refresh = new Refresh(1_500, () => 0);
    refresh.answered(0, true);
    const times = dueTimes(refresh, 60_000, () => undefined);
    expect(gaps(times)).toEqual([1_500, 1_500, 3_000, 6_000, 10_000, 10_000, 10_000, 10_000]);
    refresh.answered(60_000, true);
    expect([refresh.due(61_490), refresh.due(61_500)]).toEqual([false, true]);
  });

  test('comes less and less often while resolution fails', () => {
    const refresh = new Refresh(1_500, () => 0);
    refresh.answered(0, false);
    expect(gaps(dueTimes(refresh, 40_000, () => false)).at(-1)).toBe(10_000);
  });

  test('put off by an answer that nobody asked for', () => {
    const refresh = new Refresh(1_500, () => 0);
    refresh.answered(0, true);
    refresh.answered(1_000, true);
    expect([refresh.due(1_500), refresh.due(2_500)]).toEqual([false, true]);
  });

  test('slower than ten seconds stays as it is', () => {
    const refresh = new Refresh(60_000, () => 0);
    refresh.answered(0, true);
    expect(gaps(dueTimes(refresh, 300_000, () => undefined))).toEqual([60_000, 60_000, 60_000, 60_000]);
  });

  test('of 0 never comes', () => {
    const refresh = new Refresh(0, () => 0);
    refresh.answered(0, true);
    expect(dueTimes(refresh, 300_000, () => true)).toEqual([]);
  });
});
