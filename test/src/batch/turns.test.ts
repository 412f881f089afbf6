import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Turns } from '../../../src/batch/turns.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let turns: Turns;
let begun: string[];

beforeEach(() => {
  clock = new FakeClock();
  turns = new Turns(clock);
  begun = [];
});
afterEach(() => {
  for (let i = 0; i < 10; i++) clock.endTurn();
  expect(clock.pending).toBe(0);
});

/** A batch arrives. */
function arrives(name: string, items: number): void {
  if (turns.defers(items)) turns.later(items, () => begun.push(name));
  else {
    turns.began(items);
    begun.push(name);
  }
}

describe('turns of batches', () => {
  test('the first batch of a turn is begun at once, however large', () => {
    arrives('a', 1024);
    expect(begun).toEqual(['a']);
  });

  test('of large batches that come together one is begun a turn, in the order in which they came', () => {
    arrives('a', 64);
    arrives('b', 128);
    arrives('c', 128);
    expect(begun).toEqual(['a']);
    clock.endTurn();
    expect(begun).toEqual(['a', 'b']);
    arrives('d', 64);
    clock.endTurn();
    expect(begun).toEqual(['a', 'b', 'c']);
    clock.endTurn();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    clock.endTurn();
    arrives('e', 64);
    expect(begun.at(-1)).toBe('e');
  });

  test('middling ones fill a turn together', () => {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) arrives(name, 32);
    expect(begun).toEqual(['a', 'b']);
    clock.endTurn();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    clock.endTurn();
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test('a few items never wait, and nobody waits for them', () => {
    for (let i = 0; i < 100; i++) arrives('few', 15);
    expect(clock.pending).toBe(0); // a lone caller pays for no callback
    arrives('a', 128);
    arrives('b', 128);
    arrives('last', 1);
    expect(begun).toHaveLength(102);
    expect(begun.slice(-2)).toEqual(['a', 'last']);
  });

  test('what is told to wait does so in a turn with room, too', () => {
    turns.later(1, () => begun.push('a'));
    expect(begun).toEqual([]);
    clock.endTurn();
    expect(begun).toEqual(['a']);
  });

  test('one that throws holds up none of the others', () => {
    arrives('a', 64);
    turns.later(64, () => {
      throw new Error('broken');
    });
    arrives('b', 64);
    expect(() => clock.endTurn()).toThrow('broken');
    clock.endTurn();
    expect(begun).toEqual(['a', 'b']);
  });
});
