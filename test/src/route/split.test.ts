import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/random.ts';
import { xxh32 } from '../../../src/route/hash.ts';
import { type Share, Split } from '../../../src/route/split.ts';

describe('XXH32', () => {
  test.for([
    ['', 0, 0x02cc5d05],
    ['a', 0, 0x550d7456],
    ['abc', 0, 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
    ['', 0x9e3779b1, 0x36b78ae7],
  ] as const)('of %s with seed %d is the published value', ([text, seed, expected]) => {
    expect(xxh32(Buffer.from(text), seed)).toBe(expected);
  });
});

const KEYS = Array.from({ length: 100_000 }, (_, index) => `user-${index}`);
const split = (...shares: Share[]): Split => new Split(shares, seededRandom(7));
const own = (weight: number): Share => ({ cluster: '', weight });
const canary = (weight: number): Share => ({ cluster: 'canary', weight });

describe('split', () => {
  test('which key goes where is the same in every version', () => {
    const by = split(own(50), canary(50));
    expect(
      KEYS.slice(0, 12)
        .map((key) => (by.pick(key) === '' ? 's' : 'c'))
        .join(''),
    ).toBe('sssssscsscss');
  });

  test('law: any few thousand keys have the share, whatever they look like', () => {
    const by = split(own(90), canary(10));
    for (const prefix of ['', 'u', 'user', 'user-', 'user_', 'customer-', 'tenant-', 'acct-', 'id-', 'member-']) {
      const share = KEYS.slice(0, 4000).filter((_, index) => by.pick(`${prefix}${index}`) === 'canary').length;
      expect(Math.abs(share - 400)).toBeLessThan(80); // four standard deviations
    }
  });

  test('TM2: a canary of 10 % has 10 % of 100,000 keys, give or take 0.5; each call with a key goes where the first went', () => {
    const by = split(own(90), canary(10));
    const first = KEYS.map((key) => by.pick(key));
    expect(first.filter((cluster) => cluster === 'canary').length).toBeGreaterThan(9_500);
    expect(first.filter((cluster) => cluster === 'canary').length).toBeLessThan(10_500);
    const again = split(own(90), canary(10));
    expect(KEYS.every((key, index) => again.pick(key) === first[index])).toBe(true);
  });

  test('TM2: without a key, a canary of 10 % has 10 % of 100,000 calls, give or take 0.5', () => {
    const by = split(own(90), canary(10));
    const onCanary = KEYS.filter(() => by.pick() === 'canary').length;
    expect(onCanary).toBeGreaterThan(9_500);
    expect(onCanary).toBeLessThan(10_500);
  });

  test('TM2: keys that differ in a digit are spread as any: small sets too', () => {
    const by = split(own(50), canary(50));
    for (let from = 0; from < 10_000; from += 1000) {
      const share = KEYS.slice(from, from + 1000).filter((key) => by.pick(key) === 'canary').length;
      expect(share).toBeGreaterThan(430);
      expect(share).toBeLessThan(570);
    }
  });

  test('a weight of 0 gets nothing', () => {
    const by = split(own(0), canary(1));
    expect(KEYS.slice(0, 1000).every((key) => by.pick(key) === 'canary' && by.pick() === 'canary')).toBe(true);
  });
});
