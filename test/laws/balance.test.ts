import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Endpoints } from '../../src/balance/endpoints.ts';
import { resolveBalanceOptions } from '../../src/balance/options.ts';
import { pickOfTwo } from '../../src/balance/p2c.ts';
import { seededRandom } from '../../src/random.ts';
import { FakeClock } from '../support/fake-clock.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  clock.endTurn();
  expect(clock.pending).toBe(0);
});

function bookOf(size: number, seed: number): Endpoints {
  const book = new Endpoints(resolveBalanceOptions(undefined, 'balance'), clock, seededRandom(seed));
  const addresses = Array.from({ length: size }, (_, i) => `e${i}:1`);
  book.update(addresses);
  for (const address of addresses) book.setReady(address, true);
  return book;
}

/** What an endpoint does with a call. */
interface Nature {
  readonly latencyMs: number;
  readonly dropped?: boolean;
}

/** One call: picked, sent, and answered as the endpoint's nature at that time says. */
function call(book: Endpoints, nature: (address: string) => Nature | undefined, seen: Map<string, number>): void {
  const endpoint = book.pick();
  if (endpoint === undefined) return;
  const startMs = clock.nowMs();
  endpoint.started(1, startMs);
  seen.set(endpoint.address, (seen.get(endpoint.address) ?? 0) + 1);
  const { latencyMs, dropped = false } = nature(endpoint.address) ?? { latencyMs: 1_000, dropped: true };
  clock.setTimer(() => endpoint.ended(clock.nowMs(), clock.nowMs() - startMs, dropped), latencyMs);
}

/** An open loop of calls; gives back the share of calls each endpoint got. */
function run(book: Endpoints, perSecond: number, seconds: number, nature: (address: string) => Nature | undefined): Map<string, number> {
  const seen = new Map<string, number>();
  const count = perSecond * seconds;
  for (let i = 0; i < count; i++) {
    call(book, nature, seen);
    clock.endTurn();
    clock.advance(1_000 / perSecond);
  }
  for (const [address, n] of seen) seen.set(address, n / count);
  return seen;
}

/** Lets every call come back. */
function drain(): void {
  clock.advance(60_000);
}

describe('law of evenness', () => {
  test('L1: 100 equal endpoints share 100,000 overlapping calls within 5 % of the mean', () => {
    const book = bookOf(100, 42);
    const latency = seededRandom(7);
    const seen = run(book, 10_000, 10, () => ({ latencyMs: 40 + 20 * latency() }));
    drain();
    const shares = [...seen.values()];
    expect(shares).toHaveLength(100);
    expect(Math.max(...shares)).toBeLessThan(0.0105 * 1.1);
    expect(Math.min(...shares)).toBeGreaterThan(0.0095 * 0.9);
    expect(book.endpoints.every((endpoint) => endpoint.inFlight === 0)).toBe(true);
  });

  test('L1: any burst in one turn is even but for a gap in the order of log N', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 50 }), fc.integer(), (size, each, seed) => {
        const book = bookOf(size, seed);
        for (let i = 0; i < size * each; i++) book.pick();
        const loads = book.endpoints.map((endpoint) => endpoint.load);
        clock.endTurn();
        const gap = 2 + Math.log2(size);
        return Math.max(...loads) - each <= gap && each - Math.min(...loads) <= 3 * gap;
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe('law of latency', () => {
  test('O30: of 3 endpoints the one that is 20 times slower has under 10 % of the first 2 s, and under 1 % of the next 10 s', () => {
    const book = bookOf(3, 3);
    const nature = (address: string): Nature => ({ latencyMs: address === 'e0:1' ? 60 : 3 });
    expect(run(book, 300, 2, nature).get('e0:1')).toBeLessThan(0.1);
    expect(run(book, 300, 10, nature).get('e0:1') ?? 0).toBeLessThan(0.01);
    drain();
  });

  test('O30: a slow endpoint that recovers is found again', () => {
    const book = bookOf(3, 3);
    run(book, 300, 5, (address) => ({ latencyMs: address === 'e0:1' ? 60 : 3 }));
    run(book, 300, 40, () => ({ latencyMs: 3 }));
    expect(run(book, 300, 10, () => ({ latencyMs: 3 })).get('e0:1')).toBeGreaterThan(0.2);
    drain();
  });

  test('X2: an endpoint that stops answering loses at most a few calls to the wait, and comes back within 5 s', () => {
    const book = bookOf(3, 5);
    const fine = (): Nature => ({ latencyMs: 3 });
    run(book, 300, 2, fine);
    const stopped = run(book, 300, 6, (address) => (address === 'e1:1' ? undefined : { latencyMs: 3 }));
    expect((stopped.get('e1:1') ?? 0) * 1_800).toBeLessThan(50);
    run(book, 300, 5, fine);
    expect(run(book, 300, 5, fine).get('e1:1')).toBeGreaterThan(0.1);
    drain();
  });

  test.each([
    [200, 20, 1_000],
    [200, 20, 200],
    [50, 20, 1_000],
    [1_000, 5, 1_000],
  ])(
    'X2: at %i calls a second of %i ms and deadlines of %i ms it is out within 1.2 s, has 15 calls or fewer in 6 s, and is back in 5 s',
    (perSecond, workMs, deadlineMs) => {
      const book = bookOf(3, 5);
      const fine = (): Nature => ({ latencyMs: workMs });
      run(book, perSecond, 3, fine);
      const stopMs = clock.nowMs();
      let ejectedMs = Number.POSITIVE_INFINITY;
      const stopped = (address: string): Nature => {
        if (book.find('e1:1')?.ejected === true) ejectedMs = Math.min(ejectedMs, clock.nowMs() - stopMs);
        return address === 'e1:1' ? { latencyMs: deadlineMs, dropped: true } : { latencyMs: workMs };
      };
      const seen = run(book, perSecond, 6, stopped);
      expect(ejectedMs).toBeLessThanOrEqual(1_200);
      expect((seen.get('e1:1') ?? 0) * perSecond * 6).toBeLessThanOrEqual(15);
      run(book, perSecond, 5, fine);
      expect(run(book, perSecond, 2, fine).get('e1:1')).toBeGreaterThan(0.2);
      drain();
    },
  );

  test.each([30, 300, 3_000])('drops that come back at once do not attract calls, at %i a second', (perSecond) => {
    const book = bookOf(3, 9);
    const nature = (address: string): Nature => (address === 'e2:1' ? { latencyMs: 0.1, dropped: true } : { latencyMs: 20 });
    run(book, perSecond, 2, nature);
    expect(run(book, perSecond, 10, nature).get('e2:1') ?? 0).toBeLessThan(0.05);
    drain();
  });

  test('X6: endpoints that all drop share the calls', () => {
    const book = bookOf(3, 9);
    const seen = run(book, 300, 10, () => ({ latencyMs: 2, dropped: true }));
    for (const share of seen.values()) expect(share).toBeGreaterThan(0.2);
    drain();
  });
});

describe('law of newcomers', () => {
  test('L3: a new endpoint among busy ones has one call at a time until it is known', () => {
    const book = bookOf(9, 11);
    run(book, 500, 2, () => ({ latencyMs: 20 }));
    book.update([...book.endpoints.map((endpoint) => endpoint.address), 'new:1']);
    book.setReady('new:1', true);
    const fresh = book.find('new:1');
    let most = 0;
    let answers = 0;
    const nature = (address: string): Nature => {
      if (address === 'new:1' && answers++ < 3) most = Math.max(most, fresh?.inFlight ?? 0);
      return { latencyMs: 20 };
    };
    const seen = run(book, 500, 10, nature);
    expect(most).toBe(1);
    expect(seen.get('new:1')).toBeGreaterThan(0.05);
    drain();
  });
});

describe('law of the picker', () => {
  const candidates = fc.uniqueArray(fc.record({ address: fc.stringMatching(/^[a-f]:[1-4]$/), price: fc.integer({ min: 0, max: 5 }) }), {
    selector: (candidate) => candidate.address,
    maxLength: 12,
  });

  test('L9, R43: it chooses a ready one, never one to avoid while there is another, never the dearest of three or more', () => {
    fc.assert(
      fc.property(candidates, fc.array(fc.stringMatching(/^[a-f]:[1-4]$/)), fc.integer(), (list, avoided, seed) => {
        const ready = list.map(({ address, price }) => ({ address, cost: () => price }));
        const avoid = new Set(avoided);
        const picked = pickOfTwo(ready, avoid, seededRandom(seed), 0);
        if (ready.length === 0) return picked === undefined;
        if (picked === undefined || !ready.includes(picked)) return false;
        const allowed = ready.filter((candidate) => !avoid.has(candidate.address));
        if (allowed.length > 0 && !allowed.includes(picked)) return false;
        const pool = allowed.length > 0 ? allowed : ready;
        return pool.length < 2 || pool.some((other) => other !== picked && other.cost() >= picked.cost());
      }),
      { seed: 2, numRuns: 2_000 },
    );
  });

  test('ties go to every candidate alike, with and without some to avoid', () => {
    const random = seededRandom(4);
    const ready = Array.from({ length: 5 }, (_, i) => ({ address: `e${i}:1`, cost: () => 1 }));
    for (const avoid of [undefined, new Set(['e1:1', 'e3:1'])]) {
      const seen = new Map<string, number>();
      for (let i = 0; i < 30_000; i++) {
        const address = pickOfTwo(ready, avoid, random, 0)?.address ?? 'none';
        seen.set(address, (seen.get(address) ?? 0) + 1);
      }
      const fair = 30_000 / (avoid === undefined ? 5 : 3);
      expect(seen.size).toBe(avoid === undefined ? 5 : 3);
      for (const n of seen.values()) expect(Math.abs(n - fair)).toBeLessThan(4 * Math.sqrt(fair));
    }
  });

  test('L5: whatever part of the endpoints is not ready, only ready ones are picked', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.integer(), (up, seed) => {
        const book = bookOf(up.length, seed);
        up.forEach((isUp, i) => {
          book.setReady(`e${i}:1`, isUp);
        });
        const fine = Array.from({ length: 50 }, () => book.pick()).every((endpoint) => endpoint?.ready === true);
        clock.endTurn();
        return fine === up.includes(true);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
