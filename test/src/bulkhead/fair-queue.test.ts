import { describe, expect, test } from 'vitest';
import { Bulkhead } from '../../../src/bulkhead/bulkhead.ts';
import { FairQueue, type Line, type Place } from '../../../src/bulkhead/fair-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingWaiter } from './waiter.ts';

class One implements Place<One> {
  previous: One | undefined = undefined;
  next: One | undefined = undefined;
  line: Line<One> | undefined = undefined;
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** `a1` is the first of group a, `1` came alone. */
function queueOf(...names: readonly string[]): { queue: FairQueue<One>; all: Map<string, One>; drain: () => string } {
  const queue = new FairQueue<One>();
  const all = new Map<string, One>();
  const groups = new Map<string, object>();
  for (const name of names) {
    const one = new One(name);
    all.set(name, one);
    const letter = /^[a-z]/.exec(name)?.[0];
    if (letter !== undefined && !groups.has(letter)) groups.set(letter, {});
    queue.push(one, letter === undefined ? undefined : groups.get(letter));
  }
  const drain = (): string => {
    const out: string[] = [];
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) out.push(one.name);
    return out.join(' ');
  };
  return { queue, all, drain };
}

describe('FairQueue', () => {
  test('serves what came alone in the order of arrival', () => {
    expect(queueOf('1', '2', '3').drain()).toBe('1 2 3');
  });
  test('lets single calls and a batch take turns, whoever came first', () => {
    expect(queueOf('a1', 'a2', 'a3', 'a4', '1', '2').drain()).toBe('1 a1 2 a2 a3 a4');
    expect(queueOf('1', '2', '3', '4', 'a1', 'a2').drain()).toBe('1 a1 2 a2 3 4');
  });
  test('lets batches take turns, each in its own order', () => {
    expect(queueOf('a1', 'a2', 'a3', 'b1', 'c1', 'c2').drain()).toBe('a1 b1 c1 a2 c2 a3');
  });
  test('leaves single calls half of the turns, however many batches wait', () => {
    const batches = [...'abcdefghijklmnopqrstuvwxyz'].flatMap((letter) => [`${letter}1`, `${letter}2`]);
    const order = queueOf(...batches, '1', '2', '3')
      .drain()
      .split(' ');
    expect([order.indexOf('1'), order.indexOf('2'), order.indexOf('3')]).toEqual([0, 2, 4]);
  });
  test('takes one out of any place, and a batch that is gone out of the round', () => {
    const { queue, all, drain } = queueOf('a1', 'b1', 'b2', 'c1', '1', '2', '3');
    const out = (name: string): boolean => queue.remove(all.get(name) ?? new One('?'));
    expect(['b1', 'b2', '2'].map(out)).toEqual([true, true, true]);
    expect(out('b1')).toBe(false);
    expect(queue.size).toBe(4);
    expect(drain()).toBe('1 a1 3 c1');
    expect(queue.size).toBe(0);
  });
});

describe('Bulkhead, fair', () => {
  test('K16: a batch of 128 that waits holds a single call back by one turn, not by 128', () => {
    const clock = new FakeClock();
    const log: string[] = [];
    const bulkhead = new Bulkhead({ slots: 1, queue: 200 }, clock);
    const carrier = {};
    const item = (n: number): LoggingWaiter & { group?: object } => Object.assign(new LoggingWaiter(`item${n}`, log), { group: carrier });
    for (let n = 0; n < 128; n++) bulkhead.acquire(item(n));
    bulkhead.acquire(new LoggingWaiter('single', log));
    bulkhead.release();
    bulkhead.release();
    expect(log).toEqual(['single granted', 'item1 granted']);
    for (let n = 2; n < 129; n++) bulkhead.release();
    expect(log).toHaveLength(128);
    expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting, pending: clock.pending }).toEqual({ inUse: 0, waiting: 0, pending: 0 });
  });
  test('W2: an item leaves its line at its deadline, and its batch goes on', () => {
    const clock = new FakeClock();
    const log: string[] = [];
    const bulkhead = new Bulkhead({ slots: 1, queue: 10 }, clock);
    const carrier = {};
    bulkhead.acquire(new LoggingWaiter('holder', log));
    for (const [id, inMs] of [['a', 100] as const, ['b', 10] as const, ['c', 100] as const]) {
      bulkhead.acquire(Object.assign(new LoggingWaiter(id, log, clock.nowMs() + inMs), { group: carrier }));
    }
    clock.advance(10);
    for (let n = 0; n < 3; n++) bulkhead.release();
    expect(log).toEqual(['b timeout', 'a granted', 'c granted']);
    expect(clock.pending).toBe(0);
  });
});
