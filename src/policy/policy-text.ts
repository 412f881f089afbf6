/**
 * Checks the text of a policy document: YAML, or JSON, which is YAML too. Messages carry line and column.
 *
 * Apart from `load.ts`, because the YAML parser takes longer to import than all the rest, and most policies are objects.
 *
 * @packageDocumentation
 */
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import { checkPolicy, problemsError } from './parse.ts';
import type { Policy } from './policy.gen.ts';

/** Bounds what aliases of aliases may grow to ("billion laughs"). */
const MAX_ALIASES = 100;

/** Checks the text of a policy document. `file` is what messages call it. */
export function parsePolicyText(text: string, file: string): Policy {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, logLevel: 'error' });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) throw new ConfigError(at(fault.pos[0]), `not YAML: ${firstLine(fault.message)}`);
  if (document.contents === null) throw new ConfigError(`${file}:1:1`, 'expected a policy, got an empty file; write {} for all defaults');

  const checked = checkPolicy(toPlain(document, file));
  if (checked.problems === undefined) return checked.policy;
  throw problemsError(
    checked.problems,
    ({ keys, unknown = [] }) => `${at(offsetOf(document.contents, [...keys, ...unknown]))} ${showPath('policy', keys)}`,
  );
}

/** A place of the policy, `policy.methods["a.B/C"].batch`, with its line and column in the text that it was read from. */
export function locate(text: string, file: string, path: string): string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, stringKeys: true, logLevel: 'error' });
  const keys = [...path.matchAll(/\.([\w$]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/g)].map(([, plain, quoted, index]) =>
    index === undefined ? (plain ?? String(JSON.parse(`"${quoted}"`))) : Number(index),
  );
  const { line, col } = lines.linePos(offsetOf(document.contents, keys));
  return `${file}:${line}:${col} ${path}`;
}

function toPlain(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new ConfigError(file, `not YAML: ${firstLine(error instanceof Error ? error.message : 'unreadable')}`);
  }
}

/** Where a place in the document begins; where its nearest existing parent does, if it is not there. */
export function offsetOf(root: unknown, keys: readonly (string | number)[]): number {
  let node: unknown = root;
  let offset = isNode(root) ? (root.range?.[0] ?? 0) : 0;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) break;
      offset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else {
      node = isNode(node) && 'items' in node && Array.isArray(node.items) ? node.items[Number(key)] : undefined;
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    }
  }
  return offset;
}

/** The parser repeats parts of the text in some messages. */
const firstLine = (message: string): string => {
  const line = message.split('\n')[0] ?? '';
  return line.length <= 160 ? line : `${line.slice(0, 160)}…`;
};
