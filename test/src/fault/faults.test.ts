import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { Faults } from '../../../src/fault/faults.ts';
import { type FaultOptions, resolveFaults } from '../../../src/fault/options.ts';
import { ExactShare } from '../../../src/fault/share.ts';
import { metadataOf } from '../../support/loopback.ts';

const faults = (...list: FaultOptions[]): Faults => new Faults(resolveFaults(list, 'faults'));
const none = metadataOf({});

describe('exact share', () => {
  test.for([0, 0.0001, 1, 10, 33.3333, 50, 99.9, 100])('TM4: %d percent of 100,000 calls, to the call', (percent) => {
    const share = new ExactShare(percent);
    let chosen = 0;
    for (let n = 0; n < 100_000; n++) if (share.take()) chosen++;
    expect(chosen).toBe(Math.floor(Number((percent * 1000).toFixed(4))));
  });
});

describe('faults of a method', () => {
  test('TM4: exactly the share of those that match over 100,000 calls, and never one outside', () => {
    const all = faults({ match: { methods: ['a.B/C'], headers: [{ name: 'x', exact: '1' }] }, percent: 12.5, abort: 'ABORTED' });
    expect(all.planOf('/a.B/D')).toBeUndefined();
    const plan = all.planOf('/a.B/C');
    const [hit, miss] = [metadataOf({ x: '1' }), metadataOf({ x: '2' })];
    let met = 0;
    for (let n = 0; n < 100_000; n++) {
      if (plan?.meet(hit) !== undefined) met++;
      if (n % 7 === 0) expect(plan?.meet(miss)).toBeUndefined();
    }
    expect(met).toBe(12_500);
  });

  test('rules count for themselves, whatever the method; delays add up, the first abort holds', () => {
    const all = faults({ delayMs: 10, percent: 50 }, { delayMs: 5, abort: 'INTERNAL' }, { abort: 'ABORTED' });
    const [first, second] = [all.planOf('/a.B/C')?.meet(none), all.planOf('/a.B/D')?.meet(none)];
    expect(first).toMatchObject({ delayMs: 5, abort: Code.INTERNAL });
    expect(second).toMatchObject({ delayMs: 15, abort: Code.INTERNAL });
    expect(all.counts).toMatchObject({ delayed: 2, active: 2 });
    first?.end();
    first?.end();
    expect(all.counts.active).toBe(1);
    second?.end();
    expect(all.counts.active).toBe(0);
  });

  test('beyond maxActive a call passes, and is counted; an abort needs no room', () => {
    const all = faults({ delayMs: 10, maxActive: 2 });
    const held = [1, 2, 3].map(() => all.planOf('/a.B/C')?.meet(none));
    expect(held.map((fault) => fault?.delayMs)).toEqual([10, 10, undefined]);
    expect(all.counts).toEqual({ delayed: 2, aborted: 0, skipped: 1, active: 2 });
    for (const fault of held) fault?.end();
    expect(all.planOf('/a.B/C')?.meet(none)).toBeDefined();
    const aborts = faults({ abort: 'INTERNAL', maxActive: 1 });
    expect([1, 2, 3].every(() => aborts.planOf('/a.B/C')?.meet(none)?.abort === Code.INTERNAL)).toBe(true);
  });

  test('ten thousand methods are kept, not more; what they have counted stays with the rule', () => {
    const all = faults({ abort: 'INTERNAL', percent: 50 });
    for (let i = 0; i <= 10_000; i++) all.planOf(`/a.B/${i}`);
    expect(all.planOf('/a.B/0')?.meet(none)).toBeUndefined();
    expect(all.planOf('/a.B/1')?.meet(none)).toBeDefined();
  });
});
