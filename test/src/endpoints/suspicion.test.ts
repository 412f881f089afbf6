import { describe, expect, test } from 'vitest';
import { type Quiet, Suspicion } from '../../../src/endpoints/suspicion.ts';

const quiet = (silentMs: number, latencyMs: number, ejected = false): Quiet => ({
  silentMs,
  latencyMs: Math.max(silentMs, latencyMs),
  ejected,
});

/** An endpoint that usually answers within `usualMs`. */
function known(usualMs: number): Suspicion {
  const suspicion = new Suspicion();
  expect(suspicion.rises(quiet(0, usualMs), 0)).toBe(false);
  return suspicion;
}

describe('suspicion of a connection', () => {
  test.each([
    ['a second of silence where 20 ms are usual', 20, 1_000, true],
    ['less', 20, 999, false],
    ['four times the usual latency', 400, 1_600, true],
    ['less than that', 400, 1_599, false],
  ])('%s', (_what, usualMs, silentMs, expected) => {
    expect(known(usualMs).rises(quiet(silentMs, usualMs), 5_000)).toBe(expected);
  });

  test('rises at once for an endpoint that was ejected for silence, however short the silence since, and not twice so soon', () => {
    const suspicion = known(20);
    expect(suspicion.rises(quiet(0, 20, true), 5_000)).toBe(true);
    suspicion.rebuilt(1, 6_000);
    expect([6_250, 7_999, 8_000].map((nowMs) => suspicion.rises(quiet(0, 20, true), nowMs))).toEqual([false, false, true]);
    expect(suspicion.rises(quiet(0, 20), 9_000)).toBe(false);
    expect([10_000, 10_999, 11_000].map((nowMs) => suspicion.rises(quiet(0, 20, true), nowMs))).toEqual([false, false, true]);
  });

  test('never rises where nothing ever came back: nobody knows what is usual', () => {
    const suspicion = new Suspicion();
    for (let silentMs = 0; silentMs < 60_000; silentMs += 250) expect(suspicion.rises(quiet(silentMs, 0), silentMs)).toBe(false);
  });

  test('does not take the silence itself for the usual latency', () => {
    const suspicion = known(20);
    const rises = [250, 500, 750, 1_000].map((silentMs) => suspicion.rises(quiet(silentMs, 20), silentMs));
    expect(rises).toEqual([false, false, false, true]);
  });

  test('takes twice as long after each rebuild at the first attempt, as the peer was well, up to 64 times', () => {
    const suspicion = known(20);
    const needed = [1, 2, 3, 4, 5, 6, 7, 8].map((nowMs) => {
      suspicion.rebuilt(1, nowMs);
      return [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000].find((silentMs) => suspicion.rises(quiet(silentMs, 20), nowMs));
    });
    expect(needed).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000, 64_000]);
  });

  test('is as quick as ever after one that took several attempts, and after five minutes', () => {
    const suspicion = known(20);
    suspicion.rebuilt(1, 0);
    suspicion.rebuilt(3, 1);
    expect(suspicion.rises(quiet(1_000, 20), 2)).toBe(true);
    suspicion.rebuilt(1, 3);
    expect(suspicion.rises(quiet(1_000, 20), 4)).toBe(false);
    expect(suspicion.rises(quiet(1_000, 20), 300_004)).toBe(true);
  });
});
