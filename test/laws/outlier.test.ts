import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Endpoints } from '../../src/balance/endpoints.ts';
import { resolveBalanceOptions } from '../../src/balance/options.ts';
import { OutlierDetector } from '../../src/outlier/detector.ts';
import { OutlierHost } from '../../src/outlier/host.ts';
import { resolveOutlierOptions } from '../../src/outlier/options.ts';
import { seededRandom } from '../../src/random.ts';
import { FakeClock } from '../support/fake-clock.ts';

const INTERVAL_MS = 10_000;

/** Success rates of each host, interval by interval; undefined: no calls. */
const histories = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    rates: fc.array(
      fc.array(fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }), { minLength: size, maxLength: size }),
      {
        minLength: 1,
        maxLength: 30,
      },
    ),
    pausesMs: fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 30 }),
    maxEjectionPercent: fc.integer({ min: 0, max: 100 }),
    minimumGap: fc.constantFrom(0, 0.05),
    baseEjectionMs: fc.integer({ min: 1_000, max: 400_000 }),
    seed: fc.integer(),
  }),
);

describe('law of outliers', () => {
  test('O29: whatever the outcomes, never more than the maximum, no negative multiplier, and everybody is back in time', () => {
    fc.assert(
      fc.property(histories, ({ size, rates, pausesMs, maxEjectionPercent, minimumGap, baseEjectionMs, seed }) => {
        const rules = resolveOutlierOptions(
          {
            maxEjectionPercent,
            minimumGap,
            baseEjectionMs,
            successRateEjection: { minimumHosts: 2, requestVolume: 5 },
            failurePercentageEjection: { minimumHosts: 1, requestVolume: 5, enforcementPercentage: 80 },
          },
          'outlierDetection',
        );
        const hosts = Array.from({ length: size }, () => new OutlierHost());
        const all = new Set(hosts);
        const random = seededRandom(seed);
        const detector = new OutlierDetector(random);
        let nowMs = 0;
        detector.configure(rules, hosts, nowMs);
        const judge = (): void => {
          detector.tick(all, nowMs);
          const ejected = hosts.filter((host) => host.ejectedAtMs !== undefined);
          // A50 asks before each ejection: without the last one the share was below the maximum.
          if (ejected.length > 0) expect((ejected.length - 1) * 100).toBeLessThan(Math.max(1, maxEjectionPercent) * size);
          if (maxEjectionPercent === 0) expect(ejected).toHaveLength(0);
          for (const host of hosts) expect(host.multiplier).toBeGreaterThanOrEqual(0);
          for (const host of ejected) expect(nowMs - (host.ejectedAtMs ?? 0)).toBeLessThanOrEqual(rules.maxEjectionMs + INTERVAL_MS);
        };
        rates.forEach((row, index) => {
          row.forEach((rate, at) => {
            for (let i = 0; i < 20 && rate !== undefined; i++) hosts[at]?.count(random() >= rate);
          });
          nowMs += pausesMs[index % pausesMs.length] ?? 0;
          judge();
        });
        // All are well from here on.
        const healedMs = nowMs;
        while (nowMs < healedMs + rules.maxEjectionMs + 2 * INTERVAL_MS) {
          for (const host of hosts) for (let i = 0; i < 20; i++) host.count(false);
          nowMs += INTERVAL_MS;
          judge();
        }
        expect(hosts.filter((host) => host.ejectedAtMs !== undefined)).toHaveLength(0);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test('O29: whatever the outcomes, there is an endpoint for every call, an ejected one has a probe at a time, and all are back soon', () => {
    const step = fc.record({
      at: fc.nat({ max: 5 }),
      dropped: fc.boolean(),
      latencyMs: fc.integer({ min: 1, max: 400 }),
      hangs: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 200 }), fc.integer(), (size, steps, seed) => {
        const clock = new FakeClock();
        const book = new Endpoints(resolveBalanceOptions(undefined, 'balance'), clock, seededRandom(seed));
        const addresses = Array.from({ length: size }, (_, i) => `e${i}:1`);
        book.update(addresses);
        for (const address of addresses) book.setReady(address, true);
        const hung: (() => void)[] = [];
        const call = (dropped: boolean, latencyMs: number, hangs: boolean): void => {
          const endpoint = book.pick();
          if (endpoint === undefined) throw new Error('no endpoint for a call');
          const startedMs = clock.nowMs();
          endpoint.started(1, startedMs);
          if (hangs) hung.push(() => endpoint.ended(clock.nowMs(), clock.nowMs() - startedMs, true));
          else {
            clock.advance(latencyMs);
            endpoint.ended(clock.nowMs(), latencyMs, dropped);
          }
          clock.endTurn();
        };
        for (const { at, dropped, latencyMs, hangs } of steps) {
          call(dropped, latencyMs, hangs && hung.length < 20);
          if (at === 5) book.timedOut(`e${at % size}:1`);
          const out = new Set(book.endpoints.filter(({ ejected }) => ejected));
          const burst = Array.from({ length: 40 }, () => book.pick());
          clock.endTurn();
          expect(burst).not.toContain(undefined);
          // Not in a panic, an ejected one has no call but its probe.
          const heeded = out.size > 0 && 2 * (size - out.size) >= size;
          const toEjected = burst.filter((endpoint) => endpoint !== undefined && out.has(endpoint)).length;
          if (heeded) expect(toEjected).toBeLessThanOrEqual(out.size);
        }
        for (const end of hung) end();
        for (let i = 0; i < 3_000; i++) call(false, 5, false);
        expect(book.endpoints.filter(({ ejected }) => ejected)).toEqual([]);
        expect(book.endpoints.every(({ inFlight }) => inFlight === 0)).toBe(true);
        expect(clock.pending).toBe(0);
      }),
      { seed: 12, numRuns: 60 },
    );
  });
});
