/**
 * What a command is, and its help.
 *
 * @packageDocumentation
 */
import { type Flags, type Parsed, readArgs, toggle } from './args.ts';
import type { Io } from './io.ts';
import { wrap } from './text.ts';

/** What a command's file says of it. */
export interface CommandSpec<F extends Flags> {
  readonly name: string;
  /** What stands behind its name, e.g. `METHOD [flags]`. */
  readonly usage: string;
  /** What it does, in a few sentences, one paragraph each. */
  readonly about: readonly string[];
  readonly flags: F;
  /** Command lines that teach, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** What its exit codes mean beyond 0 done and 2 wrong usage. */
  readonly exits?: string;
  run(parsed: Parsed<F>, io: Io): Promise<number>;
}

/** A command as it is dispatched. */
export interface Command {
  /** Runs it, or shows its help. Gives the exit code. @throws CliError */
  run(argv: readonly string[], io: Io): Promise<number>;
}

/** Adds `--help`. */
export function command<F extends Flags>(spec: CommandSpec<F>): Command {
  return {
    run(argv, io) {
      if (wantsHelp(argv)) {
        io.out(helpOf(spec, Math.min(100, io.width)));
        return Promise.resolve(0);
      }
      return spec.run(readArgs(spec.flags, argv), io);
    },
  };
}

/** `--` ends the flags. */
function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).some((word) => word === '--help' || word === '-h');
}

function helpOf<F extends Flags>(spec: CommandSpec<F>, width: number): string {
  const lines = [`Usage: inmesh ${spec.name} ${spec.usage}`.trimEnd(), ''];
  for (const paragraph of spec.about) lines.push(...wrap(paragraph, width), '');
  lines.push('Flags:', ...pairs([...flagLines(spec.flags), ...flagLines({ help: toggle('this text', 'h') })], width), '');
  lines.push('Examples:');
  for (const [line, what] of spec.examples) lines.push(...wrap(what, width - 4).map((one) => `  # ${one}`), `  ${line}`);
  lines.push('', ...wrap(`Exit codes: 0 done; 2 wrong usage${spec.exits === undefined ? '' : `; ${spec.exits}`}.`, width));
  return `${lines.join('\n')}\n`;
}

function flagLines(flags: Flags): [string, string][] {
  return Object.entries(flags).map(([name, { short, value, about }]) => [
    `  ${short === undefined ? '    ' : `-${short}, `}--${name}${value === '' ? '' : ` ${value}`}`,
    about,
  ]);
}

/** Names at the left, what they are at the right, in lines that fit. */
export function pairs(rows: readonly (readonly [string, string])[], width: number): string[] {
  const left = Math.min(42, Math.max(...rows.map(([name]) => name.length))) + 2;
  return rows.flatMap(([name, about]) => {
    const [first = '', ...rest] = wrap(about, Math.max(20, width - left));
    const head = name.length + 2 <= left ? [`${name.padEnd(left)}${first}`] : [name, `${' '.repeat(left)}${first}`];
    return [...head, ...rest.map((line) => `${' '.repeat(left)}${line}`)];
  });
}
