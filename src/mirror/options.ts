/**
 * What a mirror may say.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { CallMatcher, type CallMatchOptions } from '../route/match.ts';

/** Which unary calls are copied, and what is done with the answers. */
export interface MirrorOptions {
  /** @defaultValue every unary call */
  readonly match?: CallMatchOptions;
  /** How many of a hundred calls are copied, 0 to 100, by chance. @defaultValue 100 */
  readonly percent?: number;
  /** Copies that may be unanswered at a time, 1 to 10,000; beyond, none is sent. @defaultValue 64 */
  readonly maxInFlight?: number;
  /** Longest wait for the answer to a copy in ms, > 0. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Compare the two answers. @defaultValue false */
  readonly compare?: boolean;
  /** Fields of the response that may differ, `createdAt` or `items.etag`. @defaultValue none */
  readonly ignoreFields?: readonly string[];
}

/** {@link MirrorOptions} with everything filled in. */
export interface MirrorRules {
  readonly matcher: CallMatcher;
  /** 0 to 1. */
  readonly share: number;
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  readonly compare: boolean;
  readonly ignoreFields: readonly string[];
}

const KEYS = [
  'match',
  'percent',
  'maxInFlight',
  'timeoutMs',
  'compare',
  'ignoreFields',
] as const satisfies readonly (keyof MirrorOptions)[];
const MATCH_KEYS = ['methods', 'headers'] as const satisfies readonly (keyof CallMatchOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveMirror(options: MirrorOptions, path: string): MirrorRules {
  const { match, percent, maxInFlight, timeoutMs, compare = false, ignoreFields = [] } = checkedObject(options, KEYS, path);
  checkedObject(match, MATCH_KEYS, `${path}.match`);
  if (typeof compare !== 'boolean') throw new ConfigError(`${path}.compare`, `expected true or false, got ${show(compare)}`);
  if (!Array.isArray(ignoreFields)) throw new ConfigError(`${path}.ignoreFields`, `expected a list of fields, got ${show(ignoreFields)}`);
  ignoreFields.forEach((field: unknown, index) => {
    if (typeof field !== 'string' || field === '')
      throw new ConfigError(`${path}.ignoreFields[${index}]`, `expected a field such as "items.etag", got ${show(field)}`);
  });
  if (ignoreFields.length > 0 && !compare) throw new ConfigError(`${path}.ignoreFields`, 'expected only with compare, which it belongs to');
  return {
    matcher: new CallMatcher((match as CallMatchOptions | undefined) ?? {}, `${path}.match`),
    share: checkedNumber(percent, 100, { min: 0, max: 100 }, `${path}.percent`) / 100,
    maxInFlight: checkedNumber(maxInFlight, 64, { min: 1, max: 10_000, integer: true }, `${path}.maxInFlight`),
    timeoutMs: checkedNumber(timeoutMs, 5000, { min: 0, above: true, ms: true }, `${path}.timeoutMs`),
    compare,
    ignoreFields,
  };
}
