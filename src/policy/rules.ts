/**
 * The vocabulary of the generated checker: one function for each kind of field of policy.proto.
 *
 * Every message reads `expected <rule>, got <value>`, with a hint where one is to be had. `parse.ts` puts the path before it.
 *
 * @packageDocumentation
 */
import {
  array,
  custom,
  type GenericSchema,
  maxLength,
  minLength,
  never,
  objectWithRest,
  optional,
  pipe,
  record,
  transform,
  unknown,
} from 'valibot';
import { codeName } from '../call.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import { type DurationText, likelyDuration, parseSeconds, secondsText } from './duration.ts';
import { codeProblem, metadataKeyProblem, nameProblem, type StatusCodeText, toCode } from './names.ts';

/** Checks anything, gives a `T`. */
export type Rule<T> = GenericSchema<unknown, T>;

/** Bounds of a number, or of a duration in seconds. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly positive?: boolean;
}

/** Lists in a policy are written by hand; a longer one is a mistake or an attack. */
const MAX_ITEMS = 10_000;
const UINT32_MAX = 2 ** 32 - 1;

function leaf<T>(problem: (input: unknown) => string | undefined): Rule<T> {
  return custom<T>(
    (input) => problem(input) === undefined,
    (issue) => problem(issue.input) ?? '',
  );
}

const inRange = (x: number, range: Range): boolean =>
  x >= (range.min ?? Number.NEGATIVE_INFINITY) && x <= (range.max ?? Number.POSITIVE_INFINITY) && (range.positive !== true || x > 0);

function rangeText(range: Range, unit: (x: number) => string): string {
  if (range.min !== undefined && range.max !== undefined) return ` from ${unit(range.min)} to ${unit(range.max)}`;
  if (range.positive === true) return ` > ${unit(0)}${range.max === undefined ? '' : ` and <= ${unit(range.max)}`}`;
  if (range.max !== undefined) return ` <= ${unit(range.max)}`;
  return range.min === undefined ? '' : ` >= ${unit(range.min)}`;
}

function numberProblem(kind: string, valid: (x: number) => boolean, range: Range): (input: unknown) => string | undefined {
  const good = (x: number): boolean => Number.isFinite(x) && valid(x) && inRange(x, range);
  return (input) => {
    if (typeof input === 'number' && good(input)) return undefined;
    const meant = typeof input === 'string' && /^\d{1,15}(\.\d{1,15})?$/.test(input) ? Number(input) : undefined;
    return `expected ${kind}${rangeText(range, String)}, got ${show(input)}${meant !== undefined && good(meant) ? `; did you mean ${meant}?` : ''}`;
  };
}

/** A whole number, 0 to 2^32 - 1 unless told otherwise. */
export function integer(range: Range = {}): Rule<number> {
  const asked = numberProblem('an integer', Number.isInteger, { min: 0, ...range });
  const whole = numberProblem('an integer', Number.isInteger, { min: 0, max: UINT32_MAX, ...range });
  return leaf((input) => asked(input) ?? whole(input));
}

/** A finite number. */
export function double(range: Range = {}): Rule<number> {
  return leaf(numberProblem('a number', () => true, range));
}

/** `true` or `false`. */
export function bool(): Rule<boolean> {
  return leaf((input) => {
    if (typeof input === 'boolean') return undefined;
    const meant =
      input === 'true' || input === 'yes' || input === 'on'
        ? true
        : input === 'false' || input === 'no' || input === 'off'
          ? false
          : undefined;
    return `expected true or false, got ${show(input)}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
  });
}

function durationHint(input: unknown, range: Range): string {
  const meant = likelyDuration(input);
  const seconds = parseSeconds(meant);
  if (seconds !== undefined && inRange(seconds, range)) return `; did you mean "${meant}"?`;
  if ((typeof input === 'number' && input < 0) || (typeof input === 'string' && /^\s*-[\d.]/.test(input))) return '; it cannot be negative';
  return typeof input === 'string' && /\.\d{10,}s$/.test(input) ? '; it has at most nine decimals' : '';
}

/** Seconds with an `s`. */
export function duration(range: Range = {}): Rule<DurationText> {
  return leaf((input) => {
    const seconds = parseSeconds(input);
    if (seconds !== undefined && inRange(seconds, range)) return undefined;
    if (seconds !== undefined) return `expected a duration${rangeText(range, (x) => `"${secondsText(x)}"`)}, got ${show(input)}`;
    return `expected a duration such as "0.5s", got ${show(input)}${durationHint(input, range)}`;
  });
}

const listed = (words: readonly string[]): string =>
  words.length === 1 ? `${words[0]}` : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;

/** One word of several. */
export function oneOf<const T extends string>(...names: readonly T[]): Rule<T> {
  return leaf((input) => {
    if (typeof input === 'string' && (names as readonly string[]).includes(input)) return undefined;
    const meant = typeof input === 'string' ? nearest(input, names) : undefined;
    return `expected ${listed(names.map((name) => `"${name}"`))}, got ${show(input)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
  });
}

/** A status code; comes out as its name in upper case. */
export function statusCode(): Rule<StatusCodeText> {
  return pipe(
    leaf<StatusCodeText>(codeProblem),
    transform((code) => codeName(toCode(code) ?? 0) as StatusCodeText),
  );
}

/** Any text but the empty one. */
export function text(): Rule<string> {
  return leaf((input) => (typeof input === 'string' && input !== '' ? undefined : `expected text that is not empty, got ${show(input)}`));
}

/** A metadata key. */
export function metadataKey(): Rule<string> {
  return leaf(metadataKeyProblem);
}

/** A method or service: as a value, or as the key of a table. */
export function name(kinds: { readonly method?: boolean; readonly service?: boolean }, place: 'value' | 'key'): Rule<string> {
  const { method = false, service = false } = kinds;
  return leaf((input) => nameProblem(input, { method, service, key: place === 'key' }));
}

/** A list of things of one kind. */
export function list<T>(item: Rule<T>, minItems = 0): Rule<readonly T[]> {
  const size = (issue: { readonly input: readonly unknown[] }): string =>
    `expected ${minItems} to ${MAX_ITEMS} elements, got ${issue.input.length === 0 ? 'an empty list' : issue.input.length}`;
  return pipe(
    leaf<unknown[]>((input) => (Array.isArray(input) ? undefined : `expected a list, got ${show(input)}`)),
    minLength(minItems, size),
    maxLength(MAX_ITEMS, size),
    array(item),
  );
}

const isTable = (input: unknown): input is object => typeof input === 'object' && input !== null && !Array.isArray(input);

const objectOr = (alternatives: string): Rule<object> =>
  leaf((input) => (isTable(input) ? undefined : `expected ${alternatives}an object, got ${show(input)}`));

/** A map from names to things of one kind. */
export function table<T>(key: Rule<string>, value: Rule<T>): Rule<{ readonly [name: string]: T }> {
  return pipe(objectOr(''), record(key as GenericSchema<string, string>, value));
}

/** Fields of each message, to find a key that was written one level too high. */
const fieldsOf = new WeakMap<object, readonly string[]>();
/** The rule of each field of a message. */
const entriesOf = new WeakMap<object, Readonly<Record<string, object>>>();

/** What a message's fields are checked by, by name; undefined: the rule is not that of a message. */
export function entriesOfRule(rule: object): Readonly<Record<string, object>> | undefined {
  return entriesOf.get(rule);
}

/**
 * A message. Unknown keys are issues of type `never`, whose message is the list of keys that would do, separated by
 * spaces: the rule cannot know the key itself.
 */
export function fields<T extends object>(
  entries: { readonly [K in keyof T]-?: Rule<NonNullable<T[K]>> },
  more: { readonly required?: readonly (keyof T)[]; readonly shorthands?: readonly string[] } = {},
): Rule<T> {
  const known = Object.keys(entries);
  const below = known.flatMap((key) => (fieldsOf.get(entries[key as keyof T]) ?? []).map((field) => `${key}.${field}`));
  const checked = Object.fromEntries(
    known.map((key) => [key, more.required?.includes(key as keyof T) ? entries[key as keyof T] : optional(entries[key as keyof T])]),
  );
  const alternatives = (more.shorthands ?? []).map((word) => `"${word}"`).join(', ');
  const rule = pipe(
    objectOr(alternatives === '' ? '' : `${alternatives} or `),
    objectWithRest(checked, never([...known, ...below].join(' ')), 'required, but not given'),
  ) as unknown as Rule<T>;
  fieldsOf.set(rule, known);
  entriesOf.set(rule, entries);
  return rule;
}

/** A message that a bare word may stand for: `'auto'` is `{ mode: 'auto' }`. */
export function shorthand<T extends object>(field: keyof T & string, message: Rule<T>): Rule<T> {
  const rule = pipe(
    unknown(),
    transform((input) => (typeof input === 'string' ? { [field]: input } : input)),
    message,
  );
  fieldsOf.set(rule, fieldsOf.get(message) ?? []);
  entriesOf.set(rule, entriesOf.get(message) ?? {});
  return rule;
}
