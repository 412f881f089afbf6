import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Bulkhead } from '../../../src/bulkhead/bulkhead.ts';
import type { BulkheadOptions } from '../../../src/bulkhead/options.ts';
import { UsageError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingWaiter } from './waiter.ts';

let clock: FakeClock;
let log: string[];

beforeEach(() => {
  clock = new FakeClock();
  log = [];
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

const bulkheadOf = (options: BulkheadOptions): Bulkhead => new Bulkhead(options, clock);
const waiter = (id: string, inMs: number = Number.POSITIVE_INFINITY, onGranted?: () => void): LoggingWaiter =>
  new LoggingWaiter(id, log, clock.nowMs() + inMs, onGranted);

describe('Bulkhead', () => {
  test('grants up to its slots, queues up to its queue, and is full beyond (W1)', () => {
    const bulkhead = bulkheadOf({ slots: 2, queue: 1 });
    expect(['a', 'b', 'c', 'd'].map((id) => bulkhead.acquire(waiter(id)))).toEqual(['granted', 'granted', 'queued', 'full']);
    expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting }).toEqual({ inUse: 2, waiting: 1 });
    expect(log).toEqual([]);
  });

  test('passes a released slot on in the order of arrival', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3 });
    for (const id of ['a', 'b', 'c']) bulkhead.acquire(waiter(id));
    bulkhead.release();
    bulkhead.release();
    expect(log).toEqual(['b granted', 'c granted']);
    expect(bulkhead.inUse).toBe(1);
    bulkhead.release();
    expect(bulkhead.inUse).toBe(0);
  });

  test('refuses a waiter at its deadline, not when its turn comes (W2)', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3 });
    bulkhead.acquire(waiter('a'));
    bulkhead.acquire(waiter('b', 100));
    bulkhead.acquire(waiter('c', 50));
    clock.advance(49);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(['c timeout']);
    expect(bulkhead.waiting).toBe(1);
    bulkhead.release();
    expect(log).toEqual(['c timeout', 'b granted']);
    clock.advance(1000);
    expect(log).toHaveLength(2);
  });

  test('refuses a waiter after the queue timeout when that comes before its deadline', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3, queueTimeoutMs: 30 });
    bulkhead.acquire(waiter('a'));
    bulkhead.acquire(waiter('b', 100));
    bulkhead.acquire(waiter('c', 20));
    bulkhead.acquire(waiter('d'));
    clock.advance(20);
    expect(log).toEqual(['c timeout']);
    clock.advance(10);
    expect(log).toEqual(['c timeout', 'b timeout', 'd timeout']);
  });

  test('does not start a waiter past its deadline when the timer is late (D6)', () => {
    const late = new FakeClock();
    late.setTimer = () => () => undefined;
    const bulkhead = new Bulkhead({ slots: 1, queue: 2 }, late);
    bulkhead.acquire(new LoggingWaiter('a', log));
    bulkhead.acquire(new LoggingWaiter('b', log, late.nowMs() + 10));
    bulkhead.acquire(new LoggingWaiter('c', log));
    late.advance(10);
    bulkhead.release();
    expect(log).toEqual(['b timeout', 'c granted']);
    expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting }).toEqual({ inUse: 1, waiting: 0 });
  });

  test('lets a waiter leave without a word, from any place in the queue (C1)', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 5 });
    bulkhead.acquire(waiter('a'));
    const waiters = ['b', 'c', 'd', 'e'].map((id) => waiter(id, 100));
    for (const each of waiters) bulkhead.acquire(each);
    for (const index of [1, 0, 3]) {
      const leaving = waiters[index];
      if (leaving !== undefined) bulkhead.cancel(leaving);
    }
    expect(bulkhead.waiting).toBe(1);
    bulkhead.release();
    expect(log).toEqual(['d granted']);
  });

  test('ignores the cancel of one that does not wait, or waits elsewhere', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 1 });
    const other = bulkheadOf({ slots: 0, queue: 1 });
    const holder = waiter('a');
    bulkhead.acquire(holder);
    bulkhead.cancel(holder);
    expect(bulkhead.inUse).toBe(1);
    const elsewhere = waiter('b');
    other.acquire(elsewhere);
    bulkhead.cancel(elsewhere);
    expect({ waiting: bulkhead.waiting, elsewhere: other.waiting }).toEqual({ waiting: 0, elsewhere: 1 });
  });

  test('takes a cancel storm of 10,000 waiters in linear time (W3)', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 10_000 });
    bulkhead.acquire(waiter('holder'));
    const waiters = Array.from({ length: 10_000 }, (_, index) => waiter(`${index}`, 1000 + (index % 7)));
    for (const each of waiters) bulkhead.acquire(each);
    const startedMs = performance.now();
    for (const each of waiters) bulkhead.cancel(each);
    // Some ms; walking the queue for each would take 50 million steps.
    expect(performance.now() - startedMs).toBeLessThan(100);
    expect(bulkhead.waiting).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('serves 10,000 waiters that end at once without deep recursion', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 10_000 });
    bulkhead.acquire(waiter('holder'));
    for (let n = 0; n < 10_000; n++) bulkhead.acquire(waiter(`${n}`, Number.POSITIVE_INFINITY, () => bulkhead.release()));
    bulkhead.release();
    expect(log).toHaveLength(10_000);
    expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting }).toEqual({ inUse: 0, waiting: 0 });
  });

  test('lets nobody overtake the queue from inside a granted call', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3 });
    bulkhead.acquire(waiter('a'));
    bulkhead.acquire(
      waiter('b', Number.POSITIVE_INFINITY, () => {
        bulkhead.release();
        expect(bulkhead.acquire(waiter('newcomer'))).toBe('queued');
      }),
    );
    bulkhead.acquire(waiter('c'));
    bulkhead.release();
    expect(log).toEqual(['b granted', 'c granted']);
    bulkhead.release();
    expect(log).toEqual(['b granted', 'c granted', 'newcomer granted']);
  });

  test('keeps a waiter that throws away from whoever released, and from the waiters behind it', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3 });
    bulkhead.acquire(waiter('a'));
    bulkhead.acquire(
      waiter('b', Number.POSITIVE_INFINITY, () => {
        throw new Error('boom');
      }),
    );
    bulkhead.acquire(waiter('c'));
    expect(() => bulkhead.release()).not.toThrow();
    expect(bulkhead.inUse).toBe(1);
    bulkhead.release();
    expect(log).toEqual(['b granted', 'c granted']);
    expect(() => clock.endTurn()).toThrow('boom');
  });

  test('refuses a second release, and one waiter twice in a queue', () => {
    const bulkhead = bulkheadOf({ slots: 1, queue: 3 });
    const twice = waiter('b');
    bulkhead.acquire(waiter('a'));
    bulkhead.acquire(twice);
    expect(() => bulkhead.acquire(twice)).toThrow(UsageError);
    bulkhead.cancel(twice);
    bulkhead.release();
    expect(() => bulkhead.release()).toThrow(UsageError);
    expect(bulkhead.inUse).toBe(0);
  });

  test('shrinks by taking fewer from now on, and grows by letting waiters in', () => {
    const bulkhead = bulkheadOf({ slots: 3, queue: 3 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) bulkhead.acquire(waiter(id));
    bulkhead.resize(1, 0);
    expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting }).toEqual({ inUse: 3, waiting: 2 });
    expect(bulkhead.acquire(waiter('f'))).toBe('full');
    bulkhead.release();
    bulkhead.release();
    expect(log).toEqual([]);
    bulkhead.release();
    expect(log).toEqual(['d granted']);
    bulkhead.resize(2, 0);
    expect(log).toEqual(['d granted', 'e granted']);
    expect(bulkhead.inUse).toBe(2);
  });

  test('lets nothing through with 0 slots, everything with Infinity (W7)', () => {
    const shut = bulkheadOf({ slots: 0, queue: 1 });
    expect([shut.acquire(waiter('a')), shut.acquire(waiter('b'))]).toEqual(['queued', 'full']);
    const open = bulkheadOf({ slots: Number.POSITIVE_INFINITY });
    for (let n = 0; n < 1000; n++) expect(open.acquire(waiter(`${n}`))).toBe('granted');
    expect(open.inUse).toBe(1000);
  });

  test.each([
    [{}, 'bulkhead.slots: is missing; expected a whole number >= 0'],
    [{ slots: -1 }, 'bulkhead.slots: expected a whole number >= 0, got -1'],
    [{ slots: 1.5 }, 'bulkhead.slots: expected a whole number >= 0, got 1.5'],
    [{ slots: '10' }, 'bulkhead.slots: expected a whole number >= 0, got "10"; did you mean 10?'],
    [{ slots: Number.NaN }, 'bulkhead.slots: expected a whole number >= 0, got NaN'],
    [{ slots: 1, queue: -1 }, 'bulkhead.queue: expected a whole number >= 0, got -1'],
    [{ slots: 1, queueTimeoutMs: 0 }, 'bulkhead.queueTimeoutMs: expected milliseconds as a number > 0, got 0'],
    [{ slots: 1, queueTimeoutMs: '2s' }, 'bulkhead.queueTimeoutMs: expected milliseconds as a number > 0, got "2s"; did you mean 2000?'],
    [{ slots: 1, queu: 3 }, 'bulkhead.queu: unknown option; did you mean queue?'],
    [7, 'bulkhead: expected an object, got 7'],
  ])('refuses the options %j', (options, message) => {
    expect(() => bulkheadOf(options as BulkheadOptions)).toThrow(message);
  });
});
