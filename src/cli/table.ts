/**
 * Tables of text that fit their place.
 *
 * @packageDocumentation
 */
import type { Style, Tone } from './style.ts';
import { cut, textWidth } from './text.ts';

/** One cell: text, or text with a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/** A column of rows of type `R`. */
export interface Column<R> {
  readonly title: string;
  cell(row: R): Cell;
  /** Numbers stand at the right. Default left. */
  readonly right?: boolean;
  /** May be cut down to so many columns when the table does not fit. Default: never cut. */
  readonly least?: number;
  /** Where it is cut. Default: at its end. */
  readonly cutAt?: 'start' | 'end';
  /** Left out when the table does not fit: the highest goes first. Default 0: never left out. */
  readonly spare?: number;
}

const GAP = '  ';

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text);
const toneOf = (cell: Cell): Tone => (typeof cell === 'string' ? 'plain' : cell.tone);

/** Lines of a table, the titles first, none wider than `width`. No rows: no lines. */
export function table<R>(columns: readonly Column<R>[], rows: readonly R[], width: number, style: Style): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const natural = columns.map((column, at) => Math.max(textWidth(column.title), ...cells.map((row) => textWidth(textOf(row[at] ?? '')))));
  const shown = kept(columns, natural, width);
  const widths = fitted(columns, natural, shown, width);
  const line = (texts: readonly Cell[], tone?: Tone): string =>
    shown
      .map((at, place) => {
        const cell = texts[at] ?? '';
        const { right = false, cutAt = 'end' } = columns[at] ?? {};
        const text = cut(textOf(cell), widths[at] ?? 0, cutAt);
        const room = ' '.repeat(Math.max(0, (widths[at] ?? 0) - textWidth(text)));
        const styled = style(tone ?? toneOf(cell), text);
        if (right) return room + styled;
        return place === shown.length - 1 ? styled : styled + room;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      'dim',
    ),
    ...cells.map((row) => line(row)),
  ].map((text) => text.replace(/ +$/, ''));
}

const total = (widths: readonly number[], shown: readonly number[]): number =>
  shown.reduce((sum, at) => sum + (widths[at] ?? 0), 0) + GAP.length * (shown.length - 1);

/** Places of the columns that stay. */
function kept<R>(columns: readonly Column<R>[], natural: readonly number[], width: number): number[] {
  let shown = columns.map((_, at) => at);
  const least = columns.map((column, at) => Math.min(natural[at] ?? 0, column.least ?? Number.POSITIVE_INFINITY));
  while (total(least, shown) > width) {
    const spare = shown.filter((at) => (columns[at]?.spare ?? 0) > 0);
    if (spare.length === 0) break;
    const next = spare.reduce((a, b) => ((columns[b]?.spare ?? 0) >= (columns[a]?.spare ?? 0) ? b : a));
    shown = shown.filter((at) => at !== next);
  }
  return shown;
}

/** Widths of all columns; those that may be cut share what is missing, the widest first. */
function fitted<R>(columns: readonly Column<R>[], natural: readonly number[], shown: readonly number[], width: number): number[] {
  const widths = [...natural];
  for (let over = total(widths, shown) - width; over > 0; over--) {
    const widest = shown
      .filter((at) => (widths[at] ?? 0) > (columns[at]?.least ?? Number.POSITIVE_INFINITY))
      .reduce<number | undefined>((a, b) => (a === undefined || (widths[b] ?? 0) > (widths[a] ?? 0) ? b : a), undefined);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
