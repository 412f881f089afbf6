/**
 * The text of a policy: what it says, what is wrong with it, and where each part stands.
 *
 * @packageDocumentation
 */
import { showPath } from '../input/show.ts';
import { checkPolicy, type Problem } from '../policy/parse.ts';
import type { Policy } from '../policy/policy.gen.ts';
import { readYaml } from '../policy/yaml-source.ts';
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
  /** It is no YAML, or none that everybody reads alike. */
  readonly fault: (Position & { readonly path: string; readonly message: string }) | undefined;
  /** It is YAML, but no policy. */
  readonly problems: readonly Problem[];
  at(keys: Keys): Position;
}

/** Reads a text; never throws. */
export function readDocument(text: string): LintDocument {
  const source = readYaml(text);
  const at = (keys: Keys): Position => source.position(source.offsetOf(keys));
  const { fault } = source;
  if (fault !== undefined) {
    const place = { ...source.position(fault.offset), path: pathOf(fault.keys ?? []) };
    return { policy: undefined, fault: { ...place, message: fault.problem }, problems: [], at };
  }
  const { policy, problems = [] } = checkPolicy(source.plain);
  return { policy, fault: undefined, problems, at };
}

/** Where a problem stands, in words. */
export function pathOf(keys: Keys): string {
  return showPath('policy', keys);
}
