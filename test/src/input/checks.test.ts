import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { checkedNumber, checkedObject } from '../../../src/input/checks.ts';

describe('checkedNumber', () => {
  test('gives the number, or the fallback for undefined only', () => {
    expect(checkedNumber(5, 1, { min: 0 }, 'x')).toBe(5);
    expect(checkedNumber(undefined, 1, { min: 0 }, 'x')).toBe(1);
    expect(() => checkedNumber(null, 1, { min: 0 }, 'x')).toThrow('x: expected a number >= 0, got null');
  });

  test('lets Infinity in only where the rule does', () => {
    expect(checkedNumber(Number.POSITIVE_INFINITY, 1, { min: 0, max: Number.POSITIVE_INFINITY, integer: true }, 'x')).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(() => checkedNumber(Number.POSITIVE_INFINITY, 1, { min: 0 }, 'x')).toThrow(ConfigError);
  });

  test('suggests nothing that it would refuse', () => {
    expect(() => checkedNumber('0s', 1, { min: 0, above: true, ms: true }, 'x')).toThrow(/got "0s"$/);
    expect(() => checkedNumber('5s', 1, { min: 0 }, 'x')).toThrow(/got "5s"$/);
    expect(() => checkedNumber('soon', 1, { min: 0, ms: true }, 'x')).toThrow(/got "soon"$/);
  });
});

describe('checkedObject', () => {
  test('names the nearest valid option, or all of them', () => {
    expect(() => checkedObject({ slotz: 1 }, ['slots', 'queue'], 'b')).toThrow('b.slotz: unknown option; did you mean slots?');
    expect(() => checkedObject({ zzz: 1 }, ['slots', 'queue'], 'b')).toThrow('b.zzz: unknown option; known are slots, queue');
    expect(() => checkedObject(null, ['slots'], 'b')).toThrow('b: expected an object, got null');
  });
});
