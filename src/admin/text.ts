/**
 * Text for terminals: aligned columns, and nothing in them that a terminal obeys.
 *
 * @packageDocumentation
 */

/** Control characters, and those that turn the direction of text. A peer chooses the names of methods. */
const UNSAFE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** One line that is harmless in a terminal. */
export function plain(text: string): string {
  return text.replaceAll(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Rows as aligned columns, with a heading. Numbers stand to the right. */
export function columns(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => plain(typeof cell === 'number' ? number(cell) : cell)));
  const widths = heading.map((head, at) => Math.max(head.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const right = heading.map((_, at) => rows.length > 0 && rows.every((row) => typeof row[at] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (right[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[heading, ...cells].map(line).join('\n')}\n`;
}

/** At most three digits after the point. */
export function number(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

/** A share as percent. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 1 && share > 0.99 ? 2 : 1)}%`;
}
