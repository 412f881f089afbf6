import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { DeadlineHandle } from '../../src/deadline/deadline-queue.ts';
import { DeadlineQueue } from '../../src/deadline/deadline-queue.ts';
import { FakeClock } from '../support/fake-clock.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

interface Entry {
  readonly id: number;
  readonly atMs: number;
  readonly handle: DeadlineHandle<number>;
}

/** What happens next: add with a distance, remove the n-th, let time pass. Removing is frequent, so that the heap is compacted. */
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), n: fc.integer({ min: -5, max: 500 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), n: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), n: fc.nat(80) }) },
);

describe('law: DeadlineQueue', () => {
  test('does what a sorted list does, with one timer at most and none when empty', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300, size: 'max' }), (actions) => {
        const clock = new FakeClock();
        const due: number[] = [];
        const queue = new DeadlineQueue<number>(clock, (id) => due.push(id));
        let entries: Entry[] = [];
        let added = 0;
        for (const { kind, n } of actions) {
          if (kind === 'add') {
            const atMs = clock.nowMs() + n;
            added++;
            entries.push({ id: added, atMs, handle: queue.add(added, atMs) });
          } else if (kind === 'remove') {
            const [entry] = entries.length > 0 ? entries.splice(n % entries.length, 1) : [];
            if (entry !== undefined) queue.remove(entry.handle);
          } else {
            clock.advance(n);
            const nowMs = clock.nowMs();
            const expected = entries.filter((entry) => entry.atMs <= nowMs).sort((a, b) => a.atMs - b.atMs || a.id - b.id);
            entries = entries.filter((entry) => entry.atMs > nowMs);
            // What is added late falls due on a later turn than what was there, so compare as sets here; order is below.
            expect(due.toSorted((a, b) => a - b)).toEqual(expected.map((entry) => entry.id).toSorted((a, b) => a - b));
            due.length = 0;
          }
          expect(queue.size).toBe(entries.length);
          expect(clock.pending).toBe(entries.length > 0 ? 1 : 0);
        }
        clock.advance(1000);
        expect(due).toEqual(entries.sort((a, b) => a.atMs - b.atMs || a.id - b.id).map((entry) => entry.id));
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test('keeps its order through compaction', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { minLength: 200, maxLength: 400, size: 'max' }), fc.nat(9), (times, keepEach) => {
        const clock = new FakeClock();
        const due: number[] = [];
        const queue = new DeadlineQueue<number>(clock, (at) => due.push(at));
        const handles = times.map((at) => queue.add(at, clock.nowMs() + at));
        handles.forEach((handle, index) => {
          if (index % 10 !== keepEach) queue.remove(handle);
        });
        clock.advance(100_000);
        expect(due).toEqual(times.filter((_, index) => index % 10 === keepEach).sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });
});
