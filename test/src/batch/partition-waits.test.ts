import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FlushPolicy } from '../../../src/batch/flush/flush-policy.ts';
import { type CoalesceOptions, resolveCoalesceOptions } from '../../../src/batch/options.ts';
import { type FlushReason, Partition, type QueueItem } from '../../../src/batch/partition.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Item extends QueueItem {
  readonly name: string;
  readonly deadlineMs?: number;
  slot: number;
}
interface Sent {
  readonly names: string;
  readonly reason: FlushReason;
}

let clock: FakeClock;
let sent: Sent[];
beforeEach(() => {
  clock = new FakeClock();
  sent = [];
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

const item = (name: string, size = 1): Item => ({ name, size, slot: -1 });

const names = (items: readonly Item[]): string => items.map(({ name }) => name).join('');

function partition(options: CoalesceOptions = {}): Partition<Item> {
  const made = new Partition<Item>(resolveCoalesceOptions(options), clock, (items, reason) => {
    sent.push({ names: items.map(({ name }) => name).join(''), reason });
    made.carrierSent();
  });
  return made;
}
function addAll(to: Partition<Item>, names: string): Item[] {
  return [...names].map((name) => {
    const one = item(name);
    expect(to.add(one)).toBe(true);
    return one;
  });
}

describe('how long a partition waits', () => {
  describe('with a deadline', () => {
    const hurried = (name: string, timeoutMs: number): Item => ({ ...item(name), deadlineMs: clock.nowMs() + timeoutMs });

    test('an item lingers for a tenth of its time at most, and takes the others along', () => {
      const slow = partition({ flush: 'window', lingerMs: 8 });
      addAll(slow, 'a');
      clock.endTurn();
      slow.add(hurried('b', 30));
      clock.endTurn();
      clock.advance(2.5);
      expect(sent).toEqual([]);
      clock.advance(0.5);
      expect(sent).toEqual([{ names: 'ab', reason: 'hold' }]);
    });

    test('a shut gate holds it for no longer either', () => {
      const gated = partition({ maxCarriers: 1, maxHoldMs: 50 });
      addAll(gated, 'a');
      clock.endTurn();
      addAll(gated, 'b');
      gated.add(hurried('c', 40));
      clock.advance(3.5);
      expect(sent).toHaveLength(1);
      clock.advance(0.5);
      expect(sent.at(-1)).toEqual({ names: 'bc', reason: 'hold' });
    });

    test('one that has no time left goes at the end of its turn', () => {
      const slow = partition({ flush: 'window', lingerMs: 8 });
      slow.add(hurried('a', 0));
      clock.endTurn();
      expect(sent).toEqual([{ names: 'a', reason: 'tick' }]);
    });

    test('one that has gone hurries those behind it no more', () => {
      const gated = partition({ maxItems: 2, maxCarriers: 1, maxHoldMs: 20 });
      addAll(gated, 'a');
      clock.endTurn();
      gated.add(hurried('b', 20));
      addAll(gated, 'cd');
      clock.advance(2);
      expect(sent.at(-1)).toEqual({ names: 'bc', reason: 'hold' });
      clock.advance(19);
      expect(sent).toHaveLength(2);
      clock.advance(1);
      expect(sent.at(-1)).toEqual({ names: 'd', reason: 'hold' });
    });
  });

  test('lingers no more where hardly anybody joins, and still joins what one turn makes', () => {
    const slow = new Partition<Item>(resolveCoalesceOptions({ flush: 'window', lingerMs: 4 }), clock, (items, reason) => {
      sent.push({ names: names(items), reason });
    });
    for (let flushes = 0; flushes < 64; flushes++) {
      addAll(slow, flushes % 7 === 0 ? 'ab' : 'a'); // 1.16 in the mean
      clock.endTurn();
      expect(clock.pending).toBe(1);
      clock.advance(4);
    }
    expect(new Set(sent.map(({ reason }) => reason))).toEqual(new Set(['hold']));
    addAll(slow, 'cd');
    clock.endTurn();
    expect(sent.at(-1)).toEqual({ names: 'cd', reason: 'tick' });
  });

  test('takes a policy of another make, and asks it at the end of each turn', () => {
    const asked: number[] = [];
    const policy: FlushPolicy = {
      limit: 1,
      waitUntil: ({ waiting }, nowMs) => {
        asked.push(waiting);
        return waiting < 3 ? nowMs + 100 : nowMs;
      },
    };
    const learned = new Partition<Item>(
      resolveCoalesceOptions(),
      clock,
      (items, reason) => sent.push({ names: names(items), reason }),
      policy,
    );
    for (const name of ['a', 'b', 'c']) {
      addAll(learned, name);
      clock.endTurn();
    }
    expect(asked).toEqual([1, 2, 3]);
    expect(sent).toEqual([{ names: 'abc', reason: 'tick' }]);
  });
});
