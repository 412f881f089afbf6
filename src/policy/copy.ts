/**
 * A copy of what we are given that is safe to check: plain objects, lists and leaves, bounded, without cycles or getters.
 *
 * What is none of that (a class instance, a cycle, a getter that throws) becomes a symbol that says what it was. No rule
 * accepts a symbol, so it is reported at its place, with what should have stood there.
 *
 * @packageDocumentation
 */

/** A key that must not be used, with its path. */
export interface BadKey {
  readonly keys: readonly (string | number)[];
  readonly problem: string;
}

/** The policy document is five deep. */
const MAX_DEPTH = 16;
/** Values in a document: 10,000 methods with all their fields. */
const MAX_VALUES = 100_000;

/** Writing through them would reach the prototype of other objects; no name in a policy is one of them. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const UNREADABLE = Symbol('something that cannot be read');

/** Copies `input`; reserved keys are left out and told in `bad`. Never throws. */
export function plainCopy(input: unknown): { readonly value: unknown; readonly bad: readonly BadKey[] } {
  const bad: BadKey[] = [];
  const above = new Set<object>();
  let left = MAX_VALUES;

  const copyList = (list: readonly unknown[], keys: readonly (string | number)[]): unknown => {
    if (list.length > left) return Symbol(`a list of ${list.length}`);
    return Array.from({ length: list.length }, (_, i) => copy(read(list, i), [...keys, i]));
  };
  const copyTable = (table: object, keys: readonly (string | number)[]): unknown => {
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(table)) {
      if (RESERVED.has(key)) {
        bad.push({ keys: [...keys, key], problem: 'this key is reserved by JavaScript' });
        continue;
      }
      const value = copy(read(table, key), [...keys, key]);
      if (value !== undefined) out[key] = value;
      if (left < 0) break;
    }
    return out;
  };
  const copy = (value: unknown, keys: readonly (string | number)[]): unknown => {
    left--;
    if (left < 0) return Symbol(`the rest of more than ${MAX_VALUES} values`);
    if (typeof value === 'function') return Symbol('a function');
    if (typeof value === 'symbol') return value === UNREADABLE ? value : Symbol('a symbol');
    if (typeof value === 'bigint') return Symbol('a bigint');
    if (typeof value !== 'object' || value === null) return value;
    if (above.has(value)) return Symbol('an object that contains itself');
    if (keys.length >= MAX_DEPTH) return Symbol('something nested too deep');
    above.add(value);
    try {
      if (Array.isArray(value)) return copyList(value, keys);
      const foreign = className(value);
      return foreign === undefined ? copyTable(value, keys) : Symbol(foreign);
    } catch {
      return UNREADABLE;
    } finally {
      above.delete(value);
    }
  };
  return { value: copy(input, []), bad };
}

function read(from: object, key: string | number): unknown {
  try {
    return Reflect.get(from, key);
  } catch {
    return UNREADABLE;
  }
}

/** Undefined for a plain object, of this realm or another. */
function className(value: object): string | undefined {
  const proto: unknown = Object.getPrototypeOf(value);
  if (typeof proto !== 'object' || proto === null || Object.getPrototypeOf(proto) === null) return undefined;
  const constructorName: unknown = Object.getOwnPropertyDescriptor(proto, 'constructor')?.value?.name;
  return typeof constructorName === 'string' && /^\w{1,40}$/.test(constructorName)
    ? `an instance of ${constructorName}`
    : 'an instance of a class';
}
