import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../src/balance/endpoint.ts';
import { Endpoints } from '../../../src/balance/endpoints.ts';
import { type BalanceOptions, resolveBalanceOptions } from '../../../src/balance/options.ts';
import { seededRandom } from '../../../src/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  clock.endTurn();
  expect(clock.pending).toBe(0);
});

const ADDRESSES = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'];

function bookOf(size: number, options: BalanceOptions = {}): Endpoints {
  const book = new Endpoints(resolveBalanceOptions(options, 'balance'), clock, seededRandom(1));
  const addresses = ADDRESSES.slice(0, size);
  book.update(addresses);
  for (const address of addresses) book.setReady(address, true);
  for (const endpoint of book.endpoints) for (let i = 0; i < 5; i++) answer(endpoint, 10);
  return book;
}
function endpointOf(book: Endpoints, address: string): Endpoint {
  const endpoint = book.find(address);
  if (endpoint === undefined) throw new Error(`no ${address}`);
  return endpoint;
}
/** One call on it, whoever chose it. */
function answer(endpoint: Endpoint, latencyMs: number, dropped = false): void {
  endpoint.started(1, clock.nowMs());
  clock.advance(latencyMs);
  endpoint.ended(clock.nowMs(), latencyMs, dropped);
}
function drops(endpoint: Endpoint, count: number): void {
  for (let i = 0; i < count; i++) answer(endpoint, 1, true);
}
/** Addresses that a burst of picks goes to. */
function picked(book: Endpoints): Set<string> {
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) seen.add(book.pick()?.address ?? 'nobody');
  clock.endTurn();
  return seen;
}
/** Others answer while time passes. */
function others(book: Endpoints, except: string, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    const endpoint = book.pick(new Set([except]));
    if (endpoint !== undefined) answer(endpoint, 10);
    clock.endTurn();
  }
}

describe('the breaker of an endpoint', () => {
  test('opens after five failures in a row, and its endpoint is picked no more', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 4);
    expect(a.ejected).toBe(false);
    drops(a, 1);
    expect([a.ejected, a.ejections]).toEqual([true, 1]);
    expect(picked(book)).toEqual(new Set(['b:1', 'c:1']));
  });

  test('counts tries that were given up, and not the end of those tries', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    for (let i = 0; i < 5; i++) {
      expect(a.ejected).toBe(false);
      a.started(1, clock.nowMs());
      clock.advance(30);
      book.timedOut('a:1');
      a.ended(clock.nowMs(), undefined, false);
    }
    expect(a.health.ejectedFor).toBe('silence');
    book.timedOut('gone:1');
  });

  test('starts anew after a success, and after a stream that ended well', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 4);
    answer(a, 10);
    drops(a, 4);
    a.startedStream();
    a.endedStream(clock.nowMs(), false);
    drops(a, 4);
    expect(a.ejected).toBe(false);
  });

  test('can be switched off', () => {
    const book = bookOf(3, { outlierDetection: { consecutiveFailures: 0 } });
    const a = endpointOf(book, 'a:1');
    drops(a, 50);
    book.timedOut('a:1');
    expect(a.ejected).toBe(false);
  });

  test('lets one call out after half a second, and twice as late after each that fails, up to four seconds', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    const atMs: number[] = [];
    let lastMs = clock.nowMs();
    for (let i = 0; i < 1_500; i++) {
      const endpoint = book.pick();
      if (endpoint === undefined) throw new Error('nobody');
      if (endpoint === a) {
        atMs.push(Math.round((clock.nowMs() - lastMs) / 100) * 100);
        expect(a.load).toBe(1);
        answer(a, 1, true);
        lastMs = clock.nowMs();
      } else answer(endpoint, 10);
      clock.endTurn();
    }
    expect(atMs.slice(0, 5)).toEqual([500, 1_000, 2_000, 4_000, 4_000]);
  });

  test('heeds no refusal of a server that sheds load, which would only go to the others; it ends a silence', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    const startedMs = clock.nowMs();
    a.started(20, startedMs);
    for (let i = 0; i < 19; i++) a.ended(clock.nowMs(), 1, true, true);
    expect(a.ejected).toBe(false);
    drops(a, 4);
    a.started(1, clock.nowMs());
    a.ended(clock.nowMs(), 1, true, true);
    expect(a.ejected).toBe(false);
    drops(a, 1);
    expect(a.ejected).toBe(true);
    clock.advance(601);
    expect(book.pick()).toBe(a);
    answer(a, 10);
    expect(a.ejected).toBe(false);
    a.started(1, clock.nowMs());
    others(book, 'a:1', 1_000);
    expect(a.ejected).toBe(true);
    a.ended(clock.nowMs(), 1_000, true, true);
    expect(a.ejected).toBe(false);
    a.ended(clock.nowMs(), 1_000, false);
  });

  test('closes when the probe succeeds', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    clock.advance(601);
    expect(book.pick()).toBe(a);
    answer(a, 10);
    expect(a.ejected).toBe(false);
    clock.advance(10_000);
    expect(picked(book)).toContain('a:1');
  });

  test('probes one call at a time, never with a retry, and again when the pick came to nothing', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    clock.advance(601);
    expect(book.pick(new Set(['b:1']))).not.toBe(a);
    expect(book.pick()).toBe(a);
    for (let i = 0; i < 20; i++) expect(book.pick()).not.toBe(a);
    a.unreserve();
    clock.advance(101);
    expect(book.pick()).toBe(a);
    clock.endTurn();
    clock.advance(101);
    expect(book.pick()).toBe(a);
  });

  test('probes with a whole batch only when no single call has come for a second', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    clock.advance(601);
    expect(book.pick(undefined, 20)).not.toBe(a);
    clock.advance(1_000);
    expect(book.pick(undefined, 20)).toBe(a);
    expect(book.pick()).not.toBe(a);
  });

  test('probes again when the probe was cancelled', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    clock.advance(601);
    expect(book.pick()).toBe(a);
    a.started(1, clock.nowMs());
    clock.advance(101);
    expect(book.pick()).not.toBe(a);
    a.ended(clock.nowMs(), undefined, false);
    clock.advance(101);
    expect(book.pick()).toBe(a);
  });

  test('probes at once when there is a new connection', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    drops(a, 5);
    book.setReady('a:1', false);
    clock.advance(50);
    book.setReady('a:1', true);
    expect(a.ejected).toBe(true);
    expect(book.pick()).toBe(a);
    expect(book.pick()).not.toBe(a);
    answer(a, 5);
    expect(a.ejected).toBe(false);
  });
});

describe('silence of an endpoint', () => {
  test('X2: calls wait while others answer: it is ejected within 1.2 s', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    const stoppedMs = clock.nowMs();
    a.started(3, stoppedMs);
    while (!a.ejected && clock.nowMs() < stoppedMs + 5_000) others(book, 'none', 10);
    expect(clock.nowMs() - stoppedMs).toBeLessThanOrEqual(1_200);
    expect(clock.nowMs() - stoppedMs).toBeGreaterThan(500);
    expect(a.health.ejectedFor).toBe('silence');
  });

  test('is known by how long its calls have been waiting', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    expect(a.silentForMs(clock.nowMs())).toBe(0);
    a.started(1, clock.nowMs());
    clock.advance(700);
    expect(a.silentForMs(clock.nowMs())).toBe(700);
    a.ended(clock.nowMs(), 700, false);
    expect(a.silentForMs(clock.nowMs())).toBe(0);
  });

  test('is also that of calls which are given up before it is long: the endpoint is ejected as soon', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    const stoppedMs = clock.nowMs();
    for (let i = 0; i < 2; i++) {
      a.started(1, clock.nowMs());
      clock.advance(100);
      if (i === 0) book.timedOut('a:1');
      a.ended(clock.nowMs(), i === 0 ? undefined : 100, i > 0);
    }
    while (!a.ejected && clock.nowMs() < stoppedMs + 5_000) others(book, 'a:1', 10);
    expect(clock.nowMs() - stoppedMs).toBeLessThanOrEqual(1_200);
    expect(a.health.ejectedFor).toBe('silence');
  });

  test('is not that of a call that was cancelled, of one that was given up, or of two that failed fast', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    a.started(1, clock.nowMs());
    a.ended(clock.nowMs(), undefined, false);
    book.timedOut('a:1');
    drops(a, 2);
    others(book, 'a:1', 3_000);
    expect(a.ejected).toBe(false);
  });

  test('of an endpoint whose calls are slow is no reason before five times as long', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    for (let i = 0; i < 3; i++) answer(a, 400);
    a.started(1, clock.nowMs());
    others(book, 'a:1', 1_500);
    expect(a.ejected).toBe(false);
    others(book, 'a:1', 3_000);
    expect(a.ejected).toBe(true);
  });

  test("of all is nobody's: who is slow then is this process, or the network", () => {
    const book = bookOf(3);
    for (const endpoint of book.endpoints) endpoint.started(2, clock.nowMs());
    for (let i = 0; i < 30; i++) {
      clock.advance(100);
      book.pick();
      clock.endTurn();
    }
    expect(book.endpoints.map(({ ejected }) => ejected)).toEqual([false, false, false]);
  });

  test('takes two looks, and an answer of another before the first and between them', () => {
    const book = bookOf(3);
    const [a, b] = [endpointOf(book, 'a:1'), endpointOf(book, 'b:1')];
    const look = (): boolean => {
      clock.advance(101);
      book.pick();
      clock.endTurn();
      return a.ejected;
    };
    b.started(4, clock.nowMs());
    a.started(1, clock.nowMs());
    clock.advance(1_000);
    expect([look(), look()]).toEqual([false, false]); // nobody has answered
    b.ended(clock.nowMs(), 1_000, false);
    expect([look(), look(), look()]).toEqual([false, false, false]); // nobody has since it was suspected
    b.ended(clock.nowMs(), 1_000, false);
    expect(look()).toBe(true);
  });

  test('after a pause of this process ejects nobody: answers come one after the other', () => {
    const book = bookOf(3);
    const startedMs = clock.nowMs();
    for (const endpoint of book.endpoints) endpoint.started(2, startedMs);
    clock.advance(5_000);
    for (const endpoint of book.endpoints) {
      endpoint.ended(clock.nowMs(), 5_000, false);
      book.pick();
      endpoint.ended(clock.nowMs(), 5_000, false);
      book.pick();
    }
    clock.endTurn();
    others(book, 'none', 500);
    expect(book.endpoints.map(({ ejections }) => ejections)).toEqual([0, 0, 0]);
  });

  test('X2: the late answers that end it say nothing of what calls take now: the endpoint has its share again', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    const stoppedMs = clock.nowMs();
    a.started(3, stoppedMs);
    others(book, 'a:1', 1_200);
    expect(a.ejected).toBe(true);
    for (let i = 0; i < 3; i++) a.ended(clock.nowMs(), clock.nowMs() - stoppedMs, false);
    expect(a.ejected).toBe(false);
    expect(a.latencyMs(clock.nowMs())).toBeLessThanOrEqual(10);
    expect(picked(book)).toContain('a:1');
    answer(a, 400);
    expect(a.latencyMs(clock.nowMs())).toBe(400); // what begins from now on is learned
  });

  test('ends with any answer, however late, and the drops of those that waited are forgotten', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    const stoppedMs = clock.nowMs();
    a.started(5, stoppedMs);
    others(book, 'a:1', 900);
    expect(a.ejected).toBe(true);
    for (let i = 0; i < 4; i++) a.ended(clock.nowMs(), clock.nowMs() - stoppedMs, true);
    a.ended(clock.nowMs(), clock.nowMs() - stoppedMs, false);
    expect(a.ejected).toBe(false);
    expect(a.dropShare(clock.nowMs())).toBe(0);
  });

  test('of a probe lets the next one wait twice as long', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    a.started(2, clock.nowMs());
    others(book, 'a:1', 900);
    expect(a.ejected).toBe(true);
    const probes: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      const endpoint = book.pick();
      if (endpoint === a) {
        probes.push(clock.nowMs());
        a.started(1, clock.nowMs());
        clock.advance(10);
      } else if (endpoint !== undefined) answer(endpoint, 10);
      clock.endTurn();
    }
    const waits = probes.slice(1).map((atMs, index) => atMs - (probes[index] ?? 0));
    expect(probes.length).toBeLessThanOrEqual(5);
    expect(waits[1]).toBeGreaterThan(1.3 * (waits[0] ?? 0));
  });

  test('is not that of streams', () => {
    const book = bookOf(3);
    const a = endpointOf(book, 'a:1');
    a.startedStream();
    others(book, 'a:1', 3_000);
    expect(a.ejected).toBe(false);
  });
});

describe('ejections in the book', () => {
  test('O25: are not heeded when fewer than half are left: calls spread over all, never "no replica"', () => {
    const book = bookOf(3);
    for (const endpoint of book.endpoints) drops(endpoint, 5);
    expect(book.endpoints.map(({ ejected }) => ejected)).toEqual([true, true, true]);
    expect(picked(book)).toEqual(new Set(['a:1', 'b:1', 'c:1']));
  });

  test('O25: are heeded as long as half are left, and no longer', () => {
    const book = bookOf(4);
    drops(endpointOf(book, 'a:1'), 5);
    drops(endpointOf(book, 'b:1'), 5);
    expect(picked(book)).toEqual(new Set(['c:1', 'd:1']));
    drops(endpointOf(book, 'c:1'), 5);
    expect(picked(book).size).toBeGreaterThan(1);
  });

  test('O25: of A50 stop at the maximum first', () => {
    const options = { maxEjectionPercent: 40, consecutiveFailures: 0, failurePercentageEjection: { minimumHosts: 1, requestVolume: 1 } };
    const book = bookOf(5, { outlierDetection: options });
    clock.advance(10_000);
    book.pick();
    for (const endpoint of book.endpoints) drops(endpoint, 100);
    clock.advance(10_000);
    book.pick();
    expect(book.endpoints.filter(({ ejected }) => ejected)).toHaveLength(2);
    clock.endTurn();
    expect(picked(book)).toEqual(new Set(['c:1', 'd:1', 'e:1']));
  });

  test('O25: never take the last one that is ready', () => {
    const book = bookOf(2, { outlierDetection: { panicThreshold: 0 } });
    drops(endpointOf(book, 'a:1'), 5);
    book.setReady('b:1', false);
    expect(book.pick()?.address).toBe('a:1');
    drops(endpointOf(book, 'b:1'), 5);
    book.setReady('b:1', true);
    expect(book.pick()).toBeDefined();
  });

  test('in a panic a success closes a breaker', () => {
    const book = bookOf(2);
    for (const endpoint of book.endpoints) drops(endpoint, 5);
    const endpoint = book.pick();
    if (endpoint === undefined) throw new Error('nobody');
    clock.advance(1);
    answer(endpoint, 5);
    expect(endpoint.ejected).toBe(false);
  });

  test('O21: end when the address leaves name resolution; it comes back with a clean state', () => {
    const outlierDetection = { failurePercentageEjection: { minimumHosts: 1, requestVolume: 1 }, maxEjectionPercent: 100 };
    const book = bookOf(3, { outlierDetection });
    const a = endpointOf(book, 'a:1');
    const b = endpointOf(book, 'b:1');
    drops(a, 100);
    for (let i = 0; i < 20; i++) answer(b, 10);
    clock.advance(10_000);
    book.pick();
    expect(a.health.ejectedFor).toBe('outlier');
    book.update(['b:1', 'c:1']);
    book.update(['a:1', 'b:1', 'c:1']);
    book.setReady('a:1', true);
    expect(endpointOf(book, 'a:1').ejected).toBe(false);
    expect(endpointOf(book, 'a:1').health.host.multiplier).toBe(0);
    clock.endTurn();
    clock.advance(10_000);
    expect(picked(book)).toContain('a:1');
  });

  test('O22: an endpoint with two addresses has one state', () => {
    const book = new Endpoints(resolveBalanceOptions(undefined, 'balance'), clock, seededRandom(1));
    book.update(['a:1,a:2', 'b:1', 'c:1']);
    for (const { address } of book.endpoints) book.setReady(address, true);
    drops(endpointOf(book, 'a:1,a:2'), 5);
    expect(book.endpoints.map(({ ejected }) => ejected)).toEqual([true, false, false]);
  });

  test('O23: of A50 outlast a new connection, and what came meanwhile holds after the return', () => {
    const outlierDetection = { failurePercentageEjection: { minimumHosts: 1, requestVolume: 1 }, maxEjectionPercent: 100 };
    const book = bookOf(3, { outlierDetection: { ...outlierDetection, consecutiveFailures: 0 } });
    const a = endpointOf(book, 'a:1');
    drops(a, 200);
    clock.advance(10_000);
    expect(picked(book)).toEqual(new Set(['b:1', 'c:1']));
    book.setReady('a:1', false);
    book.setReady('a:1', true);
    expect(picked(book)).toEqual(new Set(['b:1', 'c:1']));
    book.setReady('a:1', false);
    clock.advance(50_000);
    expect(picked(book)).toEqual(new Set(['b:1', 'c:1']));
    expect(a.ejected).toBe(false);
    book.setReady('a:1', true);
    expect(picked(book)).toContain('a:1');
  });

  test('of A50 are not probed', () => {
    const outlierDetection = { failurePercentageEjection: { minimumHosts: 1, requestVolume: 1 }, maxEjectionPercent: 100 };
    const book = bookOf(3, { outlierDetection });
    drops(endpointOf(book, 'a:1'), 100);
    clock.advance(10_000);
    for (let i = 0; i < 20; i++) {
      expect(picked(book)).not.toContain('a:1');
      clock.advance(1_000);
    }
  });
});
