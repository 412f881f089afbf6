/**
 * Values as TypeScript source.
 *
 * @packageDocumentation
 */

/** @param width - An object or a list that is not longer stands on one line. Default: an object never does. */
export function literal(value: unknown, width = 0, indent = ''): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, width, inner)).join(', ')}]`;
  const entries = Object.entries(value);
  if (entries.length === 0) return '{}';
  if (width > 0) {
    const line = `{ ${entries.map(([key, item]) => `${property(key)}: ${literal(item, Number.POSITIVE_INFINITY)}`).join(', ')} }`;
    if (line.length <= width) return line;
  }
  return `{\n${entries.map(([key, item]) => `${inner}${property(key)}: ${literal(item, width, inner)},`).join('\n')}\n${indent}}`;
}

/** A key of an object, in quotes where it must have them. */
export function property(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key);
}

/** Text in single quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;
}
