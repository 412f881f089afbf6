/**
 * Case ids in the titles of tests, read without running them.
 *
 * A title is the text given to `test`, `it` or `describe`, every text in the table given to their `.each` and `.for`, an `id`, `name`,
 * `what` or `title` in a table, and the first text of a row of several words. Comments name cases too, but test nothing.
 *
 * @packageDocumentation
 */

interface Token {
  readonly kind: 'text' | 'word' | 'mark';
  readonly text: string;
}

const SPACE = /\s+|\/\/.*|\/\*[\s\S]*?\*\//y;
const TEXT = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/y;
const WORD = /[\w$#]+/y;
const REGEXP = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** After these a slash begins a regular expression; after all else it divides. */
const BEFORE_REGEXP: ReadonlySet<string> = new Set(['(', ',', '=', ':', '[', '!', '&', '|', '?', '{', '}', ';', '>', 'return']);

function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const eat = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [text] = pattern.exec(source) ?? [];
    if (text !== undefined) at += text.length;
    return text;
  };
  while (at < source.length) {
    if (eat(SPACE) !== undefined) continue;
    const text = eat(TEXT);
    if (text !== undefined) {
      tokens.push({ kind: 'text', text: text.slice(1, -1) });
      continue;
    }
    const last = tokens.at(-1);
    if (source[at] === '/' && (last === undefined || BEFORE_REGEXP.has(last.text)) && eat(REGEXP) !== undefined) continue;
    const word = eat(WORD);
    tokens.push(word === undefined ? { kind: 'mark', text: source[at++] ?? '' } : { kind: 'word', text: word });
  }
  return tokens;
}

const TITLED: ReadonlySet<string> = new Set(['test', 'it', 'describe']);
const NAMED: ReadonlySet<string> = new Set(['id', 'name', 'what', 'title']);

/** The titles in the source of a test file. */
export function titlesIn(source: string): readonly string[] {
  const tokens = tokensOf(source);
  const is = (index: number, text: string): boolean => tokens[index]?.kind === 'mark' && tokens[index].text === text;
  const titles: string[] = [];
  for (const [index, { kind, text }] of tokens.entries()) {
    if (kind === 'word' && TITLED.has(text) && !is(index - 1, '.')) titles.push(...ofCall(tokens, index + 1));
    if (kind !== 'text') continue;
    const before = tokens[index - 2];
    if (is(index - 1, ':') && before?.kind === 'word' && NAMED.has(before.text)) titles.push(text);
    else if (is(index - 1, '[') && text.includes(' ')) titles.push(text);
  }
  return titles;
}

/** From behind `test`: `.skip.each(table)('title'`: the table's texts and the title. */
function ofCall(tokens: readonly Token[], start: number): readonly string[] {
  const texts: string[] = [];
  for (let i = start; i < tokens.length; ) {
    const token = tokens[i];
    if (token?.kind === 'mark' && token.text === '.') {
      i += 2;
      continue;
    }
    if (token?.kind !== 'mark' || token.text !== '(') return texts;
    const word = tokens[i - 1]?.text;
    const first = tokens[i + 1];
    if (word !== 'each' && word !== 'for' && word !== 'skipIf' && word !== 'runIf')
      return first?.kind === 'text' ? [...texts, first.text] : texts;
    const end = closing(tokens, i);
    for (const inside of tokens.slice(i, end)) if (inside.kind === 'text') texts.push(inside.text);
    i = end + 1;
  }
  return texts;
}

function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const token = tokens[i];
    if (token?.kind !== 'mark') continue;
    if ('([{'.includes(token.text)) depth++;
    else if (')]}'.includes(token.text) && --depth === 0) return i;
  }
  return tokens.length;
}

/** Proposals of gRPC are called A6, A43, ... as some cases are. */
const PROPOSAL = /\bgRFCs? A\d+(?:(?:,| and) A\d+)*|\bA\d+(?='s| mode| throttl)/g;
const RANGE = /\b([A-Z])(\d+)(?:-|–|\.\.\.?|…)(?:([A-Z]))?(\d+)\b/g;
const ID = /\b[A-Z]\d+\b/g;

/** The ids that a title names; `R6-R7`, `R6..R7` and `R6-7` name all from the first to the last. */
export function idsIn(title: string): readonly string[] {
  const plain = title.replace(PROPOSAL, '');
  const ids = plain.replace(RANGE, (text, letter: string, from: string, again: string | undefined, to: string) => {
    const count = Number(to) - Number(from) + 1;
    if ((again !== undefined && again !== letter) || count < 1 || count > 100) return text;
    return Array.from({ length: count }, (_, i) => `${letter}${Number(from) + i}`).join(' ');
  });
  return [...new Set(ids.match(ID) ?? [])];
}
