/** One change to a document: something is left out, renamed, given another type or value, put elsewhere, or added. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { allFields } from '../src/policy/schema-fields.ts';

export type Keys = readonly (string | number)[];

/** A change, by numbers alone: which document, which place, what. So it shrinks to the smallest document and the first place. */
export interface Mutation {
  readonly document: number;
  readonly site: number;
  readonly kind: number;
  readonly other: number;
}

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  document: fc.nat(),
  site: fc.nat(),
  kind: fc.nat(),
  other: fc.nat(),
});

/** A document that was changed, and where. */
export interface Mutated {
  readonly input: unknown;
  readonly keys: Keys;
  /** What was done; in words when somebody asks. */
  what(): string;
}

/** Values that are wrong nearly everywhere, or right somewhere else. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  0.5,
  -0,
  7,
  500,
  1e9,
  2 ** 32,
  Number.POSITIVE_INFINITY,
  Number.NaN,
  '',
  ' ',
  'auto',
  'AUTO',
  'off',
  'yes',
  '5',
  '0s',
  '0.5s',
  '1s',
  '500ms',
  '-1s',
  '99999999999999s',
  'UNAVAILABLE',
  'unavailable',
  'OK',
  'a.B',
  'a.B/C',
  '/a.B/C',
  'x-key',
  'X-Key',
  'authorization',
  'one',
  'none',
  '\u0000',
  'x'.repeat(300),
  [],
  {},
  ['a.B'],
  ['UNAVAILABLE'],
  [null],
  { a: 1 },
  undefined,
  10n,
  Symbol.iterator,
  new Date(0),
  new Map(),
];

const NAMES: readonly string[] = [
  ...new Set(allFields().map((field) => field.split('.')[1] ?? '')),
  ...['__proto__', 'constructor', 'prototype', 'toString', '', 'a.B', 'a.B/C', '/a.B/C', 'name', '0'],
];

const MISSPELT: readonly ((key: string) => string)[] = [
  (key) => key.slice(1),
  (key) => `${key}s`,
  (key) => key.toUpperCase(),
  (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  (key) => ` ${key}`,
  (key) => (key[1] ?? '') + (key[0] ?? '') + key.slice(2),
];

/** Every place of a document, the nearest to the root first. */
export function sitesOf(document: unknown): Keys[] {
  const sites: Keys[] = [];
  const queue: Keys[] = [[]];
  for (const keys of queue) {
    const value = at(document, keys);
    if (typeof value !== 'object' || value === null) continue;
    const inner = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
    for (const key of inner) queue.push([...keys, key]);
    sites.push(...inner.map((key) => [...keys, key]));
  }
  return sites;
}

export function at(document: unknown, keys: Keys): unknown {
  return keys.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    document,
  );
}

const pick = <T>(list: readonly T[], index: number): T => {
  const found = list[index % list.length];
  if (found === undefined && list.length === 0) throw new Error('nothing to pick from');
  return found as T;
};

/** Makes a change. `sites` are those of the document. */
export function mutate(document: unknown, sites: readonly Keys[], { site, kind, other }: Mutation): Mutated {
  // Not structuredClone: what stands in two places would stay one object.
  const input: unknown = JSON.parse(JSON.stringify(document));
  const keys = pick(sites, site);
  const parent = at(input, keys.slice(0, -1));
  const key = keys.at(-1) ?? '';
  const value = at(document, keys);
  const show = (to: unknown): string => inspect(to, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  if (typeof parent !== 'object' || parent === null) throw new Error('a place is in something');
  const set = (to: unknown, what: () => string): Mutated => {
    Object.defineProperty(parent, key, { value: to, enumerable: true, configurable: true, writable: true });
    return { input, keys, what };
  };
  const rename = (to: string): Mutated => {
    Reflect.deleteProperty(parent, key);
    Object.defineProperty(parent, to, { value, enumerable: true, configurable: true, writable: true });
    return { input, keys: [...keys.slice(0, -1), to], what: () => `renamed ${key} to ${show(to)}` };
  };
  switch (kind % 7) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else Reflect.deleteProperty(parent, key);
      return { input, keys, what: () => 'left out' };
    case 1:
      return Array.isArray(parent) ? set({ [pick(NAMES, other)]: value }, () => 'put under a name') : rename(pick(NAMES, other));
    case 2:
      return Array.isArray(parent) ? set([value], () => 'put in a list') : rename(pick(MISSPELT, other)(String(key)));
    case 3:
      return set(retagged(value, other), () => `another type than ${show(value)}`);
    case 4: {
      const from = pick(sites, other);
      return set(structuredClone(at(document, from)), () => `the value of ${from.join('.')}`);
    }
    case 5: {
      const name = pick(NAMES, other);
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return set(pick(VALUES, other), () => `set to ${show(pick(VALUES, other))}`);
      Object.defineProperty(at(input, keys), name, { value: pick(VALUES, site), enumerable: true, configurable: true, writable: true });
      return { input, keys: [...keys, name], what: () => `${name} added: ${show(pick(VALUES, site))}` };
    }
    default:
      return set(pick(VALUES, other), () => `set to ${show(pick(VALUES, other))}`);
  }
}

function retagged(value: unknown, how: number): unknown {
  if (typeof value === 'number') return pick([String(value), [value], { value }, `${value}s`, value > 0], how);
  if (typeof value === 'boolean') return pick([String(value), Number(value), value ? 'yes' : 'no', [value], { value }], how);
  if (typeof value === 'string') return pick([Number.parseFloat(value), [value], { value }, value.toUpperCase(), ` ${value}`, true], how);
  if (Array.isArray(value)) return pick([value[0], Object.fromEntries(value.entries()), JSON.stringify(value), true], how);
  return pick([Object.values(Object(value)), JSON.stringify(value), 1, [value], null], how);
}
