import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TunnelItem, TunnelQueue } from '../../../src/batch/tunnel-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const EMPTY: Buffer = Buffer.alloc(0);

function itemOf(size = 1): TunnelItem {
  return { size, id: 0, slot: -1, path: '/a.B/C', request: EMPTY, timeoutUs: 0, metadata: undefined };
}

let clock: FakeClock;
let frames: { items: TunnelItem[]; cancels: readonly number[] }[];
let queue: TunnelQueue<TunnelItem>;

beforeEach(() => {
  clock = new FakeClock();
  frames = [];
  queue = new TunnelQueue({ maxItems: 4, maxBytes: 100 }, clock, (items, cancels) => frames.push({ items, cancels }));
});
afterEach(() => {
  clock.endTurn();
  expect(clock.pending).toBe(0);
});

/** Adds items, ends the turn, and gives back what is out then. */
function sent(count: number): TunnelItem[] {
  const items = Array.from({ length: count }, () => itemOf());
  for (const item of items) expect(queue.add(item)).toBe(true);
  clock.endTurn();
  return items;
}

describe('tunnel queue, client', () => {
  test('takes nothing before the server has said how much it takes', () => {
    expect(queue.add(itemOf())).toBe(false);
    queue.open(1);
    expect(queue.add(itemOf())).toBe(true);
  });

  test('sends what came in a turn as one message, in its order', () => {
    queue.open(10);
    const items = [itemOf(), itemOf(), itemOf()];
    for (const item of items) queue.add(item);
    expect(frames).toEqual([]);
    clock.endTurn();
    expect(frames).toEqual([{ items, cancels: [] }]);
    expect(items.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  test('sends a full message at once, by items and by bytes', () => {
    queue.open(100);
    for (let i = 0; i < 4; i++) queue.add(itemOf());
    expect(frames.map(({ items }) => items.length)).toEqual([4]);
    queue.add(itemOf(60));
    queue.add(itemOf(60));
    expect(frames.map(({ items }) => items.length)).toEqual([4, 1]);
    queue.add(itemOf(500)); // larger than a message: alone in its own
    clock.endTurn();
    expect(frames.map(({ items }) => items.map(({ size }) => size))).toEqual([[1, 1, 1, 1], [60], [60], [500]]);
  });

  test('a lone caller does not wait for the end of the turn, after eight messages of one', () => {
    queue.open(10);
    for (let i = 0; i < 8; i++) for (const { id } of sent(1)) queue.settle(id);
    const item = itemOf();
    queue.add(item);
    expect(frames).toHaveLength(9);
    // A second one beside it has company, and the habit is over.
    queue.add(itemOf());
    expect(frames).toHaveLength(9);
    queue.add(itemOf());
    clock.endTurn();
    expect(frames.at(-1)?.items).toHaveLength(2);
    for (let id = 9; id <= 11; id++) queue.settle(id);
    queue.add(itemOf());
    expect(frames).toHaveLength(10);
  });

  test('never has more unanswered items than the window, and every answer gives room back', () => {
    queue.open(3);
    const items = sent(3);
    expect(queue.add(itemOf())).toBe(false);
    expect(queue.settle(2)).toBe(items[1]);
    expect(queue.add(itemOf())).toBe(true);
    expect(queue.add(itemOf())).toBe(false);
    expect(queue.load).toBe(3);
  });

  test('what is taken out before it went is not sent, and its room is free at once', () => {
    queue.open(2);
    const [first, second] = [itemOf(), itemOf()];
    queue.add(first);
    queue.add(second);
    expect(queue.remove(first)).toBe(true);
    expect(queue.remove(first)).toBe(false);
    expect(queue.add(itemOf())).toBe(true);
    clock.endTurn();
    expect(frames[0]?.items[0]).toBe(second);
    expect(queue.remove(second)).toBe(false);
  });

  test('a turn in which everything was taken out sends nothing, and leaves nothing behind', () => {
    queue.open(2);
    for (let turn = 0; turn < 1_000; turn++) {
      const item = itemOf();
      queue.add(item);
      expect(item.slot).toBe(0); // places are let go, whatever comes and goes
      queue.remove(item);
      clock.endTurn();
    }
    expect(frames).toEqual([]);
    expect(queue.load).toBe(0);
  });

  test('within one turn too, what comes and goes takes no places', () => {
    queue.open(2);
    for (let i = 0; i < 1_000; i++) {
      const item = itemOf();
      queue.add(item);
      expect(item.slot).toBe(0);
      queue.remove(item);
    }
    clock.endTurn();
    expect(frames).toEqual([]);
  });

  test('a cancelled item is told to the server once, and keeps its room until it is answered (K21)', () => {
    queue.open(2);
    const [first, second] = sent(2);
    expect(queue.cancel(1)).toBe(true);
    expect(queue.cancel(1)).toBe(false);
    expect(queue.add(itemOf())).toBe(false);
    clock.endTurn();
    expect(frames.at(-1)).toEqual({ items: [], cancels: [1] });
    expect(queue.settle(1)).toBeUndefined(); // nobody wants to know any more
    expect(queue.add(itemOf())).toBe(true);
    expect(queue.settle(2)).toBe(second);
    expect(first?.id).toBe(1);
  });

  test('cancellations travel with the items of the turn', () => {
    queue.open(3);
    sent(1);
    queue.cancel(1);
    const item = itemOf();
    queue.add(item);
    clock.endTurn();
    expect(frames.slice(1)).toEqual([{ items: [item], cancels: [1] }]);
  });

  test('an answer to an item that nobody sent is passed over, and so is a second one', () => {
    queue.open(3);
    const [item] = sent(1);
    for (const id of [0, 2, -1, 2 ** 40]) expect(queue.settle(id)).toBeUndefined();
    expect(queue.settle(1)).toBe(item);
    expect(queue.settle(1)).toBeUndefined();
    expect(queue.cancel(1)).toBe(false);
    expect(queue.load).toBe(0);
  });

  test('recall gives back what has not gone, once', () => {
    queue.open(5);
    sent(1);
    const item = itemOf();
    queue.add(item);
    expect(queue.recall()).toEqual([item]);
    expect(queue.recall()).toEqual([]);
    expect(queue.remove(item)).toBe(false);
    clock.endTurn();
    expect(frames).toHaveLength(1);
    expect(queue.load).toBe(1);
  });

  test('close gives back what never went and what was not answered, without what was cancelled', () => {
    queue.open(5);
    const [, second] = sent(2);
    queue.cancel(1);
    const waiting = itemOf();
    queue.add(waiting);
    expect(queue.close()).toEqual({ unsent: [waiting], unanswered: [second] });
    expect(queue.close()).toEqual({ unsent: [], unanswered: [] });
    expect(queue.add(itemOf())).toBe(false);
    expect(queue.settle(2)).toBeUndefined();
    clock.endTurn();
    expect(frames).toHaveLength(1);
  });

  test('what goes out is the receiver’s: later items do not get into it', () => {
    queue.open(10);
    sent(2);
    sent(1);
    expect(frames.map(({ items }) => items.length)).toEqual([2, 1]);
  });
});
