import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { Ledger } from '../../../src/observe/ledger.ts';
import { CallStory } from '../../../src/observe/story.ts';
import type { MethodView } from '../../../src/observe/views.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Told {
  readonly code?: number;
  readonly attempts?: number;
  readonly refused?: boolean;
  readonly answeredBy?: CallStory['answeredBy'];
}

class Rig {
  readonly clock = new FakeClock();
  readonly ledger = new Ledger(this.clock);
  end(durationMs: number, { code = Code.OK, attempts = 1, refused = false, answeredBy }: Told = {}, path = '/a.B/C'): void {
    const entry = this.ledger.client(path);
    entry.began();
    const story = new CallStory('client', path, '');
    for (let i = 0; i < attempts; i++) story.began(undefined);
    story.retries = Math.max(0, attempts - 1);
    story.code = code;
    story.refused = refused;
    story.answeredBy = answeredBy;
    entry.ended(story, durationMs, this.clock.nowMs());
  }
  get view(): MethodView {
    const [view] = this.ledger.views();
    if (view === undefined) throw new Error('no method');
    return view;
  }
}

describe('ledger', () => {
  test('counts calls by how they ended', () => {
    const rig = new Rig();
    rig.end(1);
    rig.end(1, { attempts: 3 });
    rig.end(1, { code: Code.UNAVAILABLE, attempts: 0, refused: true });
    rig.end(1, { code: Code.NOT_FOUND });
    rig.end(1, { code: 99 });
    rig.ledger.client('/a.B/C').began();
    expect(rig.view).toMatchObject({
      side: 'client',
      method: 'a.B/C',
      calls: 6,
      active: 1,
      failed: 3,
      refused: 1,
      attempts: 6,
      retries: 2,
      byStatus: { OK: 2, UNAVAILABLE: 1, NOT_FOUND: 1, other: 1 },
    });
  });

  test('rates are of the last ten seconds: what the app sees against what is on the wire', () => {
    const rig = new Rig();
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 4; i++) rig.end(1, second < 10 ? {} : i === 0 ? { code: Code.UNAVAILABLE, attempts: 3 } : { attempts: 2 });
      rig.clock.advance(1000);
    }
    expect(rig.view).toMatchObject({ callsPerSecond: 4, attemptsPerSecond: 9, success: 0.75 });
    expect(rig.view.attemptSuccess).toBeCloseTo(30 / 90);
  });

  test('a young method has rates over its age, one second at least', () => {
    const rig = new Rig();
    rig.end(1);
    rig.end(1);
    expect(rig.view.callsPerSecond).toBe(2);
    rig.clock.advance(4000);
    expect(rig.view.callsPerSecond).toBeCloseTo(0.5);
  });

  test('an answer of the cache or of a fallback is no good attempt', () => {
    const rig = new Rig();
    rig.end(1, { attempts: 0, answeredBy: 'cache' });
    expect(rig.view).toMatchObject({ success: 1, attemptSuccess: 1, attempts: 0 });
    rig.end(1, { attempts: 1, answeredBy: 'fallback' });
    expect(rig.view).toMatchObject({ success: 1, attemptSuccess: 0 });
  });

  test('latencies are of the last ten seconds at most, within 1.6 %', () => {
    const rig = new Rig();
    for (let i = 1; i <= 100; i++) rig.end(i);
    const { p50, p95, p99 } = rig.view.latencyMs;
    for (const [seen, real] of [
      [p50, 50],
      [p95, 95],
      [p99, 99],
    ] as const)
      expect(Math.abs(seen - real) / real).toBeLessThan(0.02);
    rig.clock.advance(4000);
    expect(rig.view.latencyMs.p50).toBe(p50);
    rig.clock.advance(6000);
    expect(rig.view.latencyMs).toEqual({ p50: 0, p95: 0, p99: 0 });
  });

  test('history has sixty seconds, the oldest first, without the running one', () => {
    const rig = new Rig();
    for (let second = 0; second < 70; second++) {
      for (let i = 0; i < second; i++) rig.end(second, i === 0 ? { code: Code.INTERNAL, attempts: 2 } : {});
      rig.clock.advance(1000);
    }
    rig.end(1);
    const { calls, failed, attempts, p99Ms } = rig.view.history;
    expect(calls).toEqual(Array.from({ length: 60 }, (_, i) => i + 10));
    expect(failed).toEqual(Array(60).fill(1));
    expect(attempts).toEqual(Array.from({ length: 60 }, (_, i) => i + 11));
    for (const [i, ms] of p99Ms.entries()) expect(Math.abs(ms - (i + 10)) / (i + 10)).toBeLessThan(0.02);
  });

  test('a pause of any length leaves empty seconds, and counts since the start stay', () => {
    const rig = new Rig();
    rig.end(1);
    rig.clock.advance(30_000);
    expect(rig.view.history.calls.filter((calls) => calls > 0)).toEqual([1]);
    expect(rig.view.history.calls[30]).toBe(1);
    rig.clock.advance(3_600_000);
    expect(rig.view).toMatchObject({ calls: 1, callsPerSecond: 0, success: 1, history: { calls: Array(60).fill(0) } });
    rig.end(1);
    rig.clock.advance(1000);
    expect(rig.view.history.calls).toEqual([...Array(59).fill(0), 1]);
  });

  test('durations are kept as Prometheus wants them: cumulative, at the boundaries of the conventions', () => {
    const rig = new Rig();
    for (const ms of [1, 5, 5.1, 100, 9_999, 20_000]) rig.end(ms);
    expect(rig.view.durationCounts).toEqual([2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6]);
    expect(rig.view.durationSumMs).toBeCloseTo(30_110.1);
  });

  test('the busiest stands first', () => {
    const rig = new Rig();
    rig.end(1, {}, '/a.B/Rare');
    rig.end(1, {}, '/a.B/Often');
    rig.end(1, {}, '/a.B/Often');
    expect(rig.ledger.views().map(({ method }) => method)).toEqual(['a.B/Often', 'a.B/Rare']);
  });

  test('a hundred thousand method names take a thousand rows of each side, and the rest shares _OTHER', () => {
    const rig = new Rig();
    for (let i = 0; i < 100_000; i++) rig.end(1, {}, `/a.B/${i}`);
    expect(rig.ledger.entries.length).toBe(1001);
    expect(rig.ledger.views()[0]).toMatchObject({ method: '_OTHER', calls: 99_000 });
    expect(rig.ledger.views().reduce((sum, { calls }) => sum + calls, 0)).toBe(100_000);
  });
});
