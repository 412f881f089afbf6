/**
 * Reads a regular expression into a program for {@link Pattern}. The syntax is RE2's without assertions, flags, captures that
 * anybody could read, Unicode classes and back references: what is left can be matched in linear time.
 *
 * Source: RE2's syntax (github.com/google/re2/wiki/Syntax); Thompson 1968, "Regular Expression Search Algorithm".
 *
 * @packageDocumentation
 */

/** Code points from, to, from, to, ...; negated: all others. */
export interface CharSet {
  readonly ranges: readonly number[];
  readonly negated: boolean;
}

/** One step: take a character, go two ways at once, or go elsewhere. Behind the last step the text has matched. */
export type Step = { readonly set: CharSet } | { readonly split: readonly [number, number] } | { readonly jump: number };

/** Why a text is no expression of ours; `message` is the reason alone. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** Steps of one program; a match takes at most so many for each character. */
const MAX_STEPS = 500;
const MAX_REPEAT = 100;
const MAX_DEPTH = 50;
const MAX_POINT = 0x10ffff;

const DIGIT: readonly number[] = [48, 57];
const WORD: readonly number[] = [48, 57, 65, 90, 95, 95, 97, 122];
const SPACE: readonly number[] = [9, 10, 12, 13, 32, 32];
const CLASSES: Readonly<Record<string, CharSet>> = {
  d: { ranges: DIGIT, negated: false },
  D: { ranges: DIGIT, negated: true },
  w: { ranges: WORD, negated: false },
  W: { ranges: WORD, negated: true },
  s: { ranges: SPACE, negated: false },
  S: { ranges: SPACE, negated: true },
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };
const ANY: CharSet = { ranges: [10, 10], negated: true };

/** Steps whose targets count from their own first. */
type Fragment = readonly Step[];

/** @throws PatternError that says what is not taken. */
export function compilePattern(text: string): readonly Step[] {
  return new PatternReader(text).read();
}

class PatternReader {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#chars = [...text];
  }

  read(): readonly Step[] {
    if (this.#next === '^') this.#at++; // the whole value is meant anyway
    const program = this.#alternatives();
    if (this.#next === ')') throw new PatternError('")" without "("');
    return program;
  }

  get #next(): string | undefined {
    return this.#chars[this.#at];
  }

  #alternatives(): Fragment {
    if (++this.#depth > MAX_DEPTH) throw new PatternError('groups nested too deep');
    let left = this.#sequence();
    while (this.#next === '|') {
      this.#at++;
      const right = this.#sequence();
      left = sized([
        { split: [1, left.length + 2] },
        ...shifted(left, 1),
        { jump: left.length + right.length + 2 },
        ...shifted(right, left.length + 2),
      ]);
    }
    this.#depth--;
    return left;
  }

  #sequence(): Fragment {
    let all: Fragment = [];
    for (;;) {
      const char = this.#next;
      if (char === undefined || char === '|' || char === ')') return all;
      if (char === '$' && this.#at === this.#chars.length - 1) {
        this.#at++;
        return all;
      }
      const item = this.#repeated(this.#item());
      all = sized([...all, ...shifted(item, all.length)]);
    }
  }

  #item(): Fragment {
    const char = this.#chars[this.#at++] ?? '';
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return [{ set: this.#charClass() }];
      case '.':
        return [{ set: ANY }];
      case '\\':
        return [{ set: this.#escape() }];
      case '*':
      case '+':
      case '?':
        throw new PatternError(`nothing before "${char}"`);
      case '^':
      case '$':
        throw new PatternError(`"${char}" in the middle: the whole value is matched anyway`);
      default:
        return [{ set: only(char) }];
    }
  }

  #group(): Fragment {
    if (this.#next === '?') {
      if (this.#chars[this.#at + 1] !== ':') throw new PatternError('groups that begin with "(?" other than "(?:" are not taken');
      this.#at += 2;
    }
    const inner = this.#alternatives();
    if (this.#chars[this.#at++] !== ')') throw new PatternError('"(" without ")"');
    return inner;
  }

  #repeated(item: Fragment): Fragment {
    const char = this.#next;
    let repeated: Fragment;
    if (char === '*') repeated = star(item);
    else if (char === '+') repeated = joined([item, star(item)]);
    else if (char === '?') repeated = maybe(item);
    else if (char === '{') {
      const bounds = this.#bounds();
      if (bounds === undefined) return item;
      repeated = counted(item, ...bounds);
      this.#at--;
    } else return item;
    this.#at++;
    if (this.#next === '?') this.#at++; // lazy: for a whole match the same
    if (this.#next === '*' || this.#next === '+' || this.#next === '?') throw new PatternError('two repetitions in a row');
    return sized(repeated);
  }

  /** `{2}`, `{2,}`, `{2,5}`; the position is then behind it. */
  #bounds(): readonly [number, number] | undefined {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join('');
    const found = /^\{(\d+)(,(\d*))?\}/.exec(rest);
    if (found === null) throw new PatternError('"{" that is no repetition: write "\\{"');
    const least = Number(found[1]);
    const most = found[2] === undefined ? least : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    if (least > MAX_REPEAT || (most > MAX_REPEAT && most !== Number.POSITIVE_INFINITY))
      throw new PatternError(`more than ${MAX_REPEAT} repetitions`);
    if (least > most) throw new PatternError(`"${found[0]}" goes backwards`);
    this.#at += found[0].length;
    return [least, most];
  }

  #escape(): CharSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new PatternError('"\\" at the end');
    const known = CLASSES[char];
    if (known !== undefined) return known;
    const control = CONTROLS[char];
    if (control !== undefined) return { ranges: [control, control], negated: false };
    if (/[A-Za-z0-9]/.test(char)) throw new PatternError(`"\\${char}" is not taken`);
    return only(char);
  }

  #charClass(): CharSet {
    const negated = this.#next === '^';
    if (negated) this.#at++;
    const ranges: number[] = [];
    for (let first = true; ; first = false) {
      const char = this.#chars[this.#at++];
      if (char === undefined) throw new PatternError('"[" without "]"');
      if (char === ']' && !first) return { ranges, negated };
      const from = char === '\\' ? this.#escape() : only(char);
      const low = single(from);
      if (this.#next !== '-' || this.#chars[this.#at + 1] === ']' || this.#chars[this.#at + 1] === undefined) {
        ranges.push(...plain(from));
        continue;
      }
      this.#at++;
      const end = this.#chars[this.#at++] ?? '';
      const high = single(end === '\\' ? this.#escape() : only(end));
      if (low === undefined || high === undefined || high < low)
        throw new PatternError('a range in "[ ]" that goes backwards, or from a class');
      ranges.push(low, high);
    }
  }
}

function only(char: string): CharSet {
  const point = char.codePointAt(0) ?? 0;
  return { ranges: [point, point], negated: false };
}

/** The one code point of a set; undefined: it has others. */
function single({ ranges, negated }: CharSet): number | undefined {
  return !negated && ranges.length === 2 && ranges[0] === ranges[1] ? ranges[0] : undefined;
}

/** The ranges of a set without a negation. */
function plain({ ranges, negated }: CharSet): readonly number[] {
  if (!negated) return ranges;
  const others: number[] = [];
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const [low = 0, high = 0] = ranges.slice(i, i + 2);
    if (low > from) others.push(from, low - 1);
    from = high + 1;
  }
  return [...others, from, MAX_POINT];
}

function sized(fragment: Fragment): Fragment {
  if (fragment.length > MAX_STEPS) throw new PatternError('too long');
  return fragment;
}

function shifted(fragment: Fragment, by: number): Fragment {
  return fragment.map((step) => {
    if ('split' in step) return { split: [step.split[0] + by, step.split[1] + by] as const };
    return 'jump' in step ? { jump: step.jump + by } : step;
  });
}

function joined(parts: readonly Fragment[]): Fragment {
  let all: Fragment = [];
  for (const part of parts) all = sized([...all, ...shifted(part, all.length)]);
  return all;
}

const star = (item: Fragment): Fragment => [{ split: [1, item.length + 2] }, ...shifted(item, 1), { jump: 0 }];
const maybe = (item: Fragment): Fragment => [{ split: [1, item.length + 1] }, ...shifted(item, 1)];

function counted(item: Fragment, least: number, most: number): Fragment {
  const needed: Fragment[] = new Array<Fragment>(least).fill(item);
  if (most === Number.POSITIVE_INFINITY) return joined([...needed, star(item)]);
  let rest: Fragment = [];
  for (let i = least; i < most; i++) rest = sized(maybe(joined([item, rest])));
  return joined([...needed, rest]);
}
