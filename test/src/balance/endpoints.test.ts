import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Endpoints, isEndpoints } from '../../../src/balance/endpoints.ts';
import { resolveBalanceOptions } from '../../../src/balance/options.ts';
import { ConfigError } from '../../../src/errors.ts';
import { resolveOutlierOptions } from '../../../src/outlier/options.ts';
import { seededRandom } from '../../../src/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let book: Endpoints;

beforeEach(() => {
  clock = new FakeClock();
  book = new Endpoints(resolveBalanceOptions({ historyMs: 60_000 }, 'balance'), clock, seededRandom(1));
});
afterEach(() => {
  clock.endTurn();
  expect(clock.pending).toBe(0);
});

function ready(...addresses: string[]): void {
  book.update(addresses);
  for (const address of addresses) book.setReady(address, true);
}

/** How often each address is picked when no call ever ends. */
function picks(count: number, avoid?: ReadonlySet<string>): Record<string, number> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const address = book.pick(avoid)?.address ?? 'none';
    seen[address] = (seen[address] ?? 0) + 1;
  }
  return seen;
}

describe('a pick from the book', () => {
  test('is undefined when there is no address or none is ready (L9)', () => {
    expect(book.pick()).toBeUndefined();
    book.update(['a:1']);
    expect(book.pick()).toBeUndefined();
  });

  test('is the only one that is ready, even if it is to be avoided (L9, R43)', () => {
    ready('a:1', 'b:1');
    book.setReady('b:1', false);
    expect(picks(20, new Set(['a:1']))).toEqual({ 'a:1': 20 });
  });

  test('avoids what was tried while there is another (R43)', () => {
    ready('a:1', 'b:1', 'c:1');
    expect(picks(20, new Set(['a:1', 'c:1']))).toEqual({ 'b:1': 20 });
    expect(picks(50, new Set(['a:1']))['a:1']).toBeUndefined();
  });

  test('spreads a burst of 300 in one tick evenly over 3 endpoints', () => {
    ready('a:1', 'b:1', 'c:1');
    const seen = picks(300);
    for (const count of Object.values(seen)) expect(Math.abs(count - 100)).toBeLessThanOrEqual(3);
    expect(clock.pending).toBe(1);
  });

  test('prefers the endpoint with the lower latency in proportion to load', () => {
    ready('fast:1', 'slow:1');
    for (const [address, latencyMs] of [
      ['fast:1', 10],
      ['slow:1', 40],
    ] as const) {
      const endpoint = book.find(address);
      for (let i = 0; i < 3; i++) {
        endpoint?.started(1, clock.nowMs());
        endpoint?.ended(clock.nowMs(), latencyMs, false);
      }
    }
    const seen = picks(100);
    expect(seen['fast:1']).toBeGreaterThanOrEqual(79);
    expect(seen['slow:1']).toBeGreaterThanOrEqual(19);
  });
});

describe('endpoints that may have so many calls at most', () => {
  const limited = (maxInFlight: number): void => {
    book = new Endpoints(resolveBalanceOptions({ maxInFlight }, 'balance'), clock, seededRandom(1));
  };

  test('are passed over while they are full; when all are, nobody is picked', () => {
    limited(3);
    ready('a:1', 'b:1', 'c:1');
    book.find('b:1')?.started(2, clock.nowMs());
    expect(picks(8)).toEqual({ 'a:1': 3, 'b:1': 1, 'c:1': 3, none: 1 });
    expect(book.full).toBe(true);
    clock.endTurn(); // picks that never started are given back
    expect(book.full).toBe(false);
  });

  test('have room again as soon as a call has ended', () => {
    limited(1);
    ready('a:1', 'b:1');
    for (const address of ['a:1', 'b:1']) book.find(address)?.started(1, clock.nowMs());
    expect(book.pick()).toBeUndefined();
    book.find('b:1')?.ended(clock.nowMs(), 1, false);
    expect(picks(2)).toEqual({ 'b:1': 1, none: 1 });
  });

  test('a batch goes where all of it has room, or nowhere', () => {
    limited(4);
    ready('a:1', 'b:1');
    book.find('a:1')?.started(2, clock.nowMs());
    expect(book.pick(undefined, 4)?.address).toBe('b:1');
    expect(book.pick(undefined, 4)).toBeUndefined();
    expect(book.full).toBe(false);
  });

  test('R43: one that was tried is taken when only it has room', () => {
    limited(1);
    ready('a:1', 'b:1');
    book.find('a:1')?.started(1, clock.nowMs());
    expect(book.pick(new Set(['b:1']))?.address).toBe('b:1');
  });

  test('no limit: never full', () => {
    ready('a:1');
    picks(10_000);
    expect(book.full).toBe(false);
  });
});

describe('name resolution in the book', () => {
  test('counts duplicate addresses once (L9)', () => {
    ready('a:1', 'a:1', 'b:1');
    expect(book.endpoints.map((endpoint) => endpoint.address)).toEqual(['a:1', 'b:1']);
  });

  test('keeps the state of addresses that come again', () => {
    ready('a:1', 'b:1');
    const before = book.find('a:1');
    before?.started(2, clock.nowMs());
    book.update(['b:1', 'a:1', 'c:1']);
    expect(book.find('a:1')).toBe(before);
    expect(book.find('a:1')).toMatchObject({ ready: true, inFlight: 2 });
    expect(book.find('c:1')?.ready).toBe(false);
  });

  test('makes addresses that went away neither listed nor pickable', () => {
    ready('a:1', 'b:1');
    const gone = book.find('a:1');
    book.update(['b:1']);
    expect(gone?.ready).toBe(false);
    expect(book.find('a:1')).toBeUndefined();
    expect(picks(10)).toEqual({ 'b:1': 10 });
  });

  test('remembers an address that comes back within historyMs, and forgets it later', () => {
    ready('a:1');
    const first = book.find('a:1');
    book.update([]);
    clock.advance(59_000);
    book.update(['a:1']);
    expect(book.find('a:1')).toBe(first);
    book.update([]);
    clock.advance(61_000);
    book.update(['a:1']);
    expect(book.find('a:1')).not.toBe(first);
  });

  test('remembers at most 1000 addresses that went away', () => {
    book.update(Array.from({ length: 1_500 }, (_, i) => `10.0.0.1:${i}`));
    const oldest = book.find('10.0.0.1:0');
    const youngest = book.find('10.0.0.1:1499');
    book.update([]);
    book.update(['10.0.0.1:0', '10.0.0.1:1499']);
    expect(book.find('10.0.0.1:0')).not.toBe(oldest);
    expect(book.find('10.0.0.1:1499')).toBe(youngest);
  });

  test('ignores the readiness of unknown addresses', () => {
    book.setReady('nobody:1', true);
    expect(book.pick()).toBeUndefined();
  });
});

describe('the owner of a book', () => {
  test('is one at a time, and leaves it empty', () => {
    const [one, other] = [{}, {}];
    expect([book.attached, book.claim(one), book.claim(other), book.claim(one), book.attached]).toEqual([false, true, false, true, true]);
    ready('a:1');
    book.release(other);
    expect(book.endpoints).toHaveLength(1);
    book.release(one);
    expect([book.endpoints, book.pick(), book.attached]).toEqual([[], undefined, false]);
    expect(book.claim(other)).toBe(true);
  });

  test('knows a book from anything else', () => {
    expect([book, {}, null, 'book', { inmeshBook: 2 }].map(isEndpoints)).toEqual([true, false, false, false, false]);
  });

  test('shows nothing of itself in JSON, as grpc-js logs channel options', () => {
    ready('a:1');
    expect(JSON.parse(JSON.stringify(book))).toEqual({ inmeshBook: 3 });
  });
});

describe('options of the balancer', () => {
  test('have defaults', () => {
    expect(resolveBalanceOptions(undefined, 'balance')).toEqual({
      decayMs: 10_000,
      penalty: 10,
      penaltyMs: 2_000,
      patienceMs: 10_000,
      graceMs: 1_000,
      maxInFlight: Number.POSITIVE_INFINITY,
      historyMs: 300_000,
      outlierDetection: resolveOutlierOptions(undefined, 'outlierDetection'),
    });
  });

  test.each([
    [{ decayMs: 0 }, 'balance.decayMs: expected milliseconds as a number > 0, got 0'],
    [{ decayMs: '10s' }, 'did you mean 10000?'],
    [{ penalty: -1 }, 'balance.penalty: expected a number >= 0, got -1'],
    [{ historyMs: Number.NaN }, 'balance.historyMs'],
    [{ decayMS: 5 }, 'balance.decayMS: unknown option; did you mean decayMs?'],
  ])('refuse %j aloud', (input, message) => {
    expect(() => resolveBalanceOptions(input, 'balance')).toThrow(ConfigError);
    expect(() => resolveBalanceOptions(input, 'balance')).toThrow(message);
  });
});
