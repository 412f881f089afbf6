/**
 * How a value of the user's looks in a message: short, on one line, and harmless in a terminal or a log.
 *
 * @packageDocumentation
 */

/** Most characters of a value that a message repeats. */
export const MAX_SHOWN = 80;

/** Control characters that JSON leaves as they are, and those that turn the direction of text. */
const UNSAFE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text in quotes, escaped, at most {@link MAX_SHOWN} characters. */
export function quote(text: string): string {
  // A character takes six at most when escaped, so that cutting first bounds the work and cutting again the length.
  const escaped = JSON.stringify(text.slice(0, MAX_SHOWN)).replaceAll(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return escaped.length <= MAX_SHOWN && text.length <= MAX_SHOWN ? escaped : `${escaped.slice(0, MAX_SHOWN - 2)}…"`;
}

/** A value as the user may recognise it. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'undefined':
      return 'nothing';
    case 'symbol':
      return value.description ?? 'a symbol';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
      return 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value).slice(0, MAX_SHOWN);
  }
}

const PLAIN_KEY = /^[A-Za-z_$][\w$]{0,79}$/;

/** Where in the input, in JavaScript notation: `policy.methods["a.B/C"].retryableStatusCodes[2]`. */
export function showPath(name: string, keys: readonly (string | number)[]): string {
  let path = name;
  for (const key of keys) path += typeof key === 'number' ? `[${key}]` : PLAIN_KEY.test(key) ? `.${key}` : `[${quote(key)}]`;
  return path;
}
