import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Code } from '../../src/call.ts';
import { SoftStage } from '../src/grpc/soft-stage.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

const step = fc.oneof(
  fc.constantFrom('out', 'send', 'half', 'read', 'cancel', 'headers', 'message', 'end', 'turn' as const),
  fc.integer({ min: 1, max: 400 }),
);
const schedule = fc.record({
  timeoutMs: fc.option(fc.integer({ min: -5, max: 600 }), { nil: Number.POSITIVE_INFINITY }),
  steps: fc.array(step, { maxLength: 24 }),
});
const budget = fc.constantFrom({ burst: 0, perSecond: 0 }, { burst: 1, perSecond: 2 }, { burst: 500, perSecond: 16 });

describe('law: a soft call', () => {
  test('C6: whatever the schedule, its caller hears exactly one status, last, headers before messages, and nothing stays behind', async () => {
    let left = 0;
    let expired = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(schedule, { minLength: 1, maxLength: 4 }), budget, async (schedules, options) => {
        const stage = new SoftStage(options);
        const { clock } = stage;
        const calls = schedules.map(({ timeoutMs, steps }) => ({ ...stage.call(timeoutMs), steps, headers: false }));
        for (let at = 0; at < 24; at++) {
          for (const one of calls) {
            const { call, raw, steps } = one;
            const next = steps[at];
            if (next === 'out' && !raw.context.over) raw.goOut();
            else if (next === 'send') call.sendMessageWithContext({}, Buffer.from('x'));
            else if (next === 'half') call.halfClose();
            else if (next === 'read') call.startRead();
            else if (next === 'cancel') call.cancelWithStatus(Code.CANCELLED, 'bye');
            else if (next === 'turn') await turn();
            else if (typeof next === 'number') clock.advance(next);
            else if (!raw.ended && raw.context.started) {
              if (next === 'headers' && !one.headers) raw.listener?.onReceiveMetadata(raw.metadata);
              one.headers ||= next === 'headers';
              if (next === 'message' && one.headers) raw.listener?.onReceiveMessage(Buffer.from('x'));
              if (next === 'end') raw.end(Code.OK);
            }
          }
        }
        left += stage.resets.counts.left;
        clock.advance(1000);
        await turn();
        for (const { raw } of calls) raw.end(Code.OK);
        await turn();
        for (const { ear } of calls) {
          expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
          expect(ear.log.at(-1)).toBe('status');
          expect(ear.log.includes('message') ? ear.log.indexOf('metadata') : 0).toBe(0);
          if (ear.status?.code === Code.DEADLINE_EXCEEDED) expired++;
        }
        expect(stage.resets.counts.left).toBe(0);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 2000 },
    );
    // The generator does reach what the law is about.
    expect(left).toBeGreaterThan(50);
    expect(expired).toBeGreaterThan(50);
  });
});
