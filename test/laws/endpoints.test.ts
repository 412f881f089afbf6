import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressHold } from '../../src/endpoints/address-hold.ts';
import { Refresh } from '../../src/endpoints/refresh.ts';
import { seededRandom } from '../../src/random.ts';

const HOLD_MS = 1_000;
const answer = fc.record({
  afterMs: fc.integer({ min: 0, max: 800 }),
  addresses: fc.subarray(['a', 'b', 'c', 'd']),
  connected: fc.subarray(['a', 'b', 'c', 'd']),
  lost: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }),
});

describe('laws of addresses that come and go (X10)', () => {
  test('what is used is the last answer that had any; what is held left it less than holdMs ago, connected', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 40 }), (answers) => {
        const hold = new AddressHold(HOLD_MS);
        const leftAtMs = new Map<string, number>();
        let good: readonly string[] = [];
        let nowMs = 0;
        for (const { afterMs, addresses, connected, lost } of answers) {
          nowMs += afterMs;
          const heeded = hold.update(addresses, nowMs, (address) => connected.includes(address));
          expect(heeded).toBe(addresses.length > 0 || good.length === 0);
          if (heeded) {
            for (const address of good) if (!addresses.includes(address) && connected.includes(address)) leftAtMs.set(address, nowMs);
            for (const address of addresses) leftAtMs.delete(address);
            good = addresses;
          }
          if (lost !== undefined) {
            hold.drop(lost);
            leftAtMs.delete(lost);
          }
          hold.expire(nowMs);
          for (const [address, atMs] of leftAtMs) if (nowMs - atMs >= HOLD_MS) leftAtMs.delete(address);
          expect([...hold.listed]).toEqual(good);
          expect([...hold.held].sort()).toEqual([...leftAtMs.keys()].sort());
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('a resolver is asked again within refreshMs of a good answer, and never twice within 80 % of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 60_000 }),
        fc.array(fc.constantFrom(true, false, undefined), { maxLength: 50 }),
        fc.nat(),
        (everyMs, answers, seed) => {
          const refresh = new Refresh(everyMs, seededRandom(seed));
          refresh.answered(0, true);
          let askedMs = 0;
          let wellMs: number | undefined = 0;
          let next = 0;
          for (let nowMs = 0; next < answers.length; nowMs += everyMs / 100) {
            if (!refresh.due(nowMs)) {
              if (wellMs !== undefined) expect(nowMs - wellMs).toBeLessThanOrEqual(everyMs);
              continue;
            }
            expect(nowMs - askedMs).toBeGreaterThanOrEqual(everyMs * 0.8);
            askedMs = nowMs;
            const ok = answers[next++];
            if (ok !== undefined) refresh.answered(nowMs, ok);
            wellMs = ok === true ? nowMs : undefined;
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
