/** The difference of two source files in lines of code: blank lines and comments do not count. */
import { readFileSync } from 'node:fs';

/** Lines to take out and lines to put in. */
export interface CodeDiff {
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** Both in the order in which a diff prints them, with `-` or `+` in front. */
  readonly lines: readonly string[];
}

/** Compares two files. */
export function diffFiles(before: URL, after: URL): CodeDiff {
  return diffCode(codeLines(readFileSync(before, 'utf8')), codeLines(readFileSync(after, 'utf8')));
}

/** Compares two lists of lines by their longest common part. */
function diffCode(before: readonly string[], after: readonly string[]): CodeDiff {
  const common = commonLengths(before, after);
  const lines: string[] = [];
  let a = 0;
  let b = 0;
  while (a < before.length || b < after.length) {
    const skipBefore = common[a + 1]?.[b] ?? -1;
    const skipAfter = common[a]?.[b + 1] ?? -1;
    if (a < before.length && b < after.length && before[a] === after[b]) {
      a++;
      b++;
    } else if (skipBefore >= skipAfter) lines.push(`- ${before[a++]}`);
    else lines.push(`+ ${after[b++]}`);
  }
  return {
    lines,
    removed: lines.filter((line) => line.startsWith('-')),
    added: lines.filter((line) => line.startsWith('+')),
  };
}

/** `common[a][b]`: how many lines `before` from a on and `after` from b on have in common, in order. */
function commonLengths(before: readonly string[], after: readonly string[]): readonly (readonly number[])[] {
  let below = new Array<number>(after.length + 1).fill(0);
  const rows = [below];
  for (let a = before.length - 1; a >= 0; a--) {
    const row = new Array<number>(after.length + 1).fill(0);
    for (let b = after.length - 1; b >= 0; b--) {
      row[b] = before[a] === after[b] ? 1 + (below[b + 1] ?? 0) : Math.max(below[b] ?? 0, row[b + 1] ?? 0);
    }
    rows.unshift(row);
    below = row;
  }
  return rows;
}

function codeLines(source: string): readonly string[] {
  const withoutBlocks = source.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  return withoutBlocks.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//'));
}
