/**
 * Whether a text, or its absence, is the one that is looked for.
 *
 * Source: Envoy's `HeaderMatcher`, gRFC A28.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { Pattern } from './pattern.ts';
import { PatternError } from './pattern-syntax.ts';

/** One of the first four; without any, `present: true`. */
export interface ValueOptions {
  /** The whole value. */
  readonly exact?: string;
  /** How the value begins. */
  readonly prefix?: string;
  /** Fits the whole value. RE2's syntax without assertions and flags, in linear time. */
  readonly regex?: string;
  /** Whether there is a value at all. */
  readonly present?: boolean;
  /** Holds where the rest does not. @defaultValue false */
  readonly invert?: boolean;
}

/** The keys of {@link ValueOptions}. */
export const VALUE_KEYS: readonly string[] = ['exact', 'prefix', 'regex', 'present', 'invert'];

/** Tells whether a value is meant; undefined: there is none. */
export type ValueTest = (value: string | undefined) => boolean;

/** @throws ConfigError when more than one is given, or the expression is none. */
export function valueTest(options: ValueOptions, path: string): ValueTest {
  const { exact, prefix, regex, present, invert = false } = checkedObject(options, VALUE_KEYS, path);
  const given = Object.entries({ exact, prefix, regex, present }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new ConfigError(path, `expected one of exact, prefix, regex and present, got ${given.map(([key]) => key).join(' and ')}`);
  for (const [key, value] of [
    ['present', present],
    ['invert', invert],
  ] as const)
    if (value !== undefined && typeof value !== 'boolean')
      throw new ConfigError(`${path}.${key}`, `expected true or false, got ${show(value)}`);
  for (const [key, value] of [
    ['exact', exact],
    ['prefix', prefix],
    ['regex', regex],
  ] as const)
    if (value !== undefined && typeof value !== 'string') throw new ConfigError(`${path}.${key}`, `expected text, got ${show(value)}`);
  const test = positive({ exact, prefix, regex, present } as ValueOptions, path);
  return invert === true ? (value) => !test(value) : test;
}

function positive({ exact, prefix, regex, present = true }: ValueOptions, path: string): ValueTest {
  if (exact !== undefined) return (value) => value === exact;
  if (prefix !== undefined) return (value) => value?.startsWith(prefix) === true;
  if (regex === undefined) return (value) => (value !== undefined) === present;
  const pattern = patternAt(regex, `${path}.regex`);
  return (value) => value !== undefined && pattern.matches(value);
}

function patternAt(text: string, path: string): Pattern {
  try {
    return new Pattern(text);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new ConfigError(path, `expected an expression of RE2's syntax without assertions, got ${show(text)}: ${error.message}`);
  }
}
