/**
 * Places in a document, as messages write them and as keys.
 *
 * @packageDocumentation
 */
import type { Keys } from './context.ts';

/** `policy.methods["a.B/C"].codes[2]` as keys; what stands in front of the first dot is left out. */
export function keysOf(path: string): Keys {
  return [...path.matchAll(/\.([\w$]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/g)].map(([, plain, quoted, index]) =>
    index === undefined ? (plain ?? String(JSON.parse(`"${quoted}"`))) : Number(index),
  );
}
