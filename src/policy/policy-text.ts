/**
 * Checks the text of a policy document: YAML, or JSON, which is YAML too. Messages carry line and column.
 *
 * Apart from `load.ts`, because the YAML parser takes longer to import than all the rest, and most policies are objects.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import { checkPolicy, problemsError } from './parse.ts';
import { keysOf } from './places.ts';
import type { Policy } from './policy.gen.ts';
import { readYaml, type YamlSource } from './yaml-source.ts';

/** Checks the text of a policy document. `file` is what messages call it. */
export function parsePolicyText(text: string, file: string): Policy {
  const source = readYaml(text);
  const { fault } = source;
  if (fault !== undefined) {
    const path = fault.keys === undefined ? '' : ` ${showPath('policy', fault.keys)}`;
    throw new ConfigError(`${placeOf(source, file, fault.offset)}${path}`, fault.problem);
  }
  const checked = checkPolicy(source.plain);
  if (checked.problems === undefined) return checked.policy;
  throw problemsError(
    checked.problems,
    ({ keys, unknown = [] }) => `${placeOf(source, file, source.offsetOf([...keys, ...unknown]))} ${showPath('policy', keys)}`,
  );
}

/** A place of the policy, `policy.methods["a.B/C"].batch`, with its line and column in the text that it was read from. */
export function locate(text: string, file: string, path: string): string {
  const source = readYaml(text);
  return `${placeOf(source, file, source.offsetOf(keysOf(path)))} ${path}`;
}

function placeOf(source: YamlSource, file: string, offset: number): string {
  const { line, column } = source.position(offset);
  return `${file}:${line}:${column}`;
}
