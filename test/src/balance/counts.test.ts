import { describe, expect, test } from 'vitest';
import { BalanceTotals, noBalanceCounts } from '../../../src/balance/counts.ts';
import { Endpoints } from '../../../src/balance/endpoints.ts';
import { resolveBalanceOptions } from '../../../src/balance/options.ts';
import { ConnectWatch } from '../../../src/endpoints/connect-watch.ts';
import { seededRandom } from '../../../src/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('counts of endpoints', () => {
  test('an endpoint that fails in a row is one ejection for failures', () => {
    const clock = new FakeClock();
    const counts = noBalanceCounts();
    const book = new Endpoints(
      resolveBalanceOptions({ outlierDetection: { consecutiveFailures: 5 } }, 'balance'),
      clock,
      seededRandom(1),
      counts,
    );
    book.update(['a:1', 'b:1']);
    for (const address of ['a:1', 'b:1']) book.setReady(address, true);
    const endpoint = book.find('a:1');
    for (let i = 0; i < 8; i++) {
      endpoint?.started(1, clock.nowMs());
      endpoint?.ended(clock.nowMs(), 1, true);
    }
    expect(counts.ejections).toEqual({ failures: 1, silence: 0, success_rate: 0, failure_percentage: 0 });
  });

  test('an outlier is counted by its rule, and so is one that is let go', () => {
    const clock = new FakeClock();
    const run = (enforcementPercentage: number): ReturnType<typeof noBalanceCounts> => {
      const counts = noBalanceCounts();
      const rule = { threshold: 50, minimumHosts: 3, requestVolume: 10, enforcementPercentage };
      const options = resolveBalanceOptions({ outlierDetection: { consecutiveFailures: 0, failurePercentageEjection: rule } }, 'balance');
      const book = new Endpoints(options, clock, seededRandom(1), counts);
      const addresses = ['a:1', 'b:1', 'c:1', 'd:1'];
      book.update(addresses);
      for (const address of addresses) book.setReady(address, true);
      for (const address of addresses) {
        for (let i = 0; i < 20; i++) {
          book.find(address)?.started(1, clock.nowMs());
          book.find(address)?.ended(clock.nowMs(), 1, address === 'a:1');
        }
      }
      clock.advance(60_000);
      book.pick();
      return counts;
    };
    expect(run(100).ejections.failure_percentage).toBe(1);
    expect(run(0)).toMatchObject({ ejections: { failure_percentage: 0 }, unenforced: { failure_percentage: 1, success_rate: 0 } });
  });

  test('channels to one target count together', () => {
    const totals = new BalanceTotals();
    totals.of('x').connected++;
    totals.of('x').connected++;
    expect(totals.all()).toEqual({ x: { ...noBalanceCounts(), connected: 2 } });
  });

  test('an attempt to connect counts once, by its end: made, failed, given up; one that is closed over counts as neither', () => {
    const clock = new FakeClock();
    const counts = noBalanceCounts();
    const watch = new ConnectWatch({ clock, timeoutMs: () => 1000, ready: () => false, counts });
    watch.begin();
    watch.succeeded();
    watch.succeeded();
    expect(counts).toMatchObject({ connected: 1, failed: 0 });
    watch.begin();
    watch.failed();
    watch.failed();
    expect(counts).toMatchObject({ connected: 1, failed: 1 });
    watch.begin();
    clock.advance(1000);
    watch.failed();
    expect(counts).toMatchObject({ connected: 1, failed: 2 });
    watch.begin();
    watch.begin(); // nobody said how the one before ended
    expect(counts).toMatchObject({ connected: 1, failed: 3 });
    watch.close();
    expect(counts).toMatchObject({ connected: 1, failed: 3 });
    expect(clock.pending).toBe(0);
  });
});
