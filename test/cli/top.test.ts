/**
 * `top`: frames, keys, and how it does without a terminal. O6.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Screen } from '../../src/cli/io.ts';
import { plainStyle } from '../../src/cli/style.ts';
import { keysOf } from '../../src/cli/terminal.ts';
import { FIRST_STATE, press, sorted, type TopState, topFrame } from '../../src/cli/top-frame.ts';
import { methodView, OVERVIEW } from './overview.ts';
import { expectGolden, type FakeAdmin, fakeAdmin, inmesh, sendJson } from './rig.ts';

const frame = (columns: number, rows: number, state: Partial<TopState> = {}, trouble?: string): string[] =>
  topFrame(OVERVIEW, { ...FIRST_STATE, ...state }, { columns, rows, style: plainStyle }, trouble);

describe('a frame of top', () => {
  test.each([
    [80, 24],
    [120, 40],
    [160, 20],
  ])('fills %i columns and %i rows', async (columns, rows) => {
    await expectGolden(`top-${columns}x${rows}.txt`, `${frame(columns, rows).join('\n')}\n`);
  });

  test.each([
    [20, 5],
    [40, 10],
    [60, 16],
    [300, 100],
    [1, 1],
  ])('has a line for each row, however small or large: %i x %i', (columns, rows) => {
    const lines = frame(columns, rows);
    expect(lines).toHaveLength(rows);
    // Columns that hold numbers are never cut; the terminal itself cuts what stands beyond its edge.
    expect(lines[0]?.length).toBeLessThanOrEqual(columns);
    expect(lines.at(-1)).toHaveLength(columns);
  });

  test('keeps methods in sight when there are many, and scrolls', () => {
    const methods = Array.from({ length: 200 }, (_, i) =>
      methodView({ method: `a.B/M${String(i).padStart(3, '0')}`, callsPerSecond: 200 - i }),
    );
    const at = (offset: number): string[] =>
      topFrame({ ...OVERVIEW, methods }, { ...FIRST_STATE, offset }, { columns: 100, rows: 24, style: plainStyle });
    const shown = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('a.B/')).map((line) => line.slice(0, 8));
    expect(shown(at(0))[0]).toBe('a.B/M000');
    expect(shown(at(5))[0]).toBe('a.B/M005');
    expect(shown(at(10_000)).at(-1)).toBe('a.B/M199');
    expect(shown(at(0)).length).toBeGreaterThanOrEqual(8);
  });

  test('says when it is paused, sorted, narrowed, or old', () => {
    expect(frame(100, 24, { paused: true, side: 'client', sort: 'p99', reversed: true })[3]).toBe(
      '4 rows by p99, turned, client only, PAUSED',
    );
    expect(frame(100, 24, {}, 'nobody answers')[3]).toBe('nobody answers');
    expect(frame(100, 24, { help: true }).join('\n')).toContain('Ctrl-C');
  });
});

describe('keys of top', () => {
  const pressed = (keys: readonly string[]): TopState | undefined =>
    keys.reduce<TopState | undefined>((state, key) => state && press(state, key), FIRST_STATE);

  test.each(['q', 'ctrl-c'])('%s ends it', (key) => {
    expect(press(FIRST_STATE, key)).toBeUndefined();
  });

  test('s and S go through every column, round and round', () => {
    expect(pressed(['s'])?.sort).toBe('actual');
    expect(pressed(['S'])?.sort).toBe('success');
    expect(pressed(Array.from({ length: 12 }, () => 's'))?.sort).toBe('rps');
  });

  test('r turns, tab narrows, space stops, j and k scroll, ? helps, others do nothing', () => {
    expect(pressed(['r'])?.reversed).toBe(true);
    expect(['tab', 'tab tab', 'tab tab tab'].map((keys) => pressed(keys.split(' '))?.side)).toEqual(['client', 'server', 'both']);
    expect(pressed(['space'])?.paused).toBe(true);
    expect(pressed(['j', 'down', 'k', 'pagedown'])?.offset).toBe(11);
    expect(pressed(['k'])?.offset).toBe(0);
    expect([pressed(['?'])?.help, pressed(['?', 'escape'])?.help]).toEqual([true, false]);
    expect(pressed(['x', 'Z', 'enter', 'é'])).toEqual(FIRST_STATE);
  });

  test('are read from what terminals send', () => {
    expect(keysOf('q\x1b[A\x1bOB\x1b[6~\t \x03\r')).toEqual(['q', 'up', 'down', 'pagedown', 'tab', 'space', 'ctrl-c', 'enter']);
    expect(keysOf('\x1b[1;5D\x1b[200~\x7f\x00')).toEqual([]);
    expect(keysOf('\x1b')).toEqual(['escape']);
  });

  test('sort every column, the worst first', () => {
    const order = (sort: string, reversed = false): string[] =>
      sorted(OVERVIEW.methods, { ...FIRST_STATE, sort, reversed }).map(({ method }) => method.slice(-7));
    expect(order('rps')[0]).toBe('GetItem');
    expect(order('success')[0]).toBe('ceOrder');
    expect(order('p99')[0]).toBe('newline');
    expect(order('method')[0]).toBe('Expired');
    expect(order('rps', true).at(-1)).toBe('GetItem');
  });
});

describe('inmesh top', () => {
  let admin: FakeAdmin;
  beforeEach(async () => {
    admin = await fakeAdmin();
  });
  afterEach(() => admin.close());

  test('prints tables, one after the other, where there is no terminal', async () => {
    const { exit, out } = await inmesh(['top', '-n', '2', '-i', '200ms', '-u', admin.url]);
    expect(exit).toBe(0);
    expect(out.match(/^METHOD/gm)).toHaveLength(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them
    expect(out).not.toMatch(/\x1b/);
  });

  test('gives an overview a line with --json, even on a terminal', async () => {
    const { out } = await inmesh(['top', '-n', '2', '-i', '200ms', '--json', '-u', admin.url], { screen: fakeScreen().screen });
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as typeof OVERVIEW).process.service),
    ).toEqual(['checkout', 'checkout']);
  });

  test('takes the screen, draws, and gives it back', async () => {
    const { screen, opened } = fakeScreen();
    const ran = inmesh(['top', '-u', admin.url], { screen, onOut: () => opened.press?.('q') });
    expect(await ran).toMatchObject({ exit: 0, err: '' });
    expect(opened).toMatchObject({ times: 1, closed: 1 });
  });

  test('ends with 130 at Ctrl-C, which is a key there', async () => {
    const { screen, opened } = fakeScreen();
    expect((await inmesh(['top', '-u', admin.url], { screen, onOut: () => opened.press?.('ctrl-c') })).exit).toBe(130);
    expect(opened.closed).toBe(1);
  });

  test('goes on when the process is gone for a while, and says so', async () => {
    let asked = 0;
    const flaky = await fakeAdmin({
      '/overview.json': (request, response) => {
        asked++;
        if (asked === 2) response.destroy();
        else sendJson(OVERVIEW)(request, response);
      },
    });
    const { screen, opened } = fakeScreen();
    const { out, exit } = await inmesh(['top', '-i', '200ms', '-u', flaky.url], { screen, onOut: () => asked >= 4 && opened.press?.('q') });
    await flaky.close();
    expect(exit).toBe(0);
    expect(out).toContain('; trying again');
    expect(out.slice(out.lastIndexOf('\x1b[H'))).not.toContain('trying again');
  });

  test('leaves the screen alone when nobody answers', async () => {
    const { screen, opened } = fakeScreen();
    expect((await inmesh(['top', '-u', 'http://127.0.0.1:9'], { screen })).exit).toBe(3);
    expect(opened.times).toBe(0);
  });

  test('sorts by the column that --sort names, and knows what was meant', async () => {
    const { exit, err } = await inmesh(['top', '--sort', 'p9', '-u', admin.url]);
    expect(exit).toBe(2);
    expect(err).toContain('did you mean --sort p95?');
  });
});

interface Opened {
  times: number;
  closed: number;
  press: ((key: string) => void) | undefined;
}

function fakeScreen(): { readonly screen: Screen; readonly opened: Opened } {
  const opened: Opened = { times: 0, closed: 0, press: undefined };
  const screen: Screen = {
    columns: 80,
    rows: 24,
    open(onKey) {
      opened.times++;
      opened.press = onKey;
      return () => {
        opened.closed++;
        opened.press = undefined;
      };
    },
  };
  return { screen, opened };
}
