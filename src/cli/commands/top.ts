/**
 * `inmesh top`: the overview, live.
 *
 * @packageDocumentation
 */
import type { OverviewView } from '../../observe/views.ts';
import { choice, duration, number, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { CliError, Exit, usageError } from '../exit.ts';
import { timeOfDay } from '../format.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { type Io, print, type Screen, sleep } from '../io.ts';
import { METHOD_COLUMNS } from '../method-columns.ts';
import { report } from '../overview-report.ts';
import { json } from '../text.ts';
import { FIRST_STATE, press, type TopState, topFrame } from '../top-frame.ts';
import { isOverview } from '../views.ts';

const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** The command. */
export const top: Command = command({
  name: 'top',
  usage: '[flags]',
  about: [
    'Shows methods and endpoints of a running process, drawn again each second. Keys sort, scroll, stop and quit; press ? for them.',
    'Where there is no terminal (a pipe, a log) it prints the table of `inmesh stat` again and again instead.',
  ],
  flags: {
    url: urlFlag,
    sort: choice(
      'column to sort by at first',
      METHOD_COLUMNS.map(({ key }) => key),
      'rps',
      's',
    ),
    interval: duration('time between two looks', { minMs: 200, maxMs: 3_600_000, fallback: 1000, shown: '1s' }, 'i'),
    count: number('end after so many looks; 0 goes on', { min: 0, max: 1e9, fallback: 0 }, 'n'),
    json: toggle('one JSON object a line for each look'),
  },
  examples: [
    ['inmesh top', 'watch the process on this machine'],
    ['inmesh top --sort p99 --url http://10.0.0.7:9902', 'the slowest methods of another one first'],
    ['inmesh top -i 10s -n 6 > minute.txt', 'a minute, for later'],
  ],
  exits: '3 nobody answers; 130 Ctrl-C',
  async run({ values: { url, sort, interval, count, json: asJson }, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`, 'inmesh stat METHOD shows single methods');
    const admin = new AdminClient(io, url);
    const look = (): Promise<OverviewView> => admin.json('/overview.json', isOverview);
    if (io.screen !== undefined && !asJson) return await live(io, io.screen, look, { ...FIRST_STATE, sort }, interval, count);
    for (let looks = 1; !io.signal.aborted; looks++) {
      const overview = await look();
      if (asJson) io.out(`${json(overview)}\n`);
      else
        print(io, [
          `${timeOfDay(overview.atMs)} ${'-'.repeat(8)}`,
          ...report(overview, { width: io.width, style: io.style, wide: false }),
          '',
        ]);
      if (looks === count) break;
      await sleep(io, interval);
    }
    return Exit.ok;
  },
});

async function live(
  io: Io,
  screen: Screen,
  look: () => Promise<OverviewView>,
  first: TopState,
  intervalMs: number,
  looks: number,
): Promise<number> {
  // Before the screen is taken: that nobody answers is an ordinary error.
  let overview = await look();
  let state = first;
  let trouble: string | undefined;
  let exit: number | undefined;
  let wake: () => void = () => {};
  const draw = (): void => {
    const { columns, rows } = screen;
    const lines = topFrame(overview, state, { columns, rows, style: io.style }, trouble);
    io.out(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`);
  };
  const close = screen.open((key) => {
    const next = press(state, key);
    if (next === undefined) {
      exit = key === 'ctrl-c' ? Exit.signalled + 2 : Exit.ok;
      wake();
    } else {
      state = next;
      draw();
    }
  }, draw);
  try {
    for (let seen = 1; ; seen++) {
      draw();
      if (seen === looks) return Exit.ok;
      await new Promise<void>((resolve) => {
        wake = resolve;
        void sleep(io, intervalMs).then(resolve);
      });
      if (exit !== undefined) return exit;
      if (io.signal.aborted) return Exit.ok;
      if (state.paused) continue;
      try {
        overview = await look();
        trouble = undefined;
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        trouble = `${error.message}; trying again`;
      }
      if (exit !== undefined) return exit;
    }
  } finally {
    close();
  }
}
