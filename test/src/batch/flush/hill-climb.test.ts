import { describe, expect, test } from 'vitest';
import { HillClimb } from '../../../../src/batch/flush/hill-climb.ts';
import { seededRandom } from '../../../../src/random.ts';

/** Lets it observe `blocks` costs; gives the share of blocks it spent at each number. */
function climb(hill: HillClimb, blocks: number, cost: (value: number, block: number) => number, tells = true): Map<number, number> {
  const spent = new Map<number, number>();
  for (let block = 0; block < blocks; block++) {
    spent.set(hill.value, (spent.get(hill.value) ?? 0) + 1 / blocks);
    hill.observe(cost(hill.value, block), tells);
  }
  return spent;
}

describe('hill climb', () => {
  test.for([1, 2, 4, 6, 8])('finds the cheapest number, %d, and stays near it', (best) => {
    const hill = new HillClimb(4, 1, 8);
    const cost = (value: number): number => 10 + Math.abs(value - best);
    climb(hill, 200, cost);
    const spent = climb(hill, 1000, cost);
    expect(spent.get(best) ?? 0).toBeGreaterThan(0.85);
  });

  test('finds it under noise five times the difference between neighbours', () => {
    let hits = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const hill = new HillClimb(4, 1, 8);
      climb(hill, 2000, (value) => 10 * (1 + 0.08 * Math.abs(value - 2)) * (1 + 0.4 * (random() - 0.5)));
      if (Math.abs(hill.value - 2) <= 1) hits++;
    }
    expect(hits).toBeGreaterThanOrEqual(34);
  });

  test('noise alone moves it little', () => {
    let moved = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const hill = new HillClimb(4, 1, 8);
      climb(hill, 2000, () => 10 * (1 + 0.4 * (random() - 0.5)));
      if (Math.abs(hill.value - 4) > 1) moved++;
    }
    expect(moved).toBeLessThanOrEqual(8);
  });

  test('a cost that rises and falls with the load alone moves it nowhere for long', () => {
    const hill = new HillClimb(4, 1, 8);
    const spent = climb(hill, 2000, (_, block) => 10 + 9 * Math.sin(block / 40));
    expect([3, 4, 5].reduce((sum, value) => sum + (spent.get(value) ?? 0), 0)).toBeGreaterThan(0.9);
  });

  test('does not move where the number makes no difference, whatever things cost', () => {
    const hill = new HillClimb(4, 1, 8);
    climb(hill, 500, (value) => value, false);
    expect(hill.value).toBeGreaterThanOrEqual(3);
  });

  test('keeps within its bounds, and needs no choice', () => {
    const narrow = new HillClimb(4, 1, 2);
    expect([...climb(narrow, 300, (value) => 9 - value).keys()].sort()).toEqual([1, 2]);
    const none = new HillClimb(4, 1, 1);
    expect([...climb(none, 100, () => 1).keys()]).toEqual([1]);
  });
});
