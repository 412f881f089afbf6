/**
 * Hashes whose values stay the same for ever: which key goes where must not change with a release.
 *
 * Source: the xxHash specification, "XXH32 algorithm description" (github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md);
 * the finalizer of MurmurHash3 (github.com/aappleby/smhasher).
 *
 * @packageDocumentation
 */

const PRIME1 = 0x9e3779b1;
const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;

const rotated = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
const round = (lane: number, word: number): number => Math.imul(rotated((lane + Math.imul(word, PRIME2)) | 0, 13), PRIME1);

/** XXH32: 0 to 2^32 - 1. */
export function xxh32(bytes: Uint8Array, seed = 0): number {
  const word = (at: number): number =>
    (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  const { length } = bytes;
  let at = 0;
  let hash: number;
  if (length < 16) {
    hash = (seed + PRIME5) | 0;
  } else {
    let [a, b, c, d] = [(seed + PRIME1 + PRIME2) | 0, (seed + PRIME2) | 0, seed | 0, (seed - PRIME1) | 0];
    for (; at + 16 <= length; at += 16) {
      a = round(a, word(at));
      b = round(b, word(at + 4));
      c = round(c, word(at + 8));
      d = round(d, word(at + 12));
    }
    hash = (rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18)) | 0;
  }
  hash = (hash + length) | 0;
  for (; at + 4 <= length; at += 4) hash = Math.imul(rotated((hash + Math.imul(word(at), PRIME3)) | 0, 17), PRIME4);
  for (; at < length; at++) hash = Math.imul(rotated((hash + Math.imul(bytes[at] ?? 0, PRIME5)) | 0, 11), PRIME1);
  hash = Math.imul(hash ^ (hash >>> 15), PRIME2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** One more hash for each salt, made from the key's first one: 0 to 2^32 - 1. */
export function salted(hash: number, salt: number): number {
  return fmix32((fmix32(hash) + salt) | 0);
}

/** Every bit of the input changes every bit of the output with a chance of one half. */
function fmix32(input: number): number {
  let hash = Math.imul(input ^ (input >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
