import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { EventLog } from '../../src/observe/event-log.ts';
import { Ledger } from '../../src/observe/ledger.ts';
import { CallStory } from '../../src/observe/story.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Call {
  readonly path: string;
  readonly code: number;
  readonly attempts: number;
  readonly hedges: number;
  readonly refused: boolean;
  readonly durationMs: number;
  readonly pauseMs: number;
}

const calls = fc.array(
  fc.record<Call>({
    path: fc.constantFrom('/a.B/C', '/a.B/D', '/a.B/E', '/a.B/F'),
    code: fc.integer({ min: 0, max: 17 }),
    attempts: fc.integer({ min: 0, max: 5 }),
    hedges: fc.integer({ min: 0, max: 2 }),
    refused: fc.boolean(),
    durationMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    pauseMs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(0, 0, 0, 30_000, 90_000)),
  }),
  { maxLength: 60 },
);

const sum = <T>(of: readonly T[], value: (one: T) => number): number => of.reduce((total, one) => total + value(one), 0);

describe('laws of the ledger', () => {
  test('its rows add up to the calls that it was told of, whatever the cap, and the last minute to those of the last minute', () => {
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 5 }), (told, cap) => {
        const clock = new FakeClock();
        const ledger = new Ledger(clock, cap);
        const endedMs: number[] = [];
        for (const { path, code, attempts, hedges, refused, durationMs, pauseMs } of told) {
          const entry = ledger.client(path);
          entry.began();
          const story = new CallStory('client', path, '');
          Object.assign(story, { code, attempts, hedges, refused });
          entry.ended(story, durationMs, clock.nowMs());
          endedMs.push(clock.nowMs());
          clock.advance(pauseMs);
        }
        const views = ledger.views();
        expect(views.length).toBeLessThanOrEqual(cap + 1);
        expect(sum(views, ({ calls }) => calls)).toBe(told.length);
        expect(sum(views, ({ active }) => active)).toBe(0);
        expect(sum(views, ({ failed }) => failed)).toBe(told.filter(({ code }) => code !== Code.OK).length);
        expect(sum(views, ({ refused }) => refused)).toBe(told.filter(({ refused }) => refused).length);
        expect(sum(views, ({ attempts }) => attempts)).toBe(sum(told, ({ attempts }) => attempts));
        expect(sum(views, ({ hedges }) => hedges)).toBe(sum(told, ({ hedges }) => hedges));
        expect(sum(views, ({ byStatus }) => sum(Object.values(byStatus), (count) => count))).toBe(told.length);
        expect(sum(views, ({ durationCounts = [] }) => durationCounts.at(-1) ?? 0)).toBe(told.length);
        for (const { durationCounts = [] } of views) expect(durationCounts).toEqual(durationCounts.toSorted((a, b) => a - b));
        // Sixty whole seconds before the running one.
        const now = Math.floor(clock.nowMs() / 1000);
        const lately = endedMs.filter((ms) => Math.floor(ms / 1000) < now && Math.floor(ms / 1000) >= now - 60).length;
        expect(sum(views, ({ history }) => sum(history.calls, (count) => count))).toBe(lately);
        for (const { success, attemptSuccess } of views) {
          for (const share of [success, attemptSuccess]) {
            expect(share).toBeGreaterThanOrEqual(0);
            expect(share).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });
});

describe('laws of the event log', () => {
  test('nothing is lost but what has left the ring: numbers are whole, in order, and times add up', () => {
    const happenings = fc.array(
      fc.record({
        kind: fc.constantFrom('a', 'b'),
        subject: fc.constantFrom('x', 'y', 'z'),
        reason: fc.constantFrom(undefined, 'r', 's'),
        pauseMs: fc.integer({ min: 0, max: 700 }),
      }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(happenings, fc.integer({ min: 1, max: 100 }), (told, capacity) => {
        const clock = new FakeClock();
        const log = new EventLog(clock, capacity);
        let heard = 0;
        log.subscribe(() => heard++);
        for (const { pauseMs, ...happening } of told) {
          log.add({ ...happening, text: 't' });
          clock.advance(pauseMs);
        }
        const kept = log.since(0);
        expect(heard).toBe(log.seq);
        expect(kept.length).toBe(Math.min(capacity, log.seq));
        expect(kept.map(({ seq }) => seq)).toEqual(kept.map((_, i) => log.seq - kept.length + 1 + i));
        if (log.seq <= capacity) expect(sum(kept, ({ times }) => times)).toBe(told.length);
        // The same twice within a second is never two events, unless the first has left the ring.
        for (const [i, event] of kept.entries()) {
          const again = kept
            .slice(i + 1)
            .find(({ kind, subject, reason }) => kind === event.kind && subject === event.subject && reason === event.reason);
          if (again !== undefined) expect(again.atMs - event.atMs).toBeGreaterThanOrEqual(1000);
        }
        for (const seq of [0, 1, log.seq, log.seq + 1]) expect(log.since(seq)).toEqual(kept.filter((event) => event.seq > seq));
      }),
    );
  });
});
