import { describe, expect, test } from 'vitest';
import { AddressHold } from '../../../src/endpoints/address-hold.ts';

const always = (): boolean => true;

describe('addresses that come and go', () => {
  test('X10: one that goes is held for holdMs, then let go', () => {
    const hold = new AddressHold(10_000);
    hold.update(['a', 'b'], 0, always);
    expect(hold.update(['b', 'c'], 1_000, always)).toBe(true);
    expect([[...hold.listed], [...hold.held]]).toEqual([['b', 'c'], ['a']]);
    expect(hold.expire(10_999)).toBe(1);
    expect(hold.holding).toBe(true);
    expect(hold.expire(11_000)).toBeUndefined();
    expect(hold.holding).toBe(false);
  });

  test('X10: one that flaps is held from its last absence on', () => {
    const hold = new AddressHold(1_000);
    hold.update(['a', 'b'], 0, always);
    hold.update(['b'], 100, always);
    hold.update(['a', 'b'], 200, always);
    expect(hold.holding).toBe(false);
    hold.update(['b'], 300, always);
    expect(hold.expire(1_200)).toBe(100);
    expect([...hold.held]).toEqual(['a']);
  });

  test('one that is not connected is not held', () => {
    const hold = new AddressHold(1_000);
    hold.update(['a', 'b'], 0, always);
    hold.update(['c'], 0, (address) => address === 'b');
    expect([...hold.held]).toEqual(['b']);
    hold.drop('b');
    hold.drop('c');
    expect([[...hold.listed], [...hold.held]]).toEqual([['c'], []]);
  });

  test('X10: an empty answer counts only where there never was another', () => {
    const hold = new AddressHold(1_000);
    expect(hold.update([], 0, always)).toBe(true);
    expect(hold.update(['a'], 0, always)).toBe(true);
    expect(hold.update([], 0, always)).toBe(false);
    expect([...hold.listed]).toEqual(['a']);
  });

  test('nothing is held with holdMs 0', () => {
    const hold = new AddressHold(0);
    hold.update(['a'], 0, always);
    hold.update(['b'], 0, always);
    expect(hold.holding).toBe(false);
  });

  test('a hundred are held at most, the last that went', () => {
    const hold = new AddressHold(60_000);
    for (let i = 0; i <= 300; i++) hold.update([`${i}`], i, always);
    const held = [...hold.held];
    expect([held.length, held[0], held.at(-1)]).toEqual([100, '200', '299']);
  });
});
