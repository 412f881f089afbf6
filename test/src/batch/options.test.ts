import { describe, expect, test } from 'vitest';
import { resolveCoalesceOptions } from '../../../src/batch/options.ts';
import { ConfigError } from '../../../src/errors.ts';

describe('coalesce options', () => {
  test('have defaults', () => {
    expect(resolveCoalesceOptions()).toEqual({ maxItems: 128, maxBytes: 524_288, maxCarriers: 4, maxHoldMs: 5, itemMetadata: [] });
  });

  test.for([
    ['maxItems', 2, 1024],
    ['maxBytes', 1024, 4_000_000],
    ['maxCarriers', 1, 8],
    ['maxHoldMs', 0, 1000],
  ] as const)('%s may be %d to %d', ([name, least, most]) => {
    for (const good of [least, most]) expect(resolveCoalesceOptions({ [name]: good })[name]).toBe(good);
    for (const bad of [least - 1, most + 1, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
      expect(() => resolveCoalesceOptions({ [name]: bad as number })).toThrow(ConfigError);
    }
  });

  test('names path, rule and value', () => {
    expect(() => resolveCoalesceOptions({ maxItems: 2.5 })).toThrow(/^coalesce\.maxItems: .*2.*1024.*2\.5/);
  });
});
