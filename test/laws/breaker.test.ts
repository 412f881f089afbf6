import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Breaker, type BreakerState } from '../../src/breaker/breaker.ts';
import { countersOf } from '../../src/breaker/counters.ts';
import { resolveBreakerOptions } from '../../src/breaker/options.ts';
import type { Outcome } from '../../src/call.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NEXT: Readonly<Record<BreakerState, readonly BreakerState[]>> = {
  closed: ['closed', 'open'],
  open: ['open', 'halfOpen'],
  halfOpen: ['halfOpen', 'open', 'closed'],
  isolated: ['isolated'],
};

describe('law of the breaker', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('enter' as const) }),
      fc.record({ kind: fc.constant('end' as const), which: fc.nat(), outcome: fc.constantFrom<Outcome>('success', 'dropped', 'ignored') }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
    ),
    { maxLength: 300 },
  );

  test('O28: it only goes closed, open, half open; no more probes than it may, and none before its time', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 3 }), fc.boolean(), (list, halfOpenProbes, byRatio) => {
        const clock = new FakeClock();
        const rules = resolveBreakerOptions(
          {
            ...(byRatio ? { failureRatio: 0.5, minimumCalls: 4, windowMs: 2_000 } : { consecutiveFailures: 3 }),
            openMs: 1_000,
            maxOpenMs: 4_000,
            halfOpenProbes,
          },
          'breaker',
        );
        const breaker = new Breaker(rules, countersOf(rules, clock));
        let running: { readonly startedMs: number }[] = [];
        let state = breaker.state;
        let openedMs = 0;
        let probes: number[] = [];
        const moved = (): void => {
          expect(NEXT[state]).toContain(breaker.state);
          if (breaker.state === 'open' && state !== 'open') openedMs = clock.nowMs();
          if (breaker.state === 'halfOpen' && state !== 'halfOpen') probes = [];
          state = breaker.state;
        };
        for (const step of list) {
          if (step.kind === 'wait') clock.advance(step.ms);
          else if (step.kind === 'enter') {
            const before = state;
            const allowed = breaker.enter(clock.nowMs());
            moved();
            if (before === 'closed') expect(allowed).toBe(true);
            if (before === 'open' && allowed) expect(clock.nowMs() - openedMs).toBeGreaterThanOrEqual(1_000);
            if (allowed) running.push({ startedMs: clock.nowMs() });
            if (allowed && state === 'halfOpen') {
              // Beyond its limit it lets another out only when none went out for the time that it was open.
              const lately = probes.filter((atMs) => clock.nowMs() - atMs < 1_000);
              if (lately.length >= halfOpenProbes)
                expect(running.filter(({ startedMs }) => startedMs >= breaker.sinceMs).length).toBeLessThanOrEqual(halfOpenProbes);
              probes.push(clock.nowMs());
            }
          } else if (running.length > 0) {
            const [call] = running.splice(step.which % running.length, 1);
            breaker.ended(call?.startedMs ?? 0, clock.nowMs(), step.outcome);
            moved();
          }
        }
        // Whatever happened, with successes it closes.
        running = [];
        for (let i = 0; i < 20 && breaker.state !== 'closed'; i++) {
          clock.advance(4_000);
          const startedMs = clock.nowMs();
          if (breaker.enter(startedMs)) breaker.ended(startedMs, startedMs, 'success');
        }
        expect(breaker.state).toBe('closed');
      }),
      { seed: 21, numRuns: 2_000 },
    );
  });
});
