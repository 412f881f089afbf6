import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Code } from '../../src/call.ts';
import { attemptOf } from '../../src/grpc/lb-policy.ts';
import { QuantileWindow } from '../../src/math/quantile-window.ts';
import { Rig, succeed } from '../doors/rig.ts';
import { CountingBudget, play, type Script } from '../src/hedge/timeline.ts';
import { doors } from '../support/loopback.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

const script: fc.Arbitrary<Script> = fc.record(
  {
    afterMs: fc.integer({ min: 0, max: 3000 }),
    code: fc.constantFrom(Code.OK, Code.UNAVAILABLE, Code.UNAVAILABLE, Code.INTERNAL, Code.RESOURCE_EXHAUSTED),
    pushback: fc.constantFrom([], [], ['0'], ['700'], ['-1'], ['x']),
    unprocessed: fc.boolean(),
  },
  { requiredKeys: ['code', 'pushback', 'unprocessed'] },
);

describe('law: hedging', () => {
  test('whatever attempts do, the plan begins what it may and no more, and ends the call when nothing is left to wait for (H5 H6 H11 H12)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 7 }),
        fc.constantFrom(0, 1, 100, 500, undefined),
        fc.array(script, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(0, 1, 2, 10),
        fc.constantFrom(50, 500, 1000, Number.POSITIVE_INFINITY),
        fc.constantFrom(0, 100, 500, Number.POSITIVE_INFINITY),
        (maxAttempts, delayMs, scripts, affordable, deadlineMs, cancelMs) => {
          const budget = new CountingBudget(affordable);
          const options = { maxAttempts, ...(delayMs === undefined ? {} : { delayMs }) };
          const { startsMs, endMs, nextAtMs } = play(options, scripts, { budget, deadlineMs, cancelMs });
          expect(startsMs.length).toBeLessThanOrEqual(Math.min(5, maxAttempts));
          expect(budget.withdrawn).toBeGreaterThanOrEqual(startsMs.length - 1);
          // One may be paid for and then not be needed: its call ended while the server's pushback was waited for.
          expect(budget.withdrawn).toBeLessThanOrEqual(startsMs.length);
          expect(startsMs.slice(1).every((ms) => ms < deadlineMs && ms <= cancelMs)).toBe(true);
          expect(nextAtMs).toBe(Number.POSITIVE_INFINITY);
          const answers = scripts.every(({ afterMs }) => afterMs !== undefined);
          if (answers || deadlineMs < Number.POSITIVE_INFINITY) expect(endMs).toBeLessThanOrEqual(deadlineMs);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test.each(doors)('one status, after headers and message, and no timer stays, whatever happens when (behind %s)', async (door) => {
    const event = fc.tuple(
      fc.constantFrom('ok', 'fail', 'fail', 'fatal', 'push', 'stop', 'wait', 'wait', 'cancel'),
      fc.nat({ max: 4 }),
      fc.integer({ min: 1, max: 400 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 12 }),
        fc.constantFrom('0s', '0.2s'),
        fc.boolean(),
        async (events, hedgingDelay, opened) => {
          const rig = new Rig(door, { policy: { defaults: { idempotent: true, hedgingPolicy: { maxAttempts: 4, hedgingDelay } } } });
          rig.onLower = (lower) => {
            lower.onStart = () => {
              const attempt = lower.metadata && attemptOf(lower.metadata);
              if (attempt !== undefined) attempt.started = opened;
            };
            lower.onCancel = (code) => lower.end(code);
          };
          const { call, ear } = rig.unary();
          const over = new Set<unknown>();
          for (const [what, index, ms] of events) {
            rig.clock.advance(what === 'wait' ? ms : 0);
            const lower = rig.lowers[index];
            if (what === 'cancel') call.cancelWithStatus(Code.CANCELLED, 'enough');
            if (lower === undefined || over.has(lower) || lower.log.some((line) => line.startsWith('cancel'))) continue;
            if (what !== 'wait' && what !== 'cancel') over.add(lower);
            if (what === 'ok') succeed(lower);
            else if (what === 'fail') lower.end(Code.UNAVAILABLE);
            else if (what === 'fatal') lower.end(Code.INTERNAL);
            else if (what === 'push') lower.end(Code.UNAVAILABLE, '', { 'grpc-retry-pushback-ms': '100' });
            else if (what === 'stop') lower.end(Code.UNAVAILABLE, '', { 'grpc-retry-pushback-ms': '-1' });
          }
          rig.clock.advance(10_000);
          for (const lower of rig.lowers)
            if (!over.has(lower) && !lower.log.some((line) => line.startsWith('cancel'))) lower.end(Code.UNAVAILABLE);
          rig.clock.advance(10_000);
          for (const lower of rig.lowers) lower.end(Code.INTERNAL);
          rig.clock.advance(10_000);
          expect(rig.clock.pending).toBe(0);
          await turn(); // a cancelled call's status comes at its end
          const heard = ear.log.filter((line) => line !== 'null');
          expect(['status', 'metadata message status']).toContain(heard.join(' '));
          expect(rig.lowers.length).toBeLessThanOrEqual(4);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe('law: quantiles of a window', () => {
  test('at most the rest exceeds the quantile, and the next value below it is within 3.2 %', () => {
    const value = fc.double({ min: 1 / 32, max: 100_000, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const window = new QuantileWindow({ windowMs: 1000, minSamples: 1 }, 0);
        for (const one of values) window.record(one, 0);
        const bound = window.quantile(q, 0) ?? Number.NaN;
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(q * values.length) - 1)] ?? Number.NaN;
        expect(bound).toBeGreaterThanOrEqual(exact);
        expect(bound).toBeLessThanOrEqual(exact * (1 + 1 / 32) * (1 + 1e-12));
      }),
      { numRuns: 2000 },
    );
  });
});
