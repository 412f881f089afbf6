/**
 * What a fault may say.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { codeProblem, type StatusCodeText, toCode } from '../policy/names.ts';
import { CallMatcher, type CallMatchOptions } from '../route/match.ts';

/** A delay, an abort, or both: first the one, then the other. */
export interface FaultOptions {
  /** Which calls. @defaultValue every call */
  readonly match?: CallMatchOptions;
  /** How many of a hundred that match, 0 to 100, to four decimals, and to the call. @defaultValue 100 */
  readonly percent?: number;
  /** How long they are held back, in ms, > 0. @defaultValue none */
  readonly delayMs?: number;
  /** Status that they end with, by name or number. @defaultValue none */
  readonly abort?: StatusCodeText;
  /** Calls that may be held back at a time, 1 to 100,000; beyond, they pass untouched. @defaultValue 1000 */
  readonly maxActive?: number;
}

/** {@link FaultOptions} with everything filled in. */
export interface FaultRules {
  readonly matcher: CallMatcher;
  readonly percent: number;
  /** 0: none. */
  readonly delayMs: number;
  /** Undefined: none. */
  readonly abort: number | undefined;
  readonly maxActive: number;
}

const KEYS = ['match', 'percent', 'delayMs', 'abort', 'maxActive'] as const satisfies readonly (keyof FaultOptions)[];
const MATCH_KEYS = ['methods', 'headers'] as const satisfies readonly (keyof CallMatchOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveFault(options: FaultOptions, path: string): FaultRules {
  const { match, percent, delayMs, abort, maxActive } = checkedObject(options, KEYS, path);
  checkedObject(match, MATCH_KEYS, `${path}.match`);
  if (delayMs === undefined && abort === undefined) throw new ConfigError(path, 'expected a delay or an abort, got neither');
  const problem = abort === undefined ? undefined : codeProblem(abort);
  if (problem !== undefined) throw new ConfigError(`${path}.abort`, problem);
  return {
    matcher: new CallMatcher((match as CallMatchOptions | undefined) ?? {}, `${path}.match`),
    percent: checkedNumber(percent, 100, { min: 0, max: 100 }, `${path}.percent`),
    delayMs: checkedNumber(delayMs, 0, { min: 0, above: true, ms: true }, `${path}.delayMs`),
    abort: abort === undefined ? undefined : toCode(abort),
    maxActive: checkedNumber(maxActive, 1000, { min: 1, max: 100_000, integer: true }, `${path}.maxActive`),
  };
}

/** The same for a list. */
export function resolveFaults(list: readonly FaultOptions[], path: string): readonly FaultRules[] {
  if (!Array.isArray(list)) throw new ConfigError(path, `expected a list of faults, got ${show(list)}`);
  return list.map((fault: FaultOptions, index) => resolveFault(fault, `${path}[${index}]`));
}
