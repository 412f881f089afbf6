import { describe, expect, test } from 'vitest';
import { resolveCoalesceOptions } from '../../../src/batch/options.ts';
import { ConfigError } from '../../../src/errors.ts';

describe('coalesce options', () => {
  test('have defaults', () => {
    expect(resolveCoalesceOptions()).toEqual({
      maxItems: 128,
      maxBytes: 524_288,
      maxCarriers: 8,
      maxHoldMs: 5,
      itemMetadata: [],
      flush: 'natural',
      lingerMs: 1,
    });
  });

  test.for([
    ['maxItems', 1, 1024],
    ['maxBytes', 1024, 4_000_000],
    ['maxCarriers', 1, 8],
    ['maxHoldMs', 0, 1000],
  ] as const)('%s may be %d to %d', ([name, least, most]) => {
    for (const good of [least, most]) expect(resolveCoalesceOptions({ [name]: good })[name]).toBe(good);
    for (const bad of [least - 1, most + 1, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
      expect(() => resolveCoalesceOptions({ [name]: bad as number })).toThrow(ConfigError);
    }
  });

  test('lingerMs may be 1 to 1000, with a rule that lingers', () => {
    for (const flush of ['window', 'tikv', 'cassandra', 'forecast'] as const) {
      for (const lingerMs of [1, 2.5, 1000]) expect(resolveCoalesceOptions({ flush, lingerMs })).toMatchObject({ flush, lingerMs });
      for (const lingerMs of [0.9, 1001, Number.NaN]) {
        expect(() => resolveCoalesceOptions({ flush, lingerMs })).toThrow(/^coalesce\.lingerMs: .*>= 1 and <= 1000/);
      }
    }
    for (const flush of ['natural', 'tick', undefined] as const) {
      const options = flush === undefined ? { lingerMs: 2 } : { flush, lingerMs: 2 };
      expect(() => resolveCoalesceOptions(options)).toThrow(
        /^coalesce\.lingerMs: .*set flush to one of window, tikv, cassandra, forecast$/,
      );
    }
  });

  test('an unknown flush rule is refused with the nearest one', () => {
    const wrong = { flush: 'naturel' as 'natural' };
    expect(() => resolveCoalesceOptions(wrong)).toThrow(ConfigError);
    expect(() => resolveCoalesceOptions(wrong)).toThrow(
      /^coalesce\.flush: expected one of natural, .*, got "naturel"; did you mean natural\?$/,
    );
  });

  test('names path, rule and value', () => {
    expect(() => resolveCoalesceOptions({ maxItems: 2.5 })).toThrow(/^coalesce\.maxItems: .*1.*1024.*2\.5/);
  });
});
