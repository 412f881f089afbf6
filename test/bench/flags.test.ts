import { describe, expect, test } from 'vitest';
import { FlagError, parseFlags } from '../../bench/flags.ts';
import { VARIANT_NAMES } from '../../bench/variants.ts';

describe('flags of the bench', () => {
  test('without flags all variants run in 9 rounds at 1, 16, 64 and 256 callers', () => {
    expect(parseFlags([])).toMatchObject({ suite: 'calls', rounds: 9, callers: [1, 16, 64, 256], variants: VARIANT_NAMES });
  });

  test('bare and bare-again run whatever variants are named', () => {
    expect(parseFlags(['--variants', 'default-channel']).variants).toEqual(['bare', 'bare-again', 'default-channel']);
  });

  test('--quick leaves what is named beside it', () => {
    expect(parseFlags(['layers', '--quick', '--rounds', '1'])).toMatchObject({ suite: 'layers', rounds: 1, quick: true, limitMs: 85_000 });
  });

  test.each([
    [['--rounds', '0'], '--rounds: expected a whole number from 1 to 99, got "0"'],
    [['--callers', '1,x'], '--callers: expected a whole number from 1 to 4096, got "x"'],
    [['--variants', 'bear'], 'unknown variant "bear"; known: bare, bare-again'],
    [['--rouns', '3'], '--rouns'],
    [['layer'], 'unexpected "layer"; the suites to name are "layers" and "telemetry"'],
  ])('%j is refused with a reason', (argv, reason) => {
    expect(() => parseFlags(argv)).toThrow(FlagError);
    expect(() => parseFlags(argv)).toThrow(reason);
  });
});
