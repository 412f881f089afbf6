/**
 * Where two messages differ, as paths of fields: never their values.
 *
 * Compared are messages as a codec decodes them, so that neither the order of fields and map entries on the wire nor fields that
 * nobody knows make a difference.
 *
 * @packageDocumentation
 */

import { isDate } from 'node:util/types';

/** Paths that are told of two messages, at most. */
const MAX_PATHS = 8;
const MAX_DEPTH = 64;

/** A message of a codec that writes plain objects on request (google-protobuf). */
interface Convertible {
  toObject(): unknown;
}

/**
 * Paths such as `user.name` or `items.etag`: places in lists and keys of maps are left out, so that there are only as many as the
 * type has. Empty: the two say the same.
 *
 * @param ignored - Paths that are not looked at, nor what is below them.
 */
export function differences(a: unknown, b: unknown, ignored: ReadonlySet<string> = NONE): readonly string[] {
  const found = new Set<string>();
  walk(a, b, '', ignored, found, 0);
  return [...found];
}

const NONE: ReadonlySet<string> = new Set();

function walk(left: unknown, right: unknown, path: string, ignored: ReadonlySet<string>, found: Set<string>, depth: number): void {
  if (found.size >= MAX_PATHS || ignored.has(path)) return;
  const a = opened(left);
  const b = opened(right);
  if (Object.is(a, b) || a === b) return;
  const at = path === '' ? '(message)' : path;
  if (!isObject(a) || !isObject(b) || depth > MAX_DEPTH) {
    found.add(at);
  } else if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)) found.add(at);
  } else if (isDate(a) || isDate(b)) {
    if (!(isDate(a) && isDate(b) && Number(a) === Number(b))) found.add(at);
  } else if (Array.isArray(a) || Array.isArray(b)) {
    if (!(Array.isArray(a) && Array.isArray(b) && a.length === b.length)) found.add(at);
    else for (const [index, item] of a.entries()) walk(item, b[index], path, ignored, found, depth + 1);
  } else if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map && b instanceof Map && a.size === b.size && [...a.keys()].every((key) => b.has(key)))) found.add(at);
    else for (const [key, value] of a) walk(value, b.get(key), path, ignored, found, depth + 1);
  } else {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      walk(Reflect.get(a, key), Reflect.get(b, key), path === '' ? key : `${path}.${key}`, ignored, found, depth + 1);
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** What has a plain form of its own is compared in that: its insides may differ without meaning. */
function opened(value: unknown): unknown {
  return isObject(value) && 'toObject' in value && typeof value.toObject === 'function' ? (value as Convertible).toObject() : value;
}
