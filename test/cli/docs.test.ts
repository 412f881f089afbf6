/**
 * What docs/cli.md shows is what the commands print, and its table of codes is that of lint. O6.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { LINT_CODES } from '../../src/lint/codes.ts';
import { inmesh } from './rig.ts';

const root = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const page = root('docs/cli.md');

describe('docs/cli.md', () => {
  const blocks = [...page.matchAll(/^```text file=(\S+)\n([\s\S]*?)^```$/gm)].map(([, file = '', text = '']) => ({ file, text }));

  test.each(blocks)('shows $file as it is', ({ file, text }) => {
    expect(text).toBe(root(file));
  });

  test('shows three of them', () => {
    expect(blocks).toHaveLength(3);
  });

  test('its example of lint is what lint prints', async () => {
    const files = fileURLToPath(new URL('files', import.meta.url));
    const { out } = await inmesh(['lint', 'short.yaml', '--proto', 'protos'], { cwd: files, width: 110 });
    expect(out).toBe(root('test/cli/golden/lint-short.txt'));
  });

  test('has every code, with its severity and meaning', () => {
    const rows = [...page.matchAll(/^\| `(IM\d+)` +\| (\w+) +\| (.*?) +\|$/gm)].map(([, code, severity, about]) => ({
      code,
      severity,
      about,
    }));
    expect(rows).toEqual(Object.entries(LINT_CODES).map(([code, entry]) => ({ code, ...entry })));
  });

  test('names every command', async () => {
    const { out } = await inmesh(['--help']);
    const commands = [...out.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
    expect(commands).toHaveLength(10);
    expect(commands.filter((name) => !page.includes(`\`inmesh ${name}`))).toEqual([]);
  });
});
