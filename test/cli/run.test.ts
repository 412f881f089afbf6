/**
 * The command line itself: help, flags, suggestions, exit codes. O6.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { choice, duration, number, readArgs, text, texts, toggle } from '../../src/cli/args.ts';
import { CliError } from '../../src/cli/exit.ts';
import { MAIN } from './pty.ts';
import { expectGolden, inmesh } from './rig.ts';

const COMMANDS = readdirSync(new URL('../../src/cli/commands', import.meta.url)).map((name) => name.replace('.ts', ''));
const widest = (out: string): number => Math.max(...out.split('\n').map((line) => line.length));

describe('inmesh', () => {
  test('shows what there is with --help, and with "help"', async () => {
    const { exit, out, err } = await inmesh(['--help']);
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    await expectGolden('help.txt', out);
    expect((await inmesh(['help'])).out).toBe(out);
    expect(COMMANDS.filter((name) => !out.includes(`\n  ${name} `))).toEqual([]);
  });

  test('without a command is wrong usage, and the same text on stderr', async () => {
    const { exit, out, err } = await inmesh([]);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toContain('Usage: inmesh COMMAND');
  });

  test('tells its version', async () => {
    const { version }: { version: string } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect((await inmesh(['--version'])).out).toBe(`${version}\n`);
  });

  test.each([
    ['stats', 'did you mean "inmesh stat"?'],
    ['tpo', 'did you mean "inmesh top"?'],
    ['xyzzy', 'there are: init, check'],
    ['--hlep', 'unknown flag'],
    ['\u001b[2Jtop', 'unknown command "\\u001b[2Jtop"'],
  ])('knows no %j, and says what there is', async (name, said) => {
    const { exit, err } = await inmesh([name]);
    expect(exit).toBe(2);
    expect(err).toContain(said);
  });

  test.each(COMMANDS)('%s --help fits 80 columns, has flags, --json and examples', async (name) => {
    const { exit, out } = await inmesh([name, '--help']);
    expect(exit).toBe(0);
    const examples = out.slice(out.indexOf('Examples:'), out.indexOf('Exit codes:'));
    expect(widest(out.replace(examples, ''))).toBeLessThanOrEqual(80);
    expect(examples.match(/^ {2}inmesh /gm)?.length).toBeGreaterThanOrEqual(2);
    expect(out).toContain('--json');
    expect((await inmesh(['help', name])).out).toBe(out);
    await expectGolden(`help-${name}.txt`, out);
  });

  test.each(COMMANDS)('%s refuses a flag that it does not have, with the nearest', async (name) => {
    const { exit, out, err } = await inmesh([name, '--jsno']);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toBe('inmesh: unknown flag --jsno\n  did you mean --json?\n');
  });
});

describe('flags', () => {
  const flags = {
    url: text('an address', 'URL', 'u'),
    proto: texts('files', 'PATH'),
    wide: toggle('all of it', 'w'),
    side: choice('a side', ['both', 'client'], 'both'),
    count: number('how many', { min: 1, max: 10, fallback: 3 }, 'n'),
    for: duration('how long', { minMs: 100, maxMs: 60_000, fallback: undefined }),
  };
  const read = (line: string) => readArgs(flags, line === '' ? [] : line.split(' '));

  test('have their fallbacks', () => {
    expect(read('')).toEqual({ values: { url: undefined, proto: [], wide: false, side: 'both', count: 3, for: undefined }, words: [] });
  });

  test('are read long, short, with =, among words, and several times', () => {
    expect(read('a --url=x -n 7 b --proto p --proto q -w --side client --for 1.5s')).toEqual({
      values: { url: 'x', proto: ['p', 'q'], wide: true, side: 'client', count: 7, for: 1500 },
      words: ['a', 'b'],
    });
  });

  test('end at --', () => {
    expect(read('-- --url x').words).toEqual(['--url', 'x']);
  });

  test.each([
    ['--count 11', /--count: expected a whole number from 1 to 10, got "11"/],
    ['--count 1.5', /whole number/],
    ['--count x', /got "x"/],
    ['--count', /--count: expected a value \(N\)/],
    ['--url --wide', /--url: expected a value \(URL\)/],
    ['--wide=1', /--wide: expected no value, got "1"/],
    ['--for 5', /expected a time from 0.1s to 60s, such as 500ms or 5s, got "5"/],
    ['--for 2m', /got "2m"/],
    ['--side clinet', /expected both or client, got "clinet"/],
    ['--constructor x', /unknown flag --constructor/],
    ['-x', /unknown flag -x/],
  ])('refuses %s', (line, said) => {
    let error: unknown;
    try {
      read(line);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ exit: 2, message: expect.stringMatching(said) });
  });
});

describe('the program', () => {
  const node = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { encoding: 'utf8', env: { ...process.env, ...env } });

  test('loads no command, and next to nothing else, for its help', () => {
    // How long that takes is measured on the installed package (test/package/bin.test.ts).
    const hooks = `import { registerHooks } from 'node:module';
      registerHooks({ load(url, context, next) { if (url.startsWith('file:')) process.stderr.write(url + '\\n'); return next(url, context); } });`;
    const { status, stdout, stderr } = node(['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, MAIN, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: inmesh');
    const loaded = stderr.trim().split('\n');
    expect(loaded.filter((url) => url.includes('node_modules') || url.includes('/commands/'))).toEqual([]);
    expect(loaded.length).toBeLessThanOrEqual(16);
  });

  test('has a shebang, and says in a sentence which Node it needs', () => {
    expect(readFileSync(MAIN, 'utf8').split('\n')[0]).toBe('#!/usr/bin/env node');
    const old = `Object.defineProperty(process.versions, 'node', { value: '20.19.0' });`;
    const { status, stderr } = node(['--import', `data:text/javascript,${encodeURIComponent(old)}`, MAIN, '--help']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: 'inmesh: needs Node 22.12 or newer, and this is 20.19.0\n' });
  });

  test('ends quietly when its reader has seen enough', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${MAIN}" lint --codes | head -n 1; exit 0`], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
