import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bulkhead, type Ticket, type Waiter } from '../../../src/bulkhead/bulkhead.ts';
import { KeyedBulkheads } from '../../../src/bulkhead/keyed.ts';
import type { BulkheadOptions } from '../../../src/bulkhead/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

class Call implements Waiter {
  readonly deadlineMs: number = Number.POSITIVE_INFINITY;
  readonly partition: string | undefined;
  ticket: Ticket | undefined = undefined;
  state: 'new' | 'waits' | 'holds' | 'refused' | 'done' = 'new';

  constructor(partition: string | undefined) {
    this.partition = partition;
  }
  granted(): void {
    this.state = 'holds';
  }
  refused(): void {
    this.state = 'refused';
  }
  enter(bulkhead: Bulkhead): void {
    const answer = bulkhead.acquire(this);
    this.state = answer === 'granted' ? 'holds' : answer === 'queued' ? 'waits' : 'refused';
  }
  leave(bulkhead: Bulkhead): void {
    if (this.state === 'waits') bulkhead.cancel(this);
    if (this.state === 'holds') bulkhead.release(this);
    this.state = 'done';
  }
}

describe('F5 a bulkhead that takes other options', () => {
  test('permits stay out, waiters keep their place, and a partition that is new finds its share', () => {
    const bulkhead = new Bulkhead({ slots: 2, queue: 4, by: 'tenant', partitions: { red: 0.5 } }, new FakeClock());
    const [a, b, c, d] = [new Call('blue'), new Call('blue'), new Call('green'), new Call('blue')];
    for (const call of [a, b, c, d]) call.enter(bulkhead);
    bulkhead.retune({ slots: 2, queue: 4, by: 'tenant', partitions: { green: 0.5 } });
    const green = new Call('green');
    green.enter(bulkhead);
    expect(green.state).toBe('holds'); // its share, whatever the others have
    a.leave(bulkhead);
    expect([c.state, d.state]).toEqual(['waits', 'waits']);
    b.leave(bulkhead);
    expect([c.state, d.state]).toEqual(['holds', 'waits']);
    for (const call of [c, green]) call.leave(bulkhead);
    expect(d.state).toBe('holds');
    d.leave(bulkhead);
    expect([bulkhead.inUse, bulkhead.waiting]).toEqual([0, 0]);
    expect(() => bulkhead.release(d)).toThrow('released twice');
  });

  test('a bad option changes nothing', () => {
    const bulkhead = new Bulkhead({ slots: 1, queue: 0 }, new FakeClock());
    expect(() => bulkhead.retune({ slots: 2, queue: -1 })).toThrow('bulkhead.queue');
    expect(bulkhead.slots).toBe(1);
  });

  const options = fc.oneof(
    fc.record({ slots: fc.integer({ min: 0, max: 6 }), queue: fc.integer({ min: 0, max: 6 }) }),
    fc
      .record({
        slots: fc.integer({ min: 0, max: 6 }),
        queue: fc.integer({ min: 0, max: 6 }),
        names: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }),
      })
      .map(
        ({ slots, queue, names }): BulkheadOptions => ({
          slots,
          queue,
          by: 'tenant',
          partitions: Object.fromEntries(names.map((name) => [name, 1 / 3])),
        }),
      ),
  );
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ enter: fc.constantFrom('a', 'b', 'c', undefined) }) },
    { weight: 4, arbitrary: fc.record({ leave: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ retune: options }) },
  );

  test('W1 W5 whatever happens: each permit comes back once, the sums are right, and after quiescence all is 0', () => {
    fc.assert(
      fc.property(options, fc.array(action, { maxLength: 200 }), (first, actions) => {
        const clock = new FakeClock();
        const bulkhead = new Bulkhead(first, clock);
        let most = first.slots;
        let held = 0; // when the options were changed
        const calls: Call[] = [];
        const holding = (): number => calls.filter(({ state }) => state === 'holds').length;
        for (const one of actions) {
          if ('enter' in one) {
            const call = new Call(one.enter);
            calls.push(call);
            call.enter(bulkhead);
          } else if ('leave' in one) {
            const open = calls.filter(({ state }) => state === 'holds' || state === 'waits');
            open[one.leave % Math.max(1, open.length)]?.leave(bulkhead);
          } else {
            held = holding();
            bulkhead.retune(one.retune);
            most = one.retune.slots;
          }
          expect(bulkhead.inUse).toBe(holding());
          expect(bulkhead.waiting).toBe(calls.filter(({ state }) => state === 'waits').length);
          // What was out or lent, and over it what the partitions are owed: the slots once more, and one for each by rounding.
          expect(bulkhead.inUse).toBeLessThanOrEqual(Math.max(held, most) + most + 3);
        }
        for (let i = 0; i < 2; i++) for (const call of calls) call.leave(bulkhead);
        while (calls.some(({ state }) => state === 'holds' || state === 'waits'))
          for (const call of calls) if (call.state !== 'done') call.leave(bulkhead);
        expect([bulkhead.inUse, bulkhead.waiting, clock.pending]).toEqual([0, 0, 0]);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('bulkheads by method that take other options', () => {
  const by =
    (rules: Record<string, BulkheadOptions>) =>
    (method: string): BulkheadOptions | undefined =>
      rules[method];

  test('equal ones stay, others take theirs, and where there is none any more nobody waits', () => {
    const keyed = new KeyedBulkheads(by({ '/a': { slots: 1, queue: 1 }, '/b': { slots: 1, queue: 1 } }), new FakeClock());
    const [a, b] = [keyed.for({ method: '/a' }), keyed.for({ method: '/b' })];
    const [first, second] = [new Call(undefined), new Call(undefined)];
    for (const call of [first, second]) if (b !== undefined) call.enter(b);
    expect(second.state).toBe('waits');
    keyed.retune(by({ '/a': { slots: 1, queue: 1 } }));
    expect(second.state).toBe('holds');
    expect(keyed.for({ method: '/a' })).toBe(a);
    expect(keyed.for({ method: '/b' })).toBeUndefined();
    keyed.retune(by({ '/a': { slots: 3, queue: 1 } }));
    expect(keyed.for({ method: '/a' })).toBe(a);
    expect(a?.slots).toBe(3);
  });

  test('from one for all tenants to one for each, and back: what is in the old ones drains', () => {
    const call = { method: '/a', tenant: 'red' };
    const each: BulkheadOptions = { slots: 1, by: 'tenant' };
    const keyed = new KeyedBulkheads<typeof call>(by({ '/a': { slots: 1 } }), new FakeClock(), ({ tenant }) => tenant);
    const all = keyed.for(call);
    const one = new Call(undefined);
    if (all !== undefined) one.enter(all);
    keyed.retune(by({ '/a': each }));
    const own = keyed.for(call);
    expect(own).not.toBe(all);
    expect(keyed.for({ ...call, tenant: 'blue' })).not.toBe(own);
    if (all !== undefined) one.leave(all);
    expect(all?.inUse).toBe(0);
    keyed.retune(by({ '/a': { slots: 1 } }));
    expect(keyed.for(call)).toBe(keyed.for({ ...call, tenant: 'blue' }));
  });
});
