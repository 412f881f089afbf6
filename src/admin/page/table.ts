/** Tables that become a list of cards where the window is narrow. Roles are said, for a cell shown as a block is no cell any more. */
import { figure, h, on, span, tint } from './dom.ts';

/** A column with a number in it. */
export interface Column<T> {
  readonly name: string;
  readonly title: string;
  readonly className: string;
  /** What the number is: `method.calls`. By it the rows may be sorted. */
  readonly metric: string;
  readonly of: (item: T) => number;
  readonly text: (value: number, item: T) => string;
  /** A class for how worrying it is. */
  readonly level?: (item: T) => string | undefined;
}

/** A column with more than a number. */
export type Heading = Pick<Column<never>, 'name' | 'title' | 'className'>;

/** A table's parts; rows go into groups (`tbody`). */
export interface Table {
  readonly element: HTMLTableElement;
  readonly headings: ReadonlyMap<string, HTMLTableCellElement>;
}

/** A table without rows. `sorted` is called with a column's metric when its heading is pressed. */
export function makeTable<T>(label: string, columns: readonly (Heading | Column<T>)[], sorted?: (metric: string) => void): Table {
  const headings = new Map<string, HTMLTableCellElement>();
  const row = h('tr', { role: 'row' });
  for (const column of columns) {
    const { name, title, className } = column;
    const heading = h('th', { role: 'columnheader', scope: 'col', class: className, title });
    if (sorted === undefined || !('metric' in column)) heading.append(name);
    else {
      const button = h('button', { type: 'button', class: 'sort' }, name);
      on(button, 'click', () => sorted(column.metric));
      heading.append(button);
      headings.set(column.metric, heading);
    }
    row.append(heading);
  }
  const head = h('thead', { role: 'rowgroup' }, row);
  return { element: h('table', { role: 'table', 'aria-label': label }, head), headings };
}

/** A cell; `label` stands before its value where the table is a list of cards. */
export function cell(className: string, label: string, ...children: readonly (Node | string)[]): HTMLTableCellElement {
  return h('td', { role: 'cell', class: className, 'data-label': label }, ...children);
}

/** The cells of a row, one for each column. `before` gives what stands in front of the number. */
export function numbers<T>(
  columns: readonly Column<T>[],
  keyOf: (item: T) => string,
  before: (metric: string) => readonly Element[] = () => [],
): { readonly cells: readonly HTMLElement[]; update(item: T): void } {
  const values = columns.map((column) => ({ column, value: h('span') }));
  return {
    cells: values.map(({ column: { className, name, metric }, value }) => cell(className, name, ...before(metric), value)),
    update(item) {
      for (const { column, value } of values) {
        const number = column.of(item);
        figure(value, column.metric, keyOf(item), number, column.text(number, item));
        tint(value, column.level?.(item));
      }
    },
  };
}

/** The heading over the rows of a group. */
export function groupRow(columns: number): {
  readonly element: HTMLTableRowElement;
  readonly name: HTMLElement;
  readonly note: HTMLElement;
} {
  const name = span('name');
  const note = span('note');
  const heading = h('th', { role: 'rowheader', scope: 'rowgroup', colspan: String(columns) }, name, ' ', note);
  return { element: h('tr', { role: 'row', class: 'group' }, heading), name, note };
}
