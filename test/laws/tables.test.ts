/**
 * Laws of what keeps the calls that are under way: they do what a `Set` and a `Map` would.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bag } from '../../src/bag.ts';
import { IdTable } from '../../src/batch/id-table.ts';

describe('Bag', () => {
  test('holds what a Set would, and says as a Set does whether something was in it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(12)), { maxLength: 200 }), (steps) => {
        const things = Array.from({ length: 13 }, () => ({ place: -1 }));
        const bag = new Bag<{ place: number }>();
        const set = new Set<{ place: number }>();
        for (const [adds, which] of steps) {
          const thing = things[which] as { place: number };
          if (!adds) expect(bag.delete(thing)).toBe(set.delete(thing));
          else if (!set.has(thing)) {
            set.add(thing);
            bag.add(thing);
          }
          expect(bag.size).toBe(set.size);
          expect(new Set(bag.items())).toEqual(set);
        }
      }),
    );
  });
});

describe('IdTable', () => {
  // Ids near each other, far apart, and such that share a home in a small table.
  const neighbours = Array.from({ length: 400 }, (_, i) => i).filter((i) => Math.imul(i, 0x9e3779b1) >>> 29 === 7);
  const id = fc.oneof(fc.nat(40), fc.integer({ min: 2 ** 32 - 5, max: 2 ** 32 - 1 }), {
    weight: 4,
    arbitrary: fc.constantFrom(...neighbours.slice(0, 9)),
  });

  test('does what a Map would, for any order of steps', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('set', 'set', 'take', 'take', 'clear'), id), { maxLength: 300 }), (steps) => {
        const table = new IdTable<number>();
        const map = new Map<number, number>();
        let value = 0;
        for (const [step, at] of steps) {
          if (step === 'set') {
            table.set(at, ++value);
            map.set(at, value);
          } else if (step === 'take') {
            expect(table.take(at)).toBe(map.get(at));
            map.delete(at);
          } else if (value % 7 === 0) {
            table.clear();
            map.clear();
          }
          expect(table.size).toBe(map.size);
          expect(table.get(at)).toBe(map.get(at));
        }
        for (const [at, one] of map) expect(table.get(at)).toBe(one);
        expect(table.values().toSorted((a, b) => a - b)).toEqual([...map.values()].toSorted((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });
  test('keeps its pace when a peer chooses ids that share a home', () => {
    const table = new IdTable<number>();
    // Multiples of 2^21 differ in no bit that decides the home in a table of 2,048.
    for (let i = 0; i < 1024; i++) table.set((i * 2 ** 21) >>> 0, i);
    for (let i = 0; i < 1024; i++) expect(table.take((i * 2 ** 21) >>> 0)).toBe(i);
    expect(table.size).toBe(0);
  });
});
