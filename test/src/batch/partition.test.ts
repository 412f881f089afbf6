import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CoalesceOptions, resolveCoalesceOptions } from '../../../src/batch/options.ts';
import { type FlushReason, Partition, type QueueItem } from '../../../src/batch/partition.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Item extends QueueItem {
  readonly name: string;
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

describe('partition', () => {
  test('sends what came in one turn together, at its end', () => {
    addAll(partition(), 'abc');
    expect(sent).toEqual([]);
    clock.endTurn();
    expect(sent).toEqual([{ names: 'abc', reason: 'tick' }]);
  });

  test('needs no timer while the gate is open: a lone caller waits for nothing', () => {
    addAll(partition(), 'a');
    clock.endTurn();
    expect(sent).toEqual([{ names: 'a', reason: 'tick' }]);
    expect(clock.pending).toBe(0);
  });

  test('sends a full batch at once', () => {
    addAll(partition({ maxItems: 2 }), 'abc');
    expect(sent).toEqual([{ names: 'ab', reason: 'full' }]);
    clock.endTurn();
    expect(sent.at(-1)).toEqual({ names: 'c', reason: 'tick' });
  });

  test('sends before an item that would go over maxBytes, and a huge item alone (K10)', () => {
    const small = partition({ maxBytes: 1024 });
    small.add(item('a', 600));
    small.add(item('b', 600));
    expect(sent).toEqual([{ names: 'a', reason: 'bytes' }]);
    small.add(item('c', 5000));
    clock.endTurn();
    expect(sent.map(({ names }) => names)).toEqual(['a', 'b', 'c']);
  });

  test('holds back while maxCarriers batches are unanswered, and goes on at the end of the turn of an answer', () => {
    const gated = partition({ maxCarriers: 1 });
    addAll(gated, 'a');
    clock.endTurn();
    addAll(gated, 'b');
    clock.endTurn();
    expect(sent.map(({ names }) => names)).toEqual(['a']);
    gated.carrierAnswered();
    addAll(gated, 'c');
    expect(sent).toHaveLength(1);
    clock.endTurn();
    expect(sent.at(-1)?.names).toBe('bc');
  });

  test.for([0, 5, 40])('sends one batch more when the gate was shut for maxHoldMs = %d', (maxHoldMs) => {
    const gated = partition({ maxCarriers: 1, maxHoldMs });
    addAll(gated, 'a');
    clock.endTurn();
    addAll(gated, 'bc');
    if (maxHoldMs > 0) {
      clock.advance(maxHoldMs - 0.5);
      expect(sent).toHaveLength(1);
    }
    clock.advance(0.5);
    expect(sent.at(-1)).toEqual({ names: 'bc', reason: 'hold' });
    expect(gated.carriers).toBe(2);
  });

  test('what stays behind after a hold is held again, for no longer', () => {
    const gated = partition({ maxItems: 2, maxCarriers: 1, maxHoldMs: 5 });
    addAll(gated, 'a');
    clock.endTurn();
    addAll(gated, 'bcde');
    clock.advance(5);
    clock.advance(5);
    expect(sent.map(({ names }) => names)).toEqual(['a', 'bc', 'de']);
  });

  test('a removed item is never sent, and the last one takes the timer along (K7)', () => {
    const gated = partition({ maxCarriers: 1 });
    addAll(gated, 'a');
    clock.endTurn();
    const [b, c] = addAll(gated, 'bc');
    expect(gated.remove(b as Item)).toBe(true);
    expect(gated.remove(b as Item)).toBe(false);
    expect(gated.waiting).toBe(1);
    expect(gated.remove(c as Item)).toBe(true);
    expect(clock.pending).toBe(0);
    gated.carrierAnswered();
    clock.endTurn();
    expect(sent.map(({ names }) => names)).toEqual(['a']);
  });

  test('an item that has gone out is not removed, even while a stranger has its old place', () => {
    const open = partition();
    const [a] = addAll(open, 'a');
    clock.endTurn();
    addAll(open, 'b');
    expect(open.remove(a as Item)).toBe(false);
    clock.endTurn();
    expect(sent.at(-1)?.names).toBe('b');
  });

  test('removing between others leaves their removal exact', () => {
    const gated = partition({ maxItems: 2, maxCarriers: 1, maxHoldMs: 5 });
    addAll(gated, 'a');
    clock.endTurn();
    const [, c, , e] = addAll(gated, 'bcdef');
    gated.remove(c as Item);
    clock.advance(5); // b and d go; e and f move to other places
    expect(gated.remove(e as Item)).toBe(true);
    clock.advance(5);
    expect(sent.map(({ names }) => names)).toEqual(['a', 'bd', 'f']);
  });

  test('is full at four batches, and says so (K16)', () => {
    const gated = partition({ maxItems: 2, maxCarriers: 1 });
    addAll(gated, 'a');
    clock.endTurn();
    addAll(gated, 'bcdefghi');
    expect(gated.add(item('j'))).toBe(false);
    for (let holds = 0; holds < 4; holds++) clock.advance(5);
    expect(sent.slice(1).map(({ names }) => names)).toEqual(['bc', 'de', 'fg', 'hi']);
    expect(gated.waiting).toBe(0);
  });

  test('a batch that is split counts by its parts, and one whose size nobody tells by the mean', () => {
    const split = new Partition<Item>(resolveCoalesceOptions({ maxItems: 8 }), clock, () => {
      split.carrierSent(6);
      split.carrierSent(2);
    });
    addAll(split, 'abcdefgh');
    expect([split.carriers, split.carried]).toEqual([2, 8]);
    split.carrierAnswered();
    expect([split.carriers, split.carried]).toEqual([1, 4]);
    split.carrierAnswered(6);
    expect([split.carriers, split.carried]).toEqual([0, 0]);
    clock.endTurn();
  });

  describe('where calls never have company', () => {
    /** Sends lone items as calls of their own, as the coalescer does. */
    function alone(): Partition<Item> {
      return new Partition<Item>(resolveCoalesceOptions(), clock, (items, reason) => {
        sent.push({ names: items.map(({ name }) => name).join(''), reason });
      });
    }
    function loneFlushes(of: Partition<Item>, count: number): void {
      for (let i = 0; i < count; i++) {
        addAll(of, 'x');
        clock.endTurn();
      }
      sent = [];
    }

    test('the ninth goes at once', () => {
      const lonely = alone();
      loneFlushes(lonely, 7);
      addAll(lonely, 'h');
      expect(sent).toEqual([]);
      clock.endTurn();
      addAll(lonely, 'i');
      expect(sent.at(-1)).toEqual({ names: 'i', reason: 'lead' });
    });

    test('while one is ahead, those behind it wait for each other', () => {
      const lonely = alone();
      loneFlushes(lonely, 8);
      addAll(lonely, 'abc');
      expect(sent).toEqual([{ names: 'a', reason: 'lead' }]);
      clock.endTurn();
      expect(sent.at(-1)).toEqual({ names: 'bc', reason: 'tick' });
    });

    test('one that met company makes all wait for company again', () => {
      const lonely = alone();
      loneFlushes(lonely, 8);
      addAll(lonely, 'ab');
      clock.endTurn();
      lonely.leadEnded();
      sent = [];
      addAll(lonely, 'c');
      expect(sent).toEqual([]);
      clock.endTurn();
      expect(sent).toEqual([{ names: 'c', reason: 'tick' }]);
    });

    test('one that stayed alone lets the next go at once too', () => {
      const lonely = alone();
      loneFlushes(lonely, 8);
      for (const name of ['a', 'b', 'c']) {
        addAll(lonely, name);
        lonely.leadEnded();
      }
      expect(sent.map(({ reason }) => reason)).toEqual(['lead', 'lead', 'lead']);
    });
  });
});
