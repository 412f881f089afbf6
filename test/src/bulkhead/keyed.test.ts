import { describe, expect, test } from 'vitest';
import { KeyedBulkheads } from '../../../src/bulkhead/keyed.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingWaiter } from './waiter.ts';

const idle = (id: string): LoggingWaiter => new LoggingWaiter(id, []);

describe('KeyedBulkheads', () => {
  test('gives each method slots of its own', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock());
    expect(keyed.for('/a/X')?.acquire(idle('1'))).toBe('granted');
    expect(keyed.for('/a/X')?.acquire(idle('2'))).toBe('full');
    expect(keyed.for('/a/Y')?.acquire(idle('3'))).toBe('granted');
    expect(keyed.size).toBe(2);
  });

  test('limits nothing for a method without options', () => {
    const keyed = new KeyedBulkheads((method) => (method === '/a/X' ? { slots: 1 } : undefined), new FakeClock());
    expect(keyed.for('/a/Y')).toBeUndefined();
    expect(keyed.size).toBe(0);
  });

  test('stays bounded: an idle bulkhead makes room, a busy one is kept', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock(), 2);
    const busy = keyed.for('/a/busy');
    busy?.acquire(idle('1'));
    for (let n = 0; n < 100; n++) keyed.for(`/made/up${n}`);
    expect(keyed.size).toBe(2);
    expect(keyed.for('/a/busy')).toBe(busy);
  });

  test('lets newcomers share one bulkhead while all are busy', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock(), 2);
    const first = keyed.for('/a/1');
    first?.acquire(idle('1'));
    keyed.for('/a/2')?.acquire(idle('2'));
    const shared = keyed.for('/a/3');
    expect(shared?.acquire(idle('3'))).toBe('granted');
    expect(keyed.for('/a/4')).toBe(shared);
    expect(keyed.size).toBe(2);
    first?.release();
    expect(keyed.for('/a/4')).not.toBe(shared);
    expect(keyed.size).toBe(2);
  });

  test('waits of all methods share one timer', () => {
    const clock = new FakeClock();
    const log: string[] = [];
    const keyed = new KeyedBulkheads(() => ({ slots: 0, queue: 10 }), clock);
    for (let n = 0; n < 5; n++) keyed.for(`/a/${n}`)?.acquire(new LoggingWaiter(`${n}`, log, clock.nowMs() + 10 + n));
    expect(clock.pending).toBe(1);
    clock.advance(100);
    expect(log).toEqual(['0 timeout', '1 timeout', '2 timeout', '3 timeout', '4 timeout']);
    expect(clock.pending).toBe(0);
  });
});
