import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baggageFits, limitBaggage, MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS } from '../../../src/observe/baggage.ts';

const member = (i: number, bytes: number): string => `${`k${i}=`.padEnd(bytes, 'v')}`;
const members = (n: number, bytes: number): string => Array.from({ length: n }, (_, i) => member(i, bytes)).join(',');

describe('baggage', () => {
  test.each([
    ['nothing', '', true],
    ['one member of all bytes', member(0, 8192), true],
    ['one byte more', member(0, 8193), false],
    ['64 members, which everybody must carry', members(64, 8192 / 64 - 1), true],
    ['180 members', members(180, 10), true],
    ['181 members', members(181, 10), false],
    ['180 members and empty ones', `${members(180, 10)}, ,,`, true],
  ])('%s', (_what, text, fits) => {
    expect(baggageFits(text)).toBe(fits);
  });

  test('what is too much is dropped by whole members, in their order', () => {
    expect(limitBaggage(`a=1,${member(1, 8190)},b=2;prop, c=3`)).toEqual({ text: 'a=1,b=2;prop,c=3', dropped: 1 });
    expect(limitBaggage(members(200, 10))).toEqual({ text: members(180, 10), dropped: 20 });
    expect(limitBaggage(member(0, 9000))).toEqual({ text: '', dropped: 1 });
  });

  test('law: the rest fits, is a part of what there was, and nothing that fits is dropped', () => {
    const anyMember = fc.tuple(fc.nat(400), fc.nat(300)).map(([i, bytes]) => member(i, bytes + 6));
    fc.assert(
      fc.property(fc.array(anyMember, { maxLength: 300 }), (list) => {
        const whole = list.join(',');
        const { text, dropped } = limitBaggage(whole);
        const kept = text === '' ? [] : text.split(',');
        expect(text.length).toBeLessThanOrEqual(MAX_BAGGAGE_BYTES);
        expect(kept.length).toBeLessThanOrEqual(MAX_BAGGAGE_MEMBERS);
        expect(kept.length + dropped).toBe(list.length);
        expect(baggageFits(text)).toBe(true);
        let at = 0;
        for (const one of kept) at = list.indexOf(one, at) + 1 || Number.NaN;
        expect(at).not.toBeNaN();
        expect(dropped === 0).toBe(baggageFits(whole));
      }),
      { numRuns: 200 },
    );
  });
});
