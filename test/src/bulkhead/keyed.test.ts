import { describe, expect, test } from 'vitest';
import { KeyedBulkheads } from '../../../src/bulkhead/keyed.ts';
import { bulkheadInterceptor } from '../../../src/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingWaiter } from './waiter.ts';

const idle = (id: string): LoggingWaiter => new LoggingWaiter(id, []);

describe('KeyedBulkheads', () => {
  test('gives each method slots of its own', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock());
    expect(keyed.for({ method: '/a/X' })?.acquire(idle('1'))).toBe('granted');
    expect(keyed.for({ method: '/a/X' })?.acquire(idle('2'))).toBe('full');
    expect(keyed.for({ method: '/a/Y' })?.acquire(idle('3'))).toBe('granted');
    expect(keyed.size).toBe(2);
  });

  test('limits nothing for a method without options', () => {
    const keyed = new KeyedBulkheads((method) => (method === '/a/X' ? { slots: 1 } : undefined), new FakeClock());
    expect(keyed.for({ method: '/a/Y' })).toBeUndefined();
    expect(keyed.size).toBe(0);
  });

  test('stays bounded: an idle bulkhead makes room, a busy one is kept', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock(), undefined, 2);
    const busy = keyed.for({ method: '/a/busy' });
    busy?.acquire(idle('1'));
    for (let n = 0; n < 100; n++) keyed.for({ method: `/made/up${n}` });
    expect(keyed.size).toBe(2);
    expect(keyed.for({ method: '/a/busy' })).toBe(busy);
  });

  test('lets newcomers share one bulkhead while all are busy', () => {
    const keyed = new KeyedBulkheads(() => ({ slots: 1 }), new FakeClock(), undefined, 2);
    const first = keyed.for({ method: '/a/1' });
    first?.acquire(idle('1'));
    keyed.for({ method: '/a/2' })?.acquire(idle('2'));
    const shared = keyed.for({ method: '/a/3' });
    expect(shared?.acquire(idle('3'))).toBe('granted');
    expect(keyed.for({ method: '/a/4' })).toBe(shared);
    expect(keyed.size).toBe(2);
    first?.release();
    expect(keyed.for({ method: '/a/4' })).not.toBe(shared);
    expect(keyed.size).toBe(2);
  });

  test('waits of all methods share one timer', () => {
    const clock = new FakeClock();
    const log: string[] = [];
    const keyed = new KeyedBulkheads(() => ({ slots: 0, queue: 10 }), clock);
    for (let n = 0; n < 5; n++) keyed.for({ method: `/a/${n}` })?.acquire(new LoggingWaiter(`${n}`, log, clock.nowMs() + 10 + n));
    expect(clock.pending).toBe(1);
    clock.advance(100);
    expect(log).toEqual(['0 timeout', '1 timeout', '2 timeout', '3 timeout', '4 timeout']);
    expect(clock.pending).toBe(0);
  });

  test('by tenant without partitions, each tenant of a method has one of its own, and so have the calls that are for nobody', () => {
    const call = (method: string, tenant?: string) => ({ method, tenant });
    const keyed = new KeyedBulkheads<ReturnType<typeof call>>(
      () => ({ slots: 1, by: 'tenant' }),
      new FakeClock(),
      ({ tenant }) => tenant,
    );
    const one = keyed.for(call('/a/X', 'acme'));
    expect(keyed.for(call('/a/X', 'acme'))).toBe(one);
    expect(new Set([one, keyed.for(call('/a/X')), keyed.for(call('/a/X', 'globex')), keyed.for(call('/a/Y', 'acme'))]).size).toBe(4);
    expect(keyed.limits('/a/X')).toBe(true);
  });

  test('with partitions, a method has one for all tenants', () => {
    const keyed = new KeyedBulkheads(
      () => ({ slots: 1, by: 'tenant', partitions: { acme: 1 } }),
      new FakeClock(),
      () => 'acme',
    );
    expect(keyed.for({ method: '/a/X' })).toBe(keyed.for({ method: '/a/X' }));
    expect(keyed.size).toBe(1);
  });
});

describe('bulkheadInterceptor', () => {
  test('refuses partitions by method: each method has a bulkhead of its own', () => {
    const options = { slots: 1, by: 'method', partitions: { 'a.B/C': 0.5 } } as const;
    expect(() => bulkheadInterceptor(options)).toThrow('bulkhead.by: expected "tenant" or "priority", got "method"');
    expect(() => bulkheadInterceptor({ slots: 1, by: 'tenant', partitions: { a: 0.5 } })).not.toThrow();
  });
});
