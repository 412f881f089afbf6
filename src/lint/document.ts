/**
 * The text of a policy: what it says, what is wrong with it, and where each part stands.
 *
 * @packageDocumentation
 */
import { LineCounter, parseDocument } from 'yaml';
import { showPath } from '../input/show.ts';
import { checkPolicy, type Problem } from '../policy/parse.ts';
import type { Policy } from '../policy/policy.gen.ts';
import { offsetOf } from '../policy/policy-text.ts';
import type { Keys } from './context.ts';

/** A place in the text, both numbers from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A document as lint sees it. */
export interface LintDocument {
  /** Undefined where something is wrong with it. */
  readonly policy: Policy | undefined;
  /** It is no YAML. */
  readonly fault: (Position & { readonly message: string }) | undefined;
  /** It is YAML, but no policy. */
  readonly problems: readonly Problem[];
  at(keys: Keys): Position;
}

/** As in policy-text.ts: bounds what aliases of aliases may grow to. */
const MAX_ALIASES = 100;

/** Reads a text; never throws. */
export function readDocument(text: string): LintDocument {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, logLevel: 'error' });
  const at = (keys: Keys): Position => position(offsetOf(document.contents, keys));
  const broken = (offset: number, message: string): LintDocument => ({
    policy: undefined,
    fault: { ...position(offset), message: message.split('\n')[0] ?? '' },
    problems: [],
    at,
  });
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) return broken(first.pos[0], `not YAML: ${first.message}`);
  if (document.contents === null) return broken(0, 'expected a policy, got an empty file; {} is all defaults');
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    return broken(0, `not YAML: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  const { policy, problems = [] } = checkPolicy(plain);
  return { policy, fault: undefined, problems, at };
}

/** Where a problem stands, in words. */
export function pathOf(keys: Keys): string {
  return showPath('policy', keys);
}
