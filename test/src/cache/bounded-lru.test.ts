import { describe, expect, test } from 'vitest';
import { BoundedLru } from '../../../src/cache/bounded-lru.ts';

describe('BoundedLru', () => {
  test('forgets what was not asked for longest', () => {
    const lru = new BoundedLru<number>(2, 100);
    lru.set('a', 1, 1);
    lru.set('b', 2, 1);
    expect(lru.get('a')).toBe(1);
    lru.set('c', 3, 1);
    expect([lru.get('a'), lru.get('b'), lru.get('c')]).toEqual([1, undefined, 3]);
    expect(lru.evicted).toBe(1);
  });

  test('makes room for bytes, as many entries as it takes', () => {
    const lru = new BoundedLru<number>(100, 10);
    for (const key of ['a', 'b', 'c']) lru.set(key, 1, 3);
    expect(lru.set('d', 1, 6)).toBe(true);
    expect({ size: lru.size, bytes: lru.bytes, evicted: lru.evicted }).toEqual({ size: 2, bytes: 9, evicted: 2 });
    expect(lru.get('c')).toBe(1);
  });

  test('takes nothing that is larger than all of it, and then has nothing for that key', () => {
    const lru = new BoundedLru<number>(100, 10);
    lru.set('a', 1, 5);
    lru.set('b', 1, 5);
    expect(lru.set('a', 2, 11)).toBe(false);
    expect([lru.get('a'), lru.get('b'), lru.bytes]).toEqual([undefined, 1, 5]);
  });

  test('a new value takes the old one’s place', () => {
    const lru = new BoundedLru<number>(2, 10);
    lru.set('a', 1, 4);
    lru.set('a', 2, 7);
    expect([lru.get('a'), lru.size, lru.bytes, lru.evicted]).toEqual([2, 1, 7, 0]);
    lru.delete('a');
    lru.delete('a');
    expect([lru.size, lru.bytes]).toEqual([0, 0]);
  });
});
