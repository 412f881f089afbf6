import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeadlineQueue } from '../../../src/deadline/deadline-queue.ts';
import { lazyTimer } from '../../../src/retry/lazy-timer.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('lazyTimer', () => {
  test('a lone caller who sets and cancels again and again costs one timer', () => {
    const clock = new FakeClock();
    const real = clock.setTimer.bind(clock);
    let set = 0;
    clock.setTimer = (fn, delayMs) => {
      set++;
      return real(fn, delayMs);
    };
    const lazy = lazyTimer(clock);
    for (let i = 0; i < 100; i++) {
      const cancel = lazy.setTimer(() => expect.unreachable(), 50);
      clock.advance(0.1);
      cancel();
    }
    expect(set).toBe(1);
    clock.advance(50);
    expect(clock.pending).toBe(0);
  });

  test('an earlier one is not kept waiting', () => {
    const clock = new FakeClock();
    const lazy = lazyTimer(clock);
    lazy.setTimer(() => expect.unreachable(), 50)();
    let fired = 0;
    lazy.setTimer(() => fired++, 10);
    clock.advance(10);
    expect(fired).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test('a later one is not called when the cancelled one would have been', () => {
    const clock = new FakeClock();
    const lazy = lazyTimer(clock);
    lazy.setTimer(() => expect.unreachable(), 10)();
    const calledMs: number[] = [];
    lazy.setTimer(() => calledMs.push(clock.nowMs()), 50);
    const dueMs = clock.nowMs() + 50;
    clock.advance(100);
    expect(calledMs).toEqual([dueMs]);
  });

  test('under a queue of deadlines nothing falls due early, late or twice, whatever comes and goes', () => {
    const step = fc.record({ kind: fc.constantFrom('add', 'remove', 'pass'), ms: fc.integer({ min: 0, max: 60 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const clock = new FakeClock();
        const due: number[] = [];
        const queue = new DeadlineQueue<{ atMs: number }>(lazyTimer(clock), ({ atMs }) => {
          expect(clock.nowMs()).toBe(atMs);
          due.push(atMs);
        });
        const handles: ReturnType<typeof queue.add>[] = [];
        let expected = 0;
        for (const { kind, ms } of steps) {
          if (kind === 'pass') clock.advance(ms);
          else if (kind === 'add') {
            const atMs = clock.nowMs() + ms + 1;
            handles.push(queue.add({ atMs }, atMs));
            expected++;
          } else {
            const before = queue.size;
            const handle = handles.splice(ms % (handles.length || 1), 1)[0];
            if (handle !== undefined) queue.remove(handle);
            expected -= before - queue.size;
          }
        }
        clock.advance(200);
        expect(due).toHaveLength(expected);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});
