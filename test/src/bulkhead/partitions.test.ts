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

let made = 0;
const from = (partition: string | undefined, rank = 1, id = `${partition}${++made}`): LoggingWaiter =>
  new LoggingWaiter(id, log, Number.POSITIVE_INFINITY, { rank, ...(partition === undefined ? {} : { partition }) });
const ask = (bulkhead: Bulkhead, partition: string | undefined, times: number): string[] =>
  Array.from({ length: times }, () => bulkhead.acquire(from(partition)));
const granted = (n: number): string[] => new Array<string>(n).fill('granted');

/** Netflix's own tests: ten, of which three are for batch and seven for live. */
const split = (more: Partial<BulkheadOptions> = {}): Bulkhead =>
  new Bulkhead({ slots: 10, by: 'tenant', partitions: { batch: 0.3, live: 0.7 }, ...more }, clock);

describe('Bulkhead with partitions', () => {
  test('W5: what is idle is lent, up to all of the slots (useExcessCapacityUntilTotalLimit)', () => {
    const bulkhead = split();
    expect(ask(bulkhead, 'batch', 11)).toEqual([...granted(10), 'full']);
  });

  test('W5: who has a share gets it at once though it is lent, and no more than it (exceedTotalLimitForUnusedBin)', () => {
    const bulkhead = split();
    ask(bulkhead, 'batch', 10);
    expect(ask(bulkhead, 'live', 8)).toEqual([...granted(7), 'full']);
    expect(bulkhead.inUse).toBe(17);
  });

  test('W5: what was lent comes back: nobody gets a slot beyond its share until less than all are out', () => {
    const bulkhead = split();
    ask(bulkhead, 'batch', 10);
    ask(bulkhead, 'live', 7);
    for (let i = 0; i < 7; i++) {
      bulkhead.release({ partition: 'batch' });
      expect(ask(bulkhead, 'batch', 1)).toEqual(['full']);
    }
    expect(bulkhead.inUse).toBe(10);
    bulkhead.release({ partition: 'live' });
    expect(ask(bulkhead, 'batch', 1)).toEqual(['granted']); // lent again
    expect(ask(bulkhead, 'live', 2)).toEqual(['granted', 'full']);
  });

  test('W5: all shares in use is full for all (rejectOnceAllLimitsReached)', () => {
    const bulkhead = split();
    expect([...ask(bulkhead, 'batch', 3), ...ask(bulkhead, 'live', 7)]).toEqual(granted(10));
    expect([...ask(bulkhead, 'batch', 1), ...ask(bulkhead, 'live', 1)]).toEqual(['full', 'full']);
  });

  test('W5: a slot given back may be lent once more (releaseLimit)', () => {
    const bulkhead = split();
    ask(bulkhead, 'batch', 10);
    bulkhead.release({ partition: 'batch' });
    expect(ask(bulkhead, 'batch', 2)).toEqual(['granted', 'full']);
  });

  test('W5: shares follow the size, whatever is out (setLimitReservesBusy)', () => {
    const bulkhead = split();
    ask(bulkhead, 'batch', 1);
    bulkhead.resize(20);
    ask(bulkhead, 'live', 19);
    expect(ask(bulkhead, 'batch', 6)).toEqual([...granted(5), 'full']);
  });

  test('W4: a noisy tenant with a full queue of its own keeps nobody else from a slot or a place in the queue', () => {
    const bulkhead = split({ queue: 10 });
    expect(ask(bulkhead, 'batch', 100).filter((answer) => answer === 'full')).toHaveLength(80);
    expect(ask(bulkhead, 'live', 15)).toEqual([...granted(7), ...new Array<string>(7).fill('queued'), 'full']);
    expect(bulkhead.waiting).toBe(17);
    log.length = 0;
    bulkhead.release({ partition: 'live' });
    expect(log).toEqual([expect.stringMatching(/^live\d+ granted$/)]); // its own waiter, though batch came first
    for (let i = 0; i < 20; i++) bulkhead.release({ partition: 'batch' });
  });

  test('who has no partition gets only what is lent', () => {
    const bulkhead = split();
    ask(bulkhead, 'batch', 3);
    expect(ask(bulkhead, undefined, 8)).toEqual([...granted(7), 'full']);
    expect(ask(bulkhead, 'stranger', 1)).toEqual(['full']);
    expect(ask(bulkhead, 'live', 8)).toEqual([...granted(7), 'full']);
  });

  test('lent slots go round the partitions that wait', () => {
    const bulkhead = new Bulkhead({ slots: 4, queue: 12, by: 'tenant', partitions: { a: 0.25, b: 0.25 } }, clock);
    ask(bulkhead, undefined, 4);
    bulkhead.acquire(from('a', 1, 'a-own'));
    bulkhead.acquire(from('b', 1, 'b-own'));
    for (const id of ['a1', 'a2', 'a3', 'b1', 'x1', 'x2']) bulkhead.acquire(from(id[0] === 'x' ? undefined : id[0], 1, id));
    for (let i = 0; i < 4; i++) bulkhead.release();
    bulkhead.release({ partition: 'a' });
    bulkhead.release({ partition: 'b' }); // to b1's tenant no more: it has its share
    expect(log).toEqual(['x1', 'a1', 'b1', 'x2'].map((id) => `${id} granted`));
  });

  test('a share is rounded up, so that it is a slot at least; with no slots at all it is none (W7)', () => {
    const bulkhead = new Bulkhead({ slots: 2, by: 'tenant', partitions: { tiny: 0.001 } }, clock);
    ask(bulkhead, 'other', 2);
    expect(ask(bulkhead, 'tiny', 2)).toEqual(['granted', 'full']);
    const shut = new Bulkhead({ slots: 0, by: 'tenant', partitions: { tiny: 0.5 } }, clock);
    expect(ask(shut, 'tiny', 1)).toEqual(['full']);
    const open = new Bulkhead({ slots: Number.POSITIVE_INFINITY, by: 'tenant', partitions: { tiny: 0.5 } }, clock);
    expect(ask(open, 'tiny', 100)).toEqual(granted(100));
  });

  test('a permit given back twice is told by its partition', () => {
    const bulkhead = split();
    ask(bulkhead, 'live', 1);
    expect(() => bulkhead.release({ partition: 'batch' })).toThrow(UsageError);
    bulkhead.release({ partition: 'live' });
    expect(bulkhead.inUse).toBe(0);
  });

  test.each([
    [{ partitions: { a: 1 } }, 'bulkhead.by: is missing; expected "tenant", "priority" or "method", for there are partitions'],
    [{ by: 'tennant' }, 'bulkhead.by: expected "tenant", "priority" or "method", got "tennant"; did you mean "tenant"?'],
    [{ by: 'priority' }, 'bulkhead.partitions: is missing; expected shares, for by is "priority"'],
    [{ by: 'tenant', partitions: [] }, 'bulkhead.partitions: expected an object, got an empty list'],
    [{ by: 'tenant', partitions: {} }, 'bulkhead.partitions: expected 1 to 100 partitions, got 0'],
    [{ by: 'tenant', partitions: { a: 0.7, b: 0.4 } }, 'bulkhead.partitions: expected shares of at most 1 in all, got 1.1'],
    [{ by: 'tenant', partitions: { a: 0 } }, 'bulkhead.partitions["a"]: expected a number > 0 and <= 1, got 0'],
    [{ by: 'priority', partitions: { citical: 0.5 } }, 'bulkhead.partitions: unknown priority "citical"; did you mean "critical"?'],
  ])('refuses the options %j', (options, message) => {
    expect(() => new Bulkhead({ slots: 1, ...options } as BulkheadOptions, clock)).toThrow(message);
  });

  test('takes shares that make 1 in decimals', () => {
    expect(() => new Bulkhead({ slots: 1, by: 'tenant', partitions: { a: 0.7, b: 0.2, c: 0.1 } }, clock)).not.toThrow();
  });
});

describe('Bulkhead with priorities', () => {
  test('a free slot goes to the highest priority, first come first served within', () => {
    const bulkhead = new Bulkhead({ slots: 1, queue: 6 }, clock);
    bulkhead.acquire(from(undefined));
    for (const [id, rank] of [
      ['s1', 2],
      ['d1', 1],
      ['c1', 0],
      ['d2', 1],
      ['c2', 0],
      ['s2', 2],
    ] as const)
      bulkhead.acquire(from(undefined, rank, id));
    for (let i = 0; i < 6; i++) bulkhead.release();
    expect(log).toEqual(['c1', 'c2', 'd1', 'd2', 's1', 's2'].map((id) => `${id} granted`));
  });

  test('when the queue is full, a higher priority takes the place of the newest of the lowest, an equal one none', () => {
    const bulkhead = new Bulkhead({ slots: 1, queue: 3 }, clock);
    bulkhead.acquire(from(undefined));
    for (const [id, rank] of [
      ['s1', 2],
      ['s2', 2],
      ['d1', 1],
    ] as const)
      bulkhead.acquire(from(undefined, rank, id));
    expect(bulkhead.acquire(from(undefined, 2, 's3'))).toBe('full');
    expect(bulkhead.acquire(from(undefined, 1, 'd2'))).toBe('queued');
    expect(bulkhead.acquire(from(undefined, 0, 'c1'))).toBe('queued');
    expect(log).toEqual(['s2 evicted', 's1 evicted']);
    expect(bulkhead.acquire(from(undefined, 1, 'd3'))).toBe('full');
    expect(bulkhead.acquire(from(undefined, 0, 'c2'))).toBe('queued');
    expect(log.at(-1)).toBe('d2 evicted');
    expect(bulkhead.waiting).toBe(3);
  });

  test('nobody is put out of the part of the queue that is its own', () => {
    const bulkhead = new Bulkhead({ slots: 2, queue: 4, by: 'tenant', partitions: { a: 0.5 } }, clock);
    ask(bulkhead, 'a', 1);
    ask(bulkhead, 'b', 1);
    for (const [tenant, id] of [
      ['a', 'a1'],
      ['a', 'a2'],
      ['b', 'b1'],
      ['b', 'b2'],
    ] as const)
      bulkhead.acquire(from(tenant, 2, id));
    expect(bulkhead.acquire(from('b', 0, 'b3'))).toBe('queued');
    expect(bulkhead.acquire(from('b', 0, 'b4'))).toBe('queued');
    expect(bulkhead.acquire(from('b', 0, 'b5'))).toBe('full');
    expect(log).toEqual(['b2 evicted', 'b1 evicted']);
  });

  test('W6: a slot that is given back while waiters time out and release in turn is never lost', () => {
    const bulkhead = new Bulkhead({ slots: 4, queue: 1000, queueTimeoutMs: 10 }, clock);
    for (let i = 0; i < 3; i++) bulkhead.acquire(from(undefined));
    for (let round = 0; round < 10; round++) {
      bulkhead.acquire(from(undefined));
      let first = true;
      for (let i = 0; i < 10; i++) {
        const waiter = new LoggingWaiter(`${round}-${i}`, log, clock.nowMs() + 9 + (i % 3), () => bulkhead.release());
        waiter.refused = () => {
          const isFirst = first;
          first = false;
          if (isFirst) bulkhead.release();
        };
        bulkhead.acquire(waiter);
      }
      clock.advance(20);
      expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting }).toEqual({ inUse: 3, waiting: 0 });
    }
  });
});
