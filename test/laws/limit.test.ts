import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code, PRIORITIES } from '../../src/call.ts';
import { noCounts } from '../../src/call-counts.ts';
import { emptyCounts } from '../../src/grpc/coalescer.ts';
import { type AdaptiveLimitOptions, createAlgorithm, resolveLimitOptions } from '../../src/limit/options.ts';
import { MeshLimits } from '../../src/mesh-limits.ts';
import { buildClientStack } from '../../src/mesh-stack.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { seededRandom } from '../../src/random.ts';
import { type LowerCall, Rig } from '../doors/rig.ts';
import { doors } from '../support/loopback.ts';

const algorithm: fc.Arbitrary<NonNullable<AdaptiveLimitOptions['algorithm']>> = fc.constantFrom('gradient', 'gradient2', 'vegas', 'aimd');
/** Times as a broken clock or a stopped machine may show them. */
const rtt = fc.oneof(
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, Number.MAX_VALUE),
  fc.double({ min: 0, max: 10_000, noNaN: true }),
);
/** Time may jump, backwards too; and there may be no traffic for an hour. */
const step = fc.oneof(fc.constantFrom(0, 1, 100, 3_600_000, -3_600_000), fc.double({ min: 0, max: 50, noNaN: true }));
const samples = fc.array(fc.record({ rtt, inflight: fc.nat(300), dropped: fc.boolean(), step }), { maxLength: 300, size: 'max' });

describe('law: adaptive limits', () => {
  test('A12: whatever they are told, every limit is a whole number between its bounds', () => {
    fc.assert(
      fc.property(algorithm, fc.nat(50), fc.nat(200), fc.nat(200), samples, (name, min, more, first, calls) => {
        const bounds = { min: 1 + min, max: 1 + min + more, initial: 1 + min + Math.min(more, first) };
        const limit = createAlgorithm(resolveLimitOptions({ algorithm: name, ...bounds }, 'limit'), seededRandom(first));
        let nowMs = 1000;
        for (const call of calls) {
          nowMs += call.step;
          const said = limit.onSample(call.rtt, call.inflight, call.dropped, nowMs);
          const good = said === limit.limit && Number.isInteger(said) && said >= bounds.min && said <= bounds.max;
          if (!good) expect.fail(`${said} of ${bounds.min} to ${bounds.max}`);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('A12: after anything at all, steady calls bring every limit to its maximum', () => {
    fc.assert(
      fc.property(algorithm, samples, (name, calls) => {
        const limit = createAlgorithm(resolveLimitOptions({ algorithm: name, max: 50 }, 'limit'), seededRandom(1));
        let nowMs = 1000;
        for (const call of calls) {
          nowMs += Math.abs(call.step);
          limit.onSample(call.rtt, call.inflight, call.dropped, nowMs);
        }
        let highest = 0;
        for (let i = 0; i < 20_000 && highest < 50; i++) {
          nowMs += 10;
          highest = Math.max(highest, limit.onSample(10, limit.limit, false, nowMs));
        }
        expect(highest).toBe(50);
      }),
      { numRuns: 200 },
    );
  });
});

const CODES = [Code.OK, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.INVALID_ARGUMENT] as const;
const LIMITED: Policy = {
  defaults: {
    retryPolicy: { maxAttempts: 1 },
    limit: { algorithm: 'aimd', initial: 3, max: 6, queue: 2, queueTimeout: '0.05s', by: 'priority', partitions: { critical: 0.5 } },
    bulkhead: { slots: 3, queue: 2, by: 'tenant', partitions: { acme: 0.4 } },
  },
};

describe.each(doors)('law: limit and bulkhead behind %s', (door) => {
  test('every call has one status and every permit comes back, whatever happens in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(0xffff), { maxLength: 80, size: 'max' }), async (codes) => {
        const table = new PolicyTable(parsePolicy(LIMITED));
        let limits: MeshLimits | undefined;
        const rig = new Rig(door, {
          behaviour: (clock) => {
            limits = new MeshLimits(table, clock, seededRandom(1));
            const settings = { table, clock, random: seededRandom(1), warn: () => {}, otel: undefined, limits };
            return buildClientStack(settings, { client: noCounts(), coalesce: emptyCounts(), retries: 0 }, () => {});
          },
        });
        const calls: ReturnType<Rig['unary']>[] = [];
        const running = new Set<LowerCall>();
        rig.onLower = (lower) => {
          running.add(lower);
          lower.onCancel = (code) => running.delete(lower) && lower.end(code);
        };
        const endOne = (argument: number): void => {
          const lower = [...running][argument % Math.max(1, running.size)];
          if (lower === undefined) return;
          running.delete(lower);
          lower.end(CODES[argument % CODES.length] ?? Code.OK);
        };
        for (const code of codes) {
          const argument = code >> 3;
          const kind = code & 7;
          if (kind < 4) {
            const deadlineMs = argument % 3 === 0 ? rig.clock.nowMs() + (argument % 40) + 1 : undefined;
            const priority = PRIORITIES[argument % 3] ?? 'default';
            calls.push(rig.unary(deadlineMs, argument % 2 === 0 ? { priority, tenant: 'acme' } : { priority }));
          } else if (kind < 6) endOne(argument);
          else if (kind === 6) rig.clock.advance(argument % 30);
          else calls[argument % Math.max(1, calls.length)]?.call.cancelWithStatus(Code.CANCELLED, 'given up');
        }
        while (running.size > 0) endOne(0);
        await turn();
        rig.clock.advance(60_000);
        while (running.size > 0) endOne(0);
        await turn();
        expect(calls.map(({ ear }) => ear.log.filter((line) => line === 'status').length)).toEqual(calls.map(() => 1));
        const [stats] = Object.values(limits?.stats() ?? {});
        expect({ inFlight: stats?.inFlight ?? 0, queued: stats?.queued ?? 0, timers: rig.clock.pending }).toEqual({
          inFlight: 0,
          queued: 0,
          timers: 0,
        });
      }),
      { numRuns: 300 },
    );
  });
});
