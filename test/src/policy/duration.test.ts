import { describe, expect, test } from 'vitest';
import { durationMs, likelyDuration, parseSeconds, secondsText } from '../../../src/policy/duration.ts';

describe('duration: protobuf JSON form', () => {
  test.each([
    ['0s', 0],
    ['0.5s', 500],
    ['1.005s', 1005],
    ['0.0035s', 3.5],
    ['0.000000001s', 0.000001],
    ['315576000000s', 315_576_000_000_000],
  ])('%s is %d ms', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test.each([
    '',
    's',
    '1',
    '1 s',
    '1S',
    '01s',
    '+1s',
    '-0s',
    '.5s',
    '1.s',
    '1e3s',
    '0x1s',
    '1.0000000000s',
    '315576000001s',
    '1s\n',
    'Infinitys',
  ])('%j is none', (text) => {
    expect(parseSeconds(text)).toBeUndefined();
  });

  test.each([
    ['1h30m', '5400s'],
    ['250us', '0.00025s'],
    ['100ns', '0.0000001s'],
    ['1 day', '86400s'],
    ['1.5 mins', '90s'],
    [0, '0s'],
    [9.5, '9.5s'],
    [10, '0.01s'],
    ['constructor', undefined],
    ['5constructor', undefined],
    ['5s!', undefined],
    ['', undefined],
    [true, undefined],
    [1e300, undefined],
    ['9e99s', undefined],
  ])('%j was probably meant as %s', (value, text) => {
    expect(likelyDuration(value)).toBe(text);
  });

  test('text and number agree', () => {
    for (const seconds of [0, 1e-9, 0.1, 1.25, 100, 1e6 + 0.001]) expect(parseSeconds(secondsText(seconds))).toBe(seconds);
  });
});
