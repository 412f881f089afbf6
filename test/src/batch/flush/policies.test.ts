import { describe, expect, test } from 'vitest';
import { CassandraPolicy, MovingAverageGap, TimeHorizonGap } from '../../../../src/batch/flush/cassandra.ts';
import type { QueueView } from '../../../../src/batch/flush/flush-policy.ts';
import { flushPolicyOf } from '../../../../src/batch/flush/flush-rules.ts';
import { ForecastPolicy } from '../../../../src/batch/flush/forecast.ts';
import { NaturalPolicy } from '../../../../src/batch/flush/natural.ts';
import { PayMeter } from '../../../../src/batch/flush/pay-meter.ts';
import { TickPolicy } from '../../../../src/batch/flush/tick.ts';
import { TikvPolicy } from '../../../../src/batch/flush/tikv.ts';
import { WindowPolicy } from '../../../../src/batch/flush/window.ts';
import { FLUSH_RULES, resolveCoalesceOptions } from '../../../../src/batch/options.ts';

const queue = (view: Partial<QueueView> = {}): QueueView => ({ waiting: 1, carriers: 0, carried: 0, sinceMs: 0, ...view });

describe('flush rules', () => {
  test('each name makes its policy, with the limits of the options', () => {
    const made = FLUSH_RULES.map((flush) => flushPolicyOf({ ...resolveCoalesceOptions({ maxCarriers: 3 }), flush }));
    expect(made.map((policy) => policy.constructor)).toEqual([
      NaturalPolicy,
      TickPolicy,
      WindowPolicy,
      TikvPolicy,
      CassandraPolicy,
      ForecastPolicy,
    ]);
    expect(made.map(({ limit }) => limit)).toEqual([3, Number.POSITIVE_INFINITY, 3, 3, 3, 3]);
  });
});

describe('natural', () => {
  /** Answers `batches` batches whose time in flight depends on the limit, with somebody waiting at the gate. */
  function live(policy: NaturalPolicy, batches: number, roundTripMs: (limit: number) => number): void {
    let nowMs = 0;
    for (let i = 0; i < batches; i++) {
      const { limit } = policy;
      policy.flushed(4, queue({ waiting: 4, carriers: limit, carried: 4 * limit }), nowMs);
      nowMs += roundTripMs(limit) / limit;
      policy.answered(4, queue({ waiting: 4, carriers: limit - 1, carried: 4 * (limit - 1) }), nowMs);
    }
  }

  test('begins with four batches, or what is allowed', () => {
    expect(new NaturalPolicy(8).limit).toBe(4);
    expect(new NaturalPolicy(2).limit).toBe(2);
  });

  test('allows more where more at a time take no longer', () => {
    const policy = new NaturalPolicy(8);
    live(policy, 6000, () => 8);
    expect(policy.limit).toBeGreaterThanOrEqual(7);
  });

  test('allows fewer where more at a time only take longer', () => {
    const policy = new NaturalPolicy(8);
    live(policy, 6000, (limit) => limit ** 1.5);
    expect(policy.limit).toBeLessThanOrEqual(2);
  });

  test('weighs how long items are here and on the way, where as many are answered whatever the limit', () => {
    const policy = new NaturalPolicy(8);
    let nowMs = 0;
    for (let i = 0; i < 8000; i++) {
      const { limit } = policy;
      const waiting = 4 + 8 * Math.abs(limit - 6);
      policy.flushed(4, queue({ waiting, carriers: limit, carried: 24 }), nowMs);
      nowMs += 1;
      policy.answered(4, queue({ waiting, carriers: limit - 1, carried: 20 }), nowMs);
    }
    expect(Math.abs(policy.limit - 6)).toBeLessThanOrEqual(1);
  });

  test('learns nothing while nobody waits at the gate', () => {
    const policy = new NaturalPolicy(8);
    let nowMs = 0;
    for (let i = 0; i < 3000; i++) {
      policy.flushed(4, queue({ waiting: 0, carriers: 1, carried: 4 }), nowMs);
      nowMs += policy.limit;
      policy.answered(4, queue({ waiting: 0 }), nowMs);
    }
    expect(policy.limit).toBeGreaterThanOrEqual(3);
    expect(policy.limit).toBeLessThanOrEqual(5);
  });
});

describe('window', () => {
  test('waits from the first item on', () => {
    expect(new WindowPolicy(5, 8).waitUntil(queue({ sinceMs: 12, waiting: 9 }))).toBe(17);
  });
});

describe("TiKV's rule", () => {
  /** One batch of `items` with its head at `atMs`; until when it was asked to wait. */
  function batch(policy: TikvPolicy, atMs: number, items: number): number {
    const wait = policy.waitUntil(queue({ sinceMs: atMs, waiting: 1 }));
    policy.flushed(items, queue({ waiting: 0 }), atMs);
    return wait - atMs;
  }

  test('does not wait for the first batches, nor where heads come further apart than 0.8 of the wait', () => {
    const policy = new TikvPolicy(1, 8);
    for (let atMs = 0; atMs < 40; atMs += 0.81) expect(batch(policy, atMs, 4)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('waits where they come closer together', () => {
    const policy = new TikvPolicy(1, 8);
    batch(policy, 0, 4);
    for (let atMs = 0.79; atMs < 9; atMs += 0.79) expect(batch(policy, atMs, 4)).toBeCloseTo(1);
  });

  test('stops at the usual size, rounded up from 0.8', () => {
    const policy = new TikvPolicy(1, 8);
    for (let i = 0; i < 60; i++) batch(policy, i * 0.1, 5);
    const asked = (waiting: number): number => policy.waitUntil(queue({ sinceMs: 6, waiting }));
    expect(asked(4)).toBe(7);
    expect(asked(5)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('a usual size of 3.87 is four, one of 4.58 is four too', () => {
    const sized = (ones: number): TikvPolicy => {
      const policy = new TikvPolicy(1, 8);
      for (let i = 0; i < ones; i++) batch(policy, i * 0.1, 1); // 8, 6.6, 5.48, 4.58, 3.87
      return policy;
    };
    for (const ones of [3, 4]) {
      const policy = sized(ones);
      expect(policy.waitUntil(queue({ sinceMs: 0.4, waiting: 3 }))).toBeGreaterThan(0);
      expect(policy.waitUntil(queue({ sinceMs: 0.4, waiting: 4 }))).toBe(Number.NEGATIVE_INFINITY);
    }
  });

  test('a pause counts as five waits, so that it is soon forgotten', () => {
    const policy = new TikvPolicy(1, 8);
    for (let i = 0; i < 20; i++) batch(policy, i * 0.1, 4);
    batch(policy, 10_000, 4);
    const waits = Array.from({ length: 5 }, (_, i) => batch(policy, 10_000.1 + i * 0.1, 4));
    expect(waits.filter((wait) => wait > 0).length).toBeGreaterThan(2);
  });
});

describe("Cassandra's rule", () => {
  const arrivals = (policy: CassandraPolicy, count: number, gapMs: number): number => {
    for (let i = 0; i < count; i++) policy.arrived(i * gapMs);
    return (count - 1) * gapMs;
  };

  test.for([
    [0.1, 1, 0.8], // 0.1, 0.2, 0.4, 0.8
    [0.3, 1, 0.6],
    [0.1, 3, 0.6], // three are here: three more take 0.3
    [1.2, 1, 0], // not even one more within the window
    [0.4, 3, 0],
  ] as const)('gaps of %d ms and %d waiting: waits %d ms of a window of 1', ([gapMs, waiting, expected]) => {
    for (const meter of [new MovingAverageGap(), new TimeHorizonGap()]) {
      const policy = new CassandraPolicy(1, 8, meter);
      const nowMs = arrivals(policy, Math.ceil(2000 / gapMs), gapMs);
      expect(policy.waitUntil(queue({ sinceMs: nowMs, waiting }), nowMs) - nowMs).toBeCloseTo(expected, 1);
    }
  });

  test('decides once for each batch', () => {
    const policy = new CassandraPolicy(1, 8, new MovingAverageGap());
    const nowMs = arrivals(policy, 40, 0.3);
    const first = policy.waitUntil(queue({ sinceMs: nowMs }), nowMs);
    expect(policy.waitUntil(queue({ sinceMs: nowMs, waiting: 2 }), nowMs + 0.3)).toBe(first);
    policy.flushed();
    expect(policy.waitUntil(queue({ sinceMs: nowMs + 0.5 }), nowMs + 0.5)).toBeCloseTo(nowMs + 1.1);
  });

  test('the horizon forgets after about a second', () => {
    const meter = new TimeHorizonGap();
    for (let i = 0; i < 1000; i++) meter.arrived(i);
    expect(meter.gapMs(1000)).toBeCloseTo(1, 0);
    expect(meter.gapMs(2200)).toBe(Number.POSITIVE_INFINITY);
    meter.arrived(1_000_000);
    expect(meter.gapMs(1_000_067)).toBeCloseTo(15 * 67.1, 0);
  });
});

describe('forecast', () => {
  /** A steady stream; then how many it wants to wait before they go. */
  function enough(perMs: number, maxWaitMs: number): number {
    const policy = new ForecastPolicy(maxWaitMs, 8);
    for (let i = 0; i < 400 * perMs; i++) policy.arrived(i / perMs);
    for (let waiting = 1; waiting < 1000; waiting++) {
      if (policy.waitUntil(queue({ waiting, sinceMs: 400 }), 400) < 400) return waiting;
    }
    return Number.NaN;
  }

  test('waits for sqrt(2 L c0 / w) of a steady stream', () => {
    for (const perMs of [4, 15, 50]) expect(enough(perMs, 5)).toBeCloseTo(Math.sqrt(2 * perMs * 2), -0.5);
  });

  test('waits for nobody where nobody is due within the longest wait', () => {
    expect(enough(0.8, 1)).toBe(1);
    expect(enough(0.8, 5)).toBe(2);
  });

  test('never waits longer than it may', () => {
    const policy = new ForecastPolicy(2, 8);
    for (let i = 0; i < 4000; i++) policy.arrived(i / 10);
    expect(policy.waitUntil(queue({ sinceMs: 399 }), 400)).toBe(401);
  });

  test('items that have become dear make it wait for more, twice as many at most', () => {
    const policy = new ForecastPolicy(5, 8);
    for (let i = 0; i < 4000; i++) policy.arrived(i / 10);
    for (let i = 0; i < 200; i++) policy.flushed(1, queue({ waiting: 0, sinceMs: 300 }), 400);
    const even = Math.sqrt(2 * 10 * 2);
    expect(policy.waitUntil(queue({ waiting: Math.floor(1.9 * even), sinceMs: 400 }), 400)).toBe(405);
    expect(policy.waitUntil(queue({ waiting: Math.ceil(2.1 * even), sinceMs: 400 }), 400)).toBeLessThan(400);
  });
});

describe('pay meter', () => {
  const flush = (meter: PayMeter, sizes: readonly number[]): void => {
    for (const size of sizes) meter.flushed(size, false);
  };

  test('eight alone let the next go ahead; one with company does not', () => {
    const meter = new PayMeter();
    flush(meter, [1, 1, 1, 1, 1, 1, 1]);
    expect(meter.goesAhead).toBe(false);
    flush(meter, [1]);
    expect(meter.goesAhead).toBe(true);
    meter.flushed(1, true);
    expect(meter.goesAhead).toBe(false);
  });

  test('64 batches with a mean below 1.2 stop the lingering for 512, and then it is tried again', () => {
    const meter = new PayMeter();
    const poor = Array.from({ length: 64 }, (_, i) => (i % 6 === 0 ? 2 : 1)); // 1.17
    flush(meter, poor);
    expect(meter.lingers).toBe(false);
    flush(meter, new Array<number>(511).fill(3));
    expect(meter.lingers).toBe(false);
    flush(meter, [3]);
    expect(meter.lingers).toBe(true);
    flush(meter, new Array<number>(64).fill(1));
    expect(meter.lingers).toBe(false);
  });

  test('1.25 is enough', () => {
    const meter = new PayMeter();
    flush(
      meter,
      Array.from({ length: 640 }, (_, i) => (i % 4 === 0 ? 2 : 1)),
    );
    expect(meter.lingers).toBe(true);
  });
});
