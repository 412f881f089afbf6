/**
 * The text of a policy document as YAML 1.2, or JSON, which is YAML too: read within bounds, and without what YAML has two opinions on.
 *
 * The parser itself takes a square of the time for twice the keys or anchors, and a call of its own for each level; so all three are
 * bounded or done here. What a file can mean in one version of YAML and not in the other is refused: merge keys, numbers that begin
 * with 0, `%YAML 1.1`.
 *
 * @packageDocumentation
 */
import { Composer, type Document, isAlias, isMap, isNode, isScalar, isSeq, Lexer, LineCounter, Parser, type YAMLMap } from 'yaml';
import { quote } from '../input/show.ts';

/** Keys from the root of the document. */
type Keys = readonly (string | number)[];

/** What is wrong with a text before it is looked at as a policy. */
export interface YamlFault {
  readonly offset: number;
  /** Of the place in the document, where it has one. */
  readonly keys: Keys | undefined;
  readonly problem: string;
}

/** A text that was read. */
export interface YamlSource {
  /** Plain values; undefined where there is a fault. */
  readonly plain: unknown;
  readonly fault: YamlFault | undefined;
  /** Line and column of an offset, both from 1. */
  position(offset: number): { readonly line: number; readonly column: number };
  /** Where a place in the document begins; where its nearest existing parent does, if it is not there. */
  offsetOf(keys: Keys): number;
  /** The piece of the text that is the key at a place, or the value there if that is no list and no object; undefined: there is none. */
  pieceOf(keys: Keys, what: 'key' | 'value'): Piece | undefined;
}

/** A piece of a text: from its first character up to the one behind it. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

/** The document is six deep; each level takes up to two places on the parser's stack. */
const MAX_DEPTH = 64;
/** Anchors and aliases in one text: the parser looks through the whole text for each. */
const MAX_ANCHORS = 500;
/** Bounds what aliases of aliases may grow to ("billion laughs"). */
const MAX_ALIASES = 100;
/** What the lexer gives in front of a scalar's text. */
const SCALAR_FOLLOWS = '\u001f';

/** YAML takes none of them, and the parser all. Text in UTF-16 is full of the first. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/;

/** A fault on its way out of the parser. */
class Refused extends Error {
  readonly offset: number;
  readonly keys: Keys | undefined;
  constructor(offset: number, problem: string, keys?: Keys) {
    super(problem);
    this.offset = offset;
    this.keys = keys;
  }
}

/** Reads a text. Never throws; takes time in proportion to its length. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  let root: unknown;
  const source = (plain: unknown, fault?: YamlFault): YamlSource => ({
    plain,
    fault,
    position(offset) {
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    },
    offsetOf: (keys) => offsetOf(root, keys),
    pieceOf: (keys, what) => pieceOf(root, keys, what),
  });
  try {
    checkCharacters(text, lines);
    const document = compose(text, lines);
    root = document.contents;
    const [first] = [...document.errors, ...document.warnings];
    if (first !== undefined)
      throw new Refused(first.pos[0], `not YAML: ${first.code === 'NON_STRING_KEY' ? 'expected a name as key' : short(first.message)}`);
    checkVersion(document, text);
    if (root === null) throw new Refused(0, 'expected a policy, got an empty file; write {} for all defaults');
    // Whatever file that is, its text has no place in a log.
    if (isScalar(root) && typeof root.value === 'string') throw new Refused(0, 'expected a policy, got text without any key', []);
    checkNode(root, [], new Set());
    return source(plainOf(document));
  } catch (error) {
    if (error instanceof Refused) return source(undefined, { offset: error.offset, keys: error.keys, problem: error.message });
    return source(undefined, {
      offset: 0,
      keys: undefined,
      problem: `not YAML: ${error instanceof Error ? short(error.message) : 'unreadable'}`,
    });
  }
}

function checkCharacters(text: string, lines: LineCounter): void {
  const at = text.search(CONTROL);
  if (at === -1) return;
  for (const { index } of text.slice(0, at).matchAll(/^/gm)) lines.addNewLine(index);
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  throw new Refused(at, `not YAML: expected text, got the control character U+${code}${code === '0000' ? '; is the file in UTF-16?' : ''}`);
}

function compose(text: string, lines: LineCounter): Document.Parsed {
  const composer = new Composer({ prettyErrors: false, stringKeys: true, logLevel: 'error', uniqueKeys: false, version: '1.2' });
  let document: Document.Parsed | undefined;
  for (const one of composer.compose(tokens(text, lines), true, text.length)) {
    if (document !== undefined) throw new Refused(one.range[0], 'not YAML: expected one document, got several');
    document = one as Document.Parsed;
  }
  // The composer was told to give one in any case.
  if (document === undefined) throw new Refused(0, 'not YAML: unreadable');
  return document;
}

/** As the library's own `Parser.parse`, within bounds. */
function* tokens(text: string, lines: LineCounter): ReturnType<Parser['parse']> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let anchors = 0;
  let before = '';
  for (const lexeme of new Lexer().lex(text)) {
    if (before !== SCALAR_FOLLOWS && /^[&*]/.test(lexeme) && ++anchors > MAX_ANCHORS)
      throw new Refused(parser.offset, `expected at most ${MAX_ANCHORS} anchors and aliases, got more`);
    before = lexeme;
    yield* parser.next(lexeme);
    if (parser.stack.length > MAX_DEPTH) throw new Refused(parser.offset, 'nested too deep for a policy');
  }
  yield* parser.end();
}

function checkVersion({ directives }: Document.Parsed, text: string): void {
  if (directives?.yaml.version === '1.1')
    throw new Refused(Math.max(0, text.indexOf('%YAML')), 'expected YAML 1.2, got %YAML 1.1, in which off is false and 010 is 8');
}

/** What the parser does not look at, or not fast enough. `anchors` are those of the text up to here. */
function checkNode(node: unknown, keys: Keys, anchors: Set<string>): void {
  if (isAlias(node) && !anchors.has(node.source))
    throw new Refused(startOf(node), `expected an anchor &${short(node.source)} in front of its alias, got none`, keys);
  if (isNode(node) && !isAlias(node) && node.anchor !== undefined) anchors.add(node.anchor);
  if (isMap(node)) checkMap(node, keys, anchors);
  else if (isSeq(node)) for (const [index, item] of node.items.entries()) checkNode(item, [...keys, index], anchors);
  else if (isScalar(node) && node.type === 'PLAIN' && typeof node.value === 'number' && /^[-+]?0\d/.test(node.source ?? ''))
    throw new Refused(startOf(node), `expected a number without a 0 in front, got ${node.source}; did you mean ${node.value}?`, keys);
}

function checkMap(map: YAMLMap, keys: Keys, anchors: Set<string>): void {
  const seen = new Set<string>();
  for (const { key, value } of map.items) {
    if (!isScalar(key)) throw new Refused(startOf(key), 'expected a name as key', keys);
    const name = String(key.value);
    if (name === '<<' && key.type === 'PLAIN')
      throw new Refused(startOf(key), 'merge keys ("<<") are of YAML 1.1: write the fields out, or give the whole by its alias', keys);
    if (seen.has(name)) throw new Refused(startOf(key), `key ${quote(name)} stands here twice`, keys);
    seen.add(name);
    checkNode(key, keys, anchors);
    checkNode(value, [...keys, name], anchors);
  }
}

function plainOf(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new Refused(0, `not YAML: ${error instanceof Error ? short(error.message) : 'unreadable'}`);
  }
}

const startOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0);

function offsetOf(root: unknown, keys: Keys): number {
  let node: unknown = root;
  let offset = startOf(root);
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) break;
      offset = isNode(pair.key) ? startOf(pair.key) : offset;
      node = pair.value;
    } else {
      node = isSeq(node) ? node.items[Number(key)] : undefined;
      if (!isNode(node)) break;
      offset = startOf(node);
    }
  }
  return offset;
}

function pieceOf(root: unknown, keys: Keys, what: 'key' | 'value'): Piece | undefined {
  let node: unknown = root;
  let named: unknown;
  for (const key of keys) {
    const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === key) : undefined;
    named = pair?.key;
    node = pair === undefined ? (isSeq(node) ? node.items[Number(key)] : undefined) : pair.value;
  }
  const found = what === 'key' ? named : node;
  return isScalar(found) && found.range ? { start: found.range[0], end: found.range[1] } : undefined;
}

/** The parser repeats parts of the text in some messages. */
function short(message: string): string {
  const line = message.split('\n')[0] ?? '';
  return line.length <= 160 ? line : `${line.slice(0, 160)}…`;
}
