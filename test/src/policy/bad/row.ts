/** How the tables of this folder are written: a bad document a row. */

/** A value, the rule that it breaks, and what the message says after the value: a hint `"0.5s"`, or text that begins with `;`. */
export type Row = readonly [value: unknown, rule: string, more?: string];

/** A document with one bad value. */
export interface BadField {
  readonly keys: readonly (string | number)[];
  readonly document: unknown;
  readonly message: string;
}

export const D = 'a duration such as "0.5s"';
export const NEGATIVE = '; it cannot be negative';
export const POSITIVE_D = 'a duration > "0s"';
export const INT0 = 'an integer >= 0';
export const INT1 = 'an integer >= 1';
export const PERCENT = 'an integer from 0 to 100';
export const SHARE = 'a number from 0 to 1';
export const OBJ = 'an object';
export const LIST = 'a list';
export const BOOL = 'true or false';
export const TEXT = 'text that is not empty';
export const CODE = 'a gRPC status code such as "UNAVAILABLE"';
export const METHOD = 'a method such as "pkg.Service/Method"';
export const SERVICE = 'a service such as "pkg.Service"';
export const KEY = 'a metadata key such as "x-tenant-hint"';

/** `a[0].b["c.D"]` as keys. */
export function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/([\w$]+)|\["([^"]+)"\]/g)].map(
    ([, plain, quoted]) => quoted ?? (/^\d+$/.test(plain ?? '') ? Number(plain) : (plain ?? '')),
  );
}

/** A value as messages show it; written apart from what makes the messages. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** `base` with a value at some keys; what is on the way is made. */
export function put(base: unknown, [key, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (key === undefined) return value;
  const inner = typeof base === 'object' && base !== null ? Reflect.get(base, key) : undefined;
  if (typeof key !== 'number') return { ...Object(base), [key]: put(inner, rest, value) };
  const list: unknown[] = Array.isArray(base) ? [...base] : [];
  list[key] = put(inner, rest, value);
  return list;
}

/** Documents with one bad field in one message, which stands at `path` and needs `base` to be whole. */
export function message(path: string, base: object, table: Readonly<Record<string, readonly Row[]>>): BadField[] {
  const at = keysOf(path);
  return Object.entries(table).flatMap(([field, rows]) =>
    rows.map(([value, rule, more = '']) => {
      const keys = [...at, ...keysOf(field)];
      const hint = more === '' || more.startsWith(';') ? more : `; did you mean ${more}?`;
      const where = `policy${path === '' ? '' : `.${path}`}.${field}`;
      return {
        keys,
        document: put(put({}, at, base), keys, value),
        message: `${where}: expected ${rule}, got ${shown(value)}${hint}`,
      };
    }),
  );
}

/** Keys that a message does not have, each with the one that was meant. */
export function unknownKeys(
  table: Readonly<Record<string, readonly [wrong: string, meant: string, whole?: readonly [path: string, base: object]]>>,
): BadField[] {
  return Object.entries(table).map(([path, [wrong, meant, [wholePath, base] = ['', {}]]]) => {
    const at = keysOf(path);
    const where = path === '' ? 'policy' : `policy.${path}`;
    return {
      keys: [...at, wrong],
      document: put(put({}, keysOf(wholePath), base), [...at, wrong], 1),
      message: `${where}: unknown key ${JSON.stringify(wrong)}; did you mean ${JSON.stringify(meant)}?`,
    };
  });
}
