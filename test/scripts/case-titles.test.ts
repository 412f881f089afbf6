import { describe, expect, test } from 'vitest';
import { idsIn, titlesIn } from '../../scripts/case-titles.ts';

describe('titles of a test file', () => {
  test.each([
    ['a test', "test('does it (R1)', () => {})", ['does it (R1)']],
    ['a modifier and options', "describe.skip(`unit R2`, { timeout: 1 }, () => { it.only('R3', f) })", ['unit R2', 'R3']],
    ['a table', "test.each([['R4', 1], ['R5', `two R6`]])('%s', f)", ['R4', 'R5', 'two R6', '%s']],
    [
      'a table by name',
      "const rows = [{ id: 'R7', code: 'R8' }, ['R9 a row', 'R10']]; test.for(rows)('$id', f)",
      ['R7', 'R9 a row', '$id'],
    ],
    ['a condition', "test.skipIf(root)('needs root (X4)', f)", ['needs root (X4)']],
    ['no comment', "// test('R11')\n/* it('R12') */ test('R13', f)", ['R13']],
    ['no quote in a regular expression', "expect(x).toMatch(/don't/); test('R14', () => 6 / 2)", ['R14']],
    ['no method of another', "rig.test('R15'); /R16/.test('R17')", []],
  ])('finds %s', (_what, source, titles) => {
    expect(titlesIn(source)).toEqual(titles);
  });
});

describe('ids of a title', () => {
  test.each([
    ['kept and lost (K17, R42, X1)', ['K17', 'R42', 'X1']],
    ['ends at once; R19', ['R19']],
    ['R6-R7 ends', ['R6', 'R7']],
    ['R27..R29 and R35…37', ['R27', 'R28', 'R29', 'R35', 'R36', 'R37']],
    ['gRFC A6 and gRFC A43: A6 mode, A7', ['A7']],
    ['H2O, HTTP2, x1, R7b', []],
    ['R9-R7, R1-H2', ['R9', 'R7', 'R1', 'H2']],
  ])('%s', (title, ids) => {
    expect(idsIn(title)).toEqual(ids);
  });
});
