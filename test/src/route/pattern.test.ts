import { describe, expect, test } from 'vitest';
import { Pattern } from '../../../src/route/pattern.ts';

const fits = (expression: string, value: string): boolean => new Pattern(expression).matches(value);

describe('regular expressions of routes', () => {
  test.for([
    ['a*b', 'aaab', true],
    ['a{2,3}', 'aa', true],
    ['a{2,3}', 'aaaa', false],
    ['a{2,}', 'aaaaa', true],
    ['(a|b)+c?', 'ababc', true],
    ['[^a-c]+', 'xyz', true],
    ['[^a-c]+', 'xaz', false],
    ['[\\w-]+', 'a-b_1', true],
    ['[]a]+', 'a]', true],
    ['\\d+\\.\\d', '12.3', true],
    ['\\d+\\.\\d', '12x3', false],
    ['^ab$', 'ab', true],
    ['(?:ab|cd){2}', 'abcd', true],
    ['a|', '', true],
    ['', '', true],
    ['', 'a', false],
    ['.', '\n', false],
    ['[\\s\\S]', '\n', true],
    ['.', '\u{1f600}', true],
    ['user-[0-9a-f]{8}', 'user-0badcafe', true],
    ['user-[0-9a-f]{8}', 'user-0badcafe1', false],
  ] as const)('%s on %s: %s', ([expression, value, expected]) => {
    expect(fits(expression, value)).toBe(expected);
  });

  test.for([
    ['(a', '"(" without ")"'],
    ['a)', '")" without "("'],
    ['[a', '"[" without "]"'],
    ['*a', 'nothing before "*"'],
    ['a**', 'two repetitions in a row'],
    ['a{2', '"{" that is no repetition'],
    ['a{3,2}', 'goes backwards'],
    ['a{101}', 'more than 100 repetitions'],
    ['(?=a)', 'groups that begin with "(?"'],
    ['(?i)a', 'groups that begin with "(?"'],
    ['a\\b', '"\\b" is not taken'],
    ['(a)\\1', '"\\1" is not taken'],
    ['a^b', '"^" in the middle'],
    ['[z-a]', 'goes backwards'],
    ['a\\', '"\\" at the end'],
    ['((((a{50}){50}){50}){50})', 'too long'],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, 'nested too deep'],
  ] as const)('%s is refused: %s', ([expression, why]) => {
    expect(() => new Pattern(expression)).toThrow(why);
  });

  test('law: no value makes it slow: steps grow with the length, where JavaScript would never end', () => {
    for (const expression of ['(a*)*b', '(a|aa)+', '(.*)*x', '(a?){50}a{50}']) {
      const pattern = new Pattern(expression);
      const timeOf = (length: number): number => {
        const text = `${'a'.repeat(length)}!`;
        const startedMs = performance.now();
        for (let i = 0; i < 5; i++) pattern.matches(text);
        return performance.now() - startedMs;
      };
      timeOf(1000);
      expect(timeOf(4000)).toBeLessThan(16 * Math.max(timeOf(1000), 1) + 200);
    }
  });

  test('a value longer than 4096 characters fits nothing', () => {
    expect(fits('a*', 'a'.repeat(4096))).toBe(true);
    expect(fits('a*', 'a'.repeat(4097))).toBe(false);
  });
});
