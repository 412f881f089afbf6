/**
 * Places in a document, as messages write them and as keys.
 *
 * @packageDocumentation
 */

/** `policy.methods["a.B/C"].codes[2]` as keys; what stands in front of the first dot is left out. */
export function keysOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(/\.([\w$]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/g)].map(([, plain, quoted = '', index]) =>
    index === undefined ? (plain ?? unquoted(quoted)) : Number(index),
  );
}

/** Messages cut long keys, and may do so in the middle of an escape. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}
