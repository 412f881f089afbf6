/**
 * Finds the command, runs it, turns its errors into text and exit codes.
 *
 * @packageDocumentation
 */
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import type { Command } from './command.ts';
import { pairs } from './command.ts';
import { CliError, Exit, usageError } from './exit.ts';
import type { Io } from './io.ts';
import { json, safe } from './text.ts';

interface Entry {
  readonly about: string;
  load(): Promise<Command>;
}

/** Every command is imported when it is used: `--help` and `stat` should not pay for `bench`. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  init: { about: 'write a commented inmesh.yaml, and say which lines to add', load: async () => (await import('./commands/init.ts')).init },
  check: {
    about: 'is everything in place: versions, copies, policy, servers',
    load: async () => (await import('./commands/check.ts')).check,
  },
  lint: { about: 'find mistakes in a policy, with the .proto files at hand', load: async () => (await import('./commands/lint.ts')).lint },
  explain: {
    about: 'what holds for a method, and where each value comes from',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  stat: { about: 'success, rate and latency by method; endpoints', load: async () => (await import('./commands/stat.ts')).stat },
  top: { about: 'the same, live, sorted by what you press', load: async () => (await import('./commands/top.ts')).top },
  tap: { about: 'calls as they end, one a line', load: async () => (await import('./commands/tap.ts')).tap },
  events: { about: 'what happened: ejections, breakers, refusals', load: async () => (await import('./commands/events.ts')).events },
  bench: { about: 'load on one unary method, bounded', load: async () => (await import('./commands/bench.ts')).bench },
  demo: { about: 'three servers, a client and faults, to look at', load: async () => (await import('./commands/demo.ts')).demo },
};

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['inmesh demo', 'something to look at; leave it running'],
  ['inmesh top', 'in another terminal: watch it'],
  ['inmesh check --target 127.0.0.1:50051', 'is a server there, is the installation sound'],
  ['inmesh lint inmesh.yaml --proto protos', 'is the policy what you meant'],
];

/** The text of `inmesh --help`. */
function help(width: number): string {
  return `${[
    'Usage: inmesh COMMAND [flags]',
    '',
    'Looks into a running inmesh (through mesh.admin.listen()), and checks policies and installations.',
    '',
    'Commands:',
    ...pairs(
      Object.entries(COMMANDS).map(([name, { about }]) => [`  ${name}`, about]),
      width,
    ),
    '',
    'Start here:',
    ...pairs(
      EXAMPLES.map(([line, what]) => [`  ${line}`, what]),
      width,
    ),
    '',
    'Every command has --help and --json. Exit codes: 0 done, 1 problems found, 2 wrong usage, 3 nobody answers.',
    'Environment: INMESH_URL (admin server), INMESH_ADMIN_TOKEN, NO_COLOR.',
  ].join('\n')}\n`;
}

/** Runs `inmesh` with these arguments. Gives the exit code; never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const [name = '', ...rest] = argv;
  try {
    if (name === '' || name === '--help' || name === '-h' || name === 'help') return await helpFor(name, rest, io);
    if (name === '--version' || name === '-v') {
      io.out(`${(await import('./package.ts')).ownVersion()}\n`);
      return Exit.ok;
    }
    return await (await find(name)).run(rest, io);
  } catch (error) {
    return report(error, argv, io);
  }
}

async function helpFor(name: string, [about]: readonly string[], io: Io): Promise<number> {
  if (name === 'help' && about !== undefined) return await (await find(about)).run(['--help'], io);
  const text = help(Math.min(100, io.width));
  if (name !== '') io.out(text);
  else io.err(text);
  return name === '' ? Exit.usage : Exit.ok;
}

function find(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry !== undefined) return entry.load();
  const meant = nearest(name, Object.keys(COMMANDS));
  const kind = name.startsWith('-') ? 'flag' : 'command';
  throw usageError(
    `unknown ${kind} ${quote(name)}`,
    meant === undefined ? `there are: ${Object.keys(COMMANDS).join(', ')}` : `did you mean "inmesh ${meant}"?`,
  );
}

const CODE_NAMES: Readonly<Record<number, string>> = {
  [Exit.problems]: 'problems',
  [Exit.usage]: 'usage',
  [Exit.unreachable]: 'unreachable',
};

/** What went wrong, on stderr: two lines for people, JSON for programs. */
function report(error: unknown, argv: readonly string[], io: Io): number {
  if (io.signal.aborted) return typeof io.signal.reason === 'number' ? io.signal.reason : Exit.problems;
  const known = error instanceof CliError ? error : undefined;
  const message = known?.message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
  const exit = known?.exit ?? Exit.problems;
  if (argv.includes('--json')) {
    io.err(
      `${json({ error: { code: CODE_NAMES[exit] ?? 'internal', message, ...(known?.hint === undefined ? {} : { hint: known.hint }) } })}\n`,
    );
    return exit;
  }
  const lines = message.split('\n').map(safe);
  io.err(`${io.style('bad', 'inmesh:')} ${lines.join('\n  ')}\n`);
  if (known?.hint !== undefined) io.err(`  ${safe(known.hint)}\n`);
  return exit;
}
