/**
 * The command line of one command: flags with types, checked, with the nearest name for a wrong one.
 *
 * @packageDocumentation
 */
import { parseArgs } from 'node:util';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import { usageError } from './exit.ts';

/** A flag that gives a `T`. Make them with the functions below. */
export interface Flag<T> {
  /** One sentence for the help. */
  readonly about: string;
  /** What stands for its value in the help; empty for switches. */
  readonly value: string;
  /** One letter. */
  readonly short?: string;
  /** `name` is for messages; `given` has every value of the command line in order, `true` for a switch. */
  read(given: readonly (string | boolean)[], name: string): T;
}

/** The flags of a command, by name without the dashes. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;
/** What reading them gives. */
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

const last = (given: readonly (string | boolean)[]): string | undefined => {
  const value = given.at(-1);
  return typeof value === 'string' ? value : undefined;
};

/** On or off; `--no-x` is not needed, for all are off by default. */
export function toggle(about: string, short?: string): Flag<boolean> {
  return { about, value: '', ...(short === undefined ? {} : { short }), read: (given) => given.length > 0 };
}

/** Any text; the last one counts. */
export function text(about: string, value: string, short?: string): Flag<string | undefined> {
  return { about, value, ...(short === undefined ? {} : { short }), read: (given) => last(given) };
}

/** May be given several times. */
export function texts(about: string, value: string): Flag<readonly string[]> {
  return { about: `${about}; may be given several times`, value, read: (given) => given.filter((one) => typeof one === 'string') };
}

/** More words do not fit in the place of the value. */
const MAX_WORDS = 4;

/** One of several words. */
export function choice<const W extends string>(about: string, words: readonly W[], fallback: W, short?: string): Flag<W> {
  return {
    about: words.length > MAX_WORDS ? `${about}: ${words.join(', ')} [${fallback}]` : `${about} [${fallback}]`,
    value: words.length > MAX_WORDS ? 'WORD' : words.join('|'),
    ...(short === undefined ? {} : { short }),
    read(given, name) {
      const word = last(given) ?? fallback;
      const found = words.find((one) => one === word);
      if (found !== undefined) return found;
      const meant = nearest(word, words);
      throw usageError(`--${name}: expected ${words.join(' or ')}, got ${quote(word)}`, meant && `did you mean --${name} ${meant}?`);
    },
  };
}

/** A number from `min` to `max`. */
export function number(about: string, rule: { min: number; max: number; fallback: number; whole?: boolean }, short?: string): Flag<number> {
  const { min, max, fallback, whole = true } = rule;
  return {
    about: `${about} [${fallback}]`,
    value: 'N',
    ...(short === undefined ? {} : { short }),
    read(given, name) {
      const word = last(given);
      if (word === undefined) return fallback;
      const value = Number(word);
      if (/^\d+(\.\d+)?$/.test(word) && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
      throw usageError(`--${name}: expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}, got ${quote(word)}`);
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A time such as `500ms`, `5s`, `2m`, in milliseconds. */
export function duration<F extends number | undefined>(
  about: string,
  rule: { readonly minMs: number; readonly maxMs: number; readonly fallback: F; readonly shown?: string },
  short?: string,
): Flag<number | F> {
  const { minMs, maxMs, fallback, shown } = rule;
  return {
    about: shown === undefined ? about : `${about} [${shown}]`,
    value: 'TIME',
    ...(short === undefined ? {} : { short }),
    read(given, name) {
      const word = last(given);
      if (word === undefined) return fallback;
      const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(word) ?? [];
      const value = Number(digits) * (UNITS[unit] ?? Number.NaN);
      if (value >= minMs && value <= maxMs) return value;
      const hint = /^\d+(\.\d+)?$/.test(word) ? `a time has a unit: did you mean --${name} ${word}s?` : undefined;
      throw usageError(
        `--${name}: expected a time from ${minMs / 1000}s to ${maxMs / 1000}s, such as 500ms or 5s, got ${quote(word)}`,
        hint,
      );
    },
  };
}

/** What was read. */
export interface Parsed<F extends Flags> {
  readonly values: Values<F>;
  /** What is no flag. */
  readonly words: readonly string[];
}

/** Reads a command line. @throws CliError with exit code 2 and the nearest flag. */
export function readArgs<F extends Flags>(flags: F, argv: readonly string[]): Parsed<F> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { value, short }]) => [
      name,
      { type: value === '' ? ('boolean' as const) : ('string' as const), multiple: true, ...(short === undefined ? {} : { short }) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, (string | boolean)[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) throw unknownFlag(token.rawName, Object.keys(flags));
    const wantsValue = flag.value !== '';
    if (wantsValue && (token.value === undefined || (!token.inlineValue && /^--?[a-z]/.test(token.value))))
      throw usageError(`${token.rawName}: expected a value (${flag.value})`);
    if (!wantsValue && token.value !== undefined) throw usageError(`${token.rawName}: expected no value, got ${quote(token.value)}`);
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? true]);
  }
  const values = Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, flag.read(given.get(name) ?? [], name)]));
  // Each value was made by the flag of its name: what the mapped type says.
  return { values: values as Values<F>, words };
}

function unknownFlag(raw: string, known: readonly string[]): Error {
  const meant = raw.startsWith('--') ? nearest(raw.slice(2), known) : undefined;
  return usageError(`unknown flag ${quote(raw).slice(1, -1)}`, meant === undefined ? 'see --help' : `did you mean --${meant}?`);
}
