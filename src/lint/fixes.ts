/**
 * What `inmesh lint --fix` may change: a name or a value that was misspelt, into the one that was meant.
 *
 * @packageDocumentation
 */
import { quote } from '../input/show.ts';
import { keysOf } from '../policy/places.ts';
import { readYaml, type YamlSource } from '../policy/yaml-source.ts';
import type { Finding } from './codes.ts';
import type { Keys } from './context.ts';

/** A text with what could be mended in it. */
export interface Mended {
  readonly text: string;
  readonly count: number;
}

/** Findings that say what was meant by one word. */
const MENDED: ReadonlySet<string> = new Set(['IM101', 'IM110', 'IM111', 'IM161']);

/** `did you mean "0.5s"?`, or 5, or true. */
const MEANT = /^did you mean ("(?:[^"\\]|\\.)*"|[\w.]+)\?$/;

/** Writes what was meant where it is one word in place of another; nothing is moved, removed or added. */
export function mend(text: string, findings: readonly Finding[]): Mended {
  const source = readYaml(text);
  const edits = new Map<number, { readonly end: number; readonly put: string }>();
  for (const finding of findings) {
    const [, meant] = MENDED.has(finding.code) ? (MEANT.exec(finding.fix ?? '') ?? []) : [];
    const edit = meant === undefined ? undefined : editOf(text, source, finding, meant);
    if (edit !== undefined) edits.set(edit.start, edit);
  }
  let mended = text;
  for (const [start, { end, put }] of [...edits].sort(([a], [b]) => b - a)) mended = mended.slice(0, start) + put + mended.slice(end);
  return { text: mended, count: edits.size };
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly put: string;
}

function editOf(text: string, source: YamlSource, finding: Finding, meant: string): Edit | undefined {
  const keys = keysOf(finding.path);
  const word = meant.startsWith('"') ? String(JSON.parse(meant)) : meant;
  const unknown = finding.message.startsWith('unknown key');
  const isKey = unknown || namesKey(finding, keys);
  const piece = source.pieceOf(keys, isKey ? 'key' : 'value');
  // What is meant may belong somewhere else (`retryPolicy.maxAttempts`), or stand there already.
  if (piece === undefined || (unknown && word.includes('.')) || (isKey && hasKey(source, keys, word))) return undefined;
  const before = text.slice(piece.start, piece.end);
  // In quotes if it was, or has to be: a bare 0.5s is text, but not in JSON.
  const bare = !meant.startsWith('"') || (!/^["']/.test(before) && /^[A-Za-z_][\w./-]*$/.test(word));
  return { ...piece, put: bare ? word : JSON.stringify(word) };
}

/** The name of a method or service is a key in most places, and a value in lists and as `method`. */
function namesKey({ code, message }: Finding, keys: Keys): boolean {
  const last = keys.at(-1);
  if (typeof last !== 'string') return false;
  if (code === 'IM110' || code === 'IM111') return last !== 'method';
  return message.endsWith(`got ${quote(last)}`);
}

function hasKey(source: YamlSource, keys: Keys, name: string): boolean {
  return source.pieceOf([...keys.slice(0, -1), name], 'key') !== undefined;
}
