/**
 * `top`, `stat` and `tap` in a pseudo-terminal, against a demo that runs in a process of its own. O6.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAIN, noTerminal, Terminal } from '../../cli/pty.ts';

if (noTerminal !== undefined) console.warn(`tests of the terminal are skipped: ${noTerminal}`);

let demo: ChildProcess;
let url = '';

beforeAll(async () => {
  if (noTerminal !== undefined) return;
  demo = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'demo', '--port', '0', '--for', '2m', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await new Promise<string[]>((resolve, reject) => {
    demo.stdout?.setEncoding('utf8').once('data', (text: string) => resolve(text.split('\n')));
    demo.once('exit', (code) => reject(new Error(`the demo has ended with ${code}`)));
  });
  url = (JSON.parse(line ?? '') as { url: string }).url;
}, 30_000);

afterAll(async () => {
  if (demo === undefined) return;
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  demo.kill('SIGINT');
  // Ctrl-C ends the demo as it ends every command.
  expect(await ended).toBe(130);
});

const ENTERED = '\x1b[?1049h\x1b[?25l';
/** Wrapping on, cursor shown, the screen that was there before. */
const LEFT = '\x1b[?7h\x1b[?25h\x1b[?1049l';

const methodLines = (terminal: Terminal): string[] => terminal.frame().filter((line) => line.startsWith('demo.v1.Shop/'));
const drawn = (terminal: Terminal): boolean => methodLines(terminal).length >= 3;
const draws = (terminal: Terminal): number => terminal.sent.split('\x1b[H').length;

describe.skipIf(noTerminal !== undefined)('in a terminal', () => {
  test('top shows methods, draws again by itself, and q gives the terminal back', async () => {
    await using terminal = new Terminal(['top', '-i', '200ms', '--url', url]);
    await terminal.until(drawn, 'methods');
    expect(terminal.sent).toContain(ENTERED);
    expect(terminal.frame()).toHaveLength(24);
    const [first] = [draws(terminal)];
    await terminal.until((it) => draws(it) > first + 2, 'more frames');
    terminal.press('q');
    expect(await terminal.exited).toBe(0);
    expect(terminal.sent.endsWith(LEFT)).toBe(true);
  });

  test('top follows keys: the column it sorts by, sides, pause, help', async () => {
    await using terminal = new Terminal(['top', '-i', '200ms', '--url', url], { columns: 100 });
    await terminal.until(drawn, 'methods');
    terminal.press('ss');
    await terminal.until((it) => it.frame().some((line) => line.includes('P50↓')), 'sorted by p50');
    terminal.press('\t');
    await terminal.until((it) => drawn(it) && methodLines(it).every((line) => / client /.test(line)), 'the client only');
    terminal.press('?');
    await terminal.until((it) => it.frame().some((line) => line.includes('turn the order')), 'help');
    terminal.press('?p');
    await terminal.until((it) => it.frame().some((line) => line.includes('PAUSED')), 'paused');
    terminal.press('q');
    expect(await terminal.exited).toBe(0);
  });

  test('top draws for the new size when the terminal is resized', async () => {
    await using terminal = new Terminal(['top', '-i', '10s', '--url', url]);
    await terminal.until((it) => it.frame().length === 24, 'first frame');
    terminal.resize(12, 140);
    await terminal.until((it) => it.frame().length === 12, 'a frame of 12 lines');
    expect(terminal.frame().at(-1)).toHaveLength(140);
    terminal.press('q');
    expect(await terminal.exited).toBe(0);
  });

  test('top ends with 130 at Ctrl-C, and gives the terminal back', async () => {
    await using terminal = new Terminal(['top', '--url', url]);
    await terminal.until((it) => it.frame().length === 24, 'first frame');
    terminal.press('\x03');
    expect(await terminal.exited).toBe(130);
    expect(terminal.sent.endsWith(LEFT)).toBe(true);
  });

  test('top without colours where NO_COLOR says so', async () => {
    await using terminal = new Terminal(['top', '--url', url], { env: { NO_COLOR: '1' } });
    await terminal.until((it) => it.frame().length === 24, 'first frame');
    terminal.press('q');
    await terminal.exited;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    expect(terminal.sent).not.toMatch(/\x1b\[\d+m/);
  });

  test('stat prints its tables in colour, within the width, and leaves the screen alone', async () => {
    await using terminal = new Terminal(['stat', '--url', url], { columns: 90 });
    expect(await terminal.exited).toBe(0);
    const { sent } = terminal;
    expect(sent).toContain('demo.v1.Shop/GetItem');
    const { plain } = terminal;
    expect(sent).not.toBe(plain);
    expect(plain).not.toContain('\x1b');
    expect(Math.max(...plain.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(90);
  });

  test('tap shows calls as they end, until Ctrl-C: exit code 130', async () => {
    await using terminal = new Terminal(['tap', 'demo.v1.Shop/*', '--side', 'client', '--url', url]);
    await terminal.until((it) => (it.plain.match(/demo\.v1\.Shop\/\w+ .*-> .*127\.0\.0\.1:\d+/g) ?? []).length >= 3, 'three calls');
    terminal.press('\x03');
    expect(await terminal.exited).toBe(130);
    expect(terminal.sent).not.toContain(ENTERED);
  });

  test('tap --json gives lines of JSON there too', async () => {
    await using terminal = new Terminal(['tap', '-n', '2', '--json', '--url', url]);
    expect(await terminal.exited).toBe(0);
    const calls = terminal.sent
      .trim()
      .split('\r\n')
      .map((line) => (JSON.parse(line) as { method: string }).method);
    expect(calls).toHaveLength(2);
    expect(calls.every((method) => method.startsWith('demo.v1.Shop/'))).toBe(true);
  });
});
