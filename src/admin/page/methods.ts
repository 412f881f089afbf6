/** The golden signals of each method: rate, errors, latency, and what the wire sees of it. */
import type { MethodView, OverviewView, Side } from '../../observe/views.ts';
import { Spark } from './charts.ts';
import { byId, each, figure, h, mark, on, type Part, say, span, tint } from './dom.ts';
import { count, methodParts, ms, percent, rate, times } from './format.ts';
import { type Column, groupRow, type Heading, makeTable, numbers } from './table.ts';
import { amplification, factorLevel, levelOf } from './tiles.ts';

/** Rows of a side at first; the rest on demand. */
const FIRST_ROWS = 25;
/** A table that is re-ordered each second can't be read: it keeps its order for so long. */
const KEEP_ORDER_MS = 10_000;

const HEADING: Heading = { name: 'Method', title: 'Press a name for its details', className: 'c-name' };

const [RATE, SUCCESS, TAIL, ACTUAL] = ['method.callsPerSecond', 'method.success', 'method.p99', 'method.attemptsPerSecond'];

function column(
  name: string,
  title: string,
  metric: string,
  of: (method: MethodView) => number,
  text: Column<MethodView>['text'] = count,
  className = 'c-num',
): Column<MethodView> {
  return { name, title, className, metric, of, text };
}

const COLUMNS: readonly Column<MethodView>[] = [
  column('Calls/s', 'Effective: calls that ended, per second', RATE, (m) => m.callsPerSecond, rate, 'c-rate'),
  {
    ...column(
      'Success',
      'Share of calls that ended OK',
      SUCCESS,
      (m) => m.success,
      (share, m) => (m.callsPerSecond > 0 ? percent(share) : '–'),
    ),
    level: (m) => levelOf(m.success),
  },
  column('p50', 'Half of the calls took at most so long', 'method.p50', (m) => m.latencyMs.p50, ms, 'c-num c-p50'),
  column('p99', '99 of 100 calls took at most so long', TAIL, (m) => m.latencyMs.p99, ms, 'c-rate'),
  column(
    'Actual/s',
    'Actual: attempts on the wire per second, and how many for each call',
    ACTUAL,
    (m) => m.attemptsPerSecond,
    rate,
    'c-wire',
  ),
  column('In flight', 'Calls out now', 'method.active', (m) => m.active, count, 'c-num c-few'),
  column('Calls', 'Since the start', 'method.calls', (m) => m.calls, count, 'c-num c-few'),
];

const keyOf = ({ side, method }: MethodView): string => `${side} ${method}`;

let order = 'method.calls';
let wanted = '';
let showAll = false;
let ranks = new Map<string, number>();
let rankedAtMs = 0;
let last: OverviewView | undefined;

/** One value with its heading, in the details. */
function fact(name: string): { readonly element: HTMLElement; readonly value: HTMLElement } {
  const value = h('dd');
  return { element: h('div', {}, h('dt', {}, name), value), value };
}

/** A chart of the last minute with its name and the value at its upper edge. */
function chart(name: string): { readonly element: HTMLElement; readonly spark: Spark; readonly top: HTMLElement } {
  const spark = new Spark('chart');
  const top = span('top');
  const caption = h('figcaption', {}, name, ' ', top);
  const axis = h('p', { class: 'axis' }, h('span', {}, '60 s ago'), h('span', {}, 'now'));
  return { element: h('figure', {}, caption, spark.element, axis), spark, top };
}

const FACTS: Readonly<Record<string, readonly [name: string, of: (m: MethodView) => number, text: (value: number) => string]>> = {
  failed: ['Failed', (m) => m.failed, count],
  refused: ['Refused by the mesh', (m) => m.refused, count],
  attempts: ['Attempts', (m) => m.attempts, count],
  retries: ['Retries', (m) => m.retries, count],
  hedges: ['Hedges', (m) => m.hedges, count],
  attemptSuccess: ['Attempts that succeed', (m) => m.attemptSuccess, percent],
  p95: ['p95', (m) => m.latencyMs.p95, ms],
};

function makeDetail(id: string): Part<MethodView> {
  const facts = Object.entries(FACTS).map(([metric, [name, of, text]]) => ({ metric, of, text, ...fact(name) }));
  const statuses = h('ul', { class: 'chips', 'aria-label': 'Calls by status' });
  const [calls, failed, p99] = [chart('Calls, attempts'), chart('Failed'), chart('p99')];
  const inner = h('td', { role: 'cell', colspan: String(COLUMNS.length + 1) });
  inner.append(
    h('div', { class: 'charts' }, calls.element, failed.element, p99.element),
    h('dl', {}, ...facts.map(({ element }) => element)),
    statuses,
  );
  return {
    element: h('tr', { role: 'row', class: 'detail', id }, inner),
    update(method) {
      const key = keyOf(method);
      for (const { metric, of, text, value } of facts) figure(value, `method.${metric}`, key, of(method), text(of(method)));
      const { history } = method;
      const top = calls.spark.draw(1, { className: 'second', values: history.attempts }, { className: 'line', values: history.calls });
      say(calls.top, `up to ${rate(top)}/s`);
      say(failed.top, `up to ${rate(failed.spark.draw(1, { className: 'bad', values: history.failed }))}/s`);
      say(p99.top, `up to ${ms(p99.spark.draw(0.01, { className: 'line', values: history.p99Ms }))}`);
      const byStatus = Object.entries(method.byStatus).sort(([, a], [, b]) => b - a);
      each(
        statuses,
        byStatus,
        ([status]) => status,
        ([status]) => makeChip(key, status),
      );
    },
  };
}

function makeChip(key: string, status: string): Part<readonly [string, number]> {
  const value = h('b');
  return {
    element: h('li', status === 'OK' ? {} : { 'data-level': 'bad' }, `${status} `, value),
    update: ([, calls]) => figure(value, `method.byStatus.${status}`, key, calls, count(calls)),
  };
}

let rows = 0;

/** The row of a method, and its details below it once they are asked for. */
function makeMethod(first: MethodView): Part<MethodView> {
  const [service, name] = methodParts(first.method);
  const id = `method-${++rows}`;
  const button = h('button', { type: 'button', class: 'open', 'aria-expanded': 'false', title: first.method });
  button.append(span('service', service), span('name', name));
  const more = span('times');
  const [rates, tails] = [new Spark(), new Spark()];
  const { cells, update } = numbers(COLUMNS, keyOf, (metric) =>
    metric === RATE ? [rates.element] : metric === TAIL ? [tails.element] : [],
  );
  cells[4]?.append(' ', more);
  const row = h('tr', { role: 'row' }, h('th', { role: 'rowheader', scope: 'row', class: 'c-name' }, button), ...cells);
  const element = h('tbody', { role: 'rowgroup' }, row);
  let detail: Part<MethodView> | undefined;
  let now = first;
  on(button, 'click', () => {
    if (detail === undefined) {
      detail = makeDetail(id);
      detail.update(now);
      element.append(detail.element);
      button.setAttribute('aria-controls', id);
    } else {
      detail.element.remove();
      detail = undefined;
      button.removeAttribute('aria-controls');
    }
    button.setAttribute('aria-expanded', String(detail !== undefined));
  });
  return {
    element,
    update(method) {
      now = method;
      const { history } = method;
      const factor = amplification(method);
      update(method);
      say(more, factor > 1.005 ? times(factor) : '');
      tint(more, factorLevel(factor));
      rates.draw(1, { className: 'line', values: history.calls }, { className: 'bad', values: history.failed });
      tails.draw(0.01, { className: 'line', values: history.p99Ms });
      detail?.update(method);
    },
  };
}

function makeHeading(side: Side): Part<number> {
  const { element, name, note } = groupRow(COLUMNS.length + 1);
  say(name, side === 'client' ? 'Outgoing' : 'Incoming');
  return {
    element: h('tbody', { role: 'rowgroup' }, element),
    update: (methods) => say(note, `${methods} ${methods === 1 ? 'method' : 'methods'}`),
  };
}

const table = makeTable('Methods', [HEADING, ...COLUMNS], sortBy);
const more = h('button', { type: 'button', class: 'more' });
const none = h('p', { class: 'empty' });

function sortBy(key: string): void {
  order = key;
  rankedAtMs = 0;
  if (last !== undefined) drawMethods(last);
}

/** Ranks of all methods by the chosen order, made anew when they are old or a method has come. */
function ranked(methods: readonly MethodView[], atMs: number): readonly MethodView[] {
  if (atMs - rankedAtMs >= KEEP_ORDER_MS || atMs < rankedAtMs || methods.some((method) => !ranks.has(keyOf(method)))) {
    const of = order === ACTUAL ? amplification : (COLUMNS.find(({ metric }) => metric === order)?.of ?? (() => 0));
    // The worst first, or the most.
    const sign = order === SUCCESS ? 1 : -1;
    ranks = new Map(
      [...methods].sort((a, b) => sign * (of(a) - of(b)) || (a.method < b.method ? -1 : 1)).map((m, rank) => [keyOf(m), rank]),
    );
    rankedAtMs = atMs;
  }
  const rank = (method: MethodView): number => ranks.get(keyOf(method)) ?? 0;
  return [...methods].sort((a, b) => rank(a) - rank(b));
}

/** A row, or the heading of those of a side. */
type Entry =
  | { readonly key: string; readonly method: MethodView }
  | { readonly key: string; readonly side: Side; readonly methods: number };

function makeEntry(entry: Entry): Part<Entry> {
  if ('method' in entry) {
    const part = makeMethod(entry.method);
    return { element: part.element, update: (next) => 'method' in next && part.update(next.method) };
  }
  const part = makeHeading(entry.side);
  return { element: part.element, update: (next) => 'side' in next && part.update(next.methods) };
}

/** Draws the table. */
export function drawMethods(view: OverviewView): void {
  last = view;
  const parent = byId('methods');
  if (table.element.parentNode === null) {
    parent.append(table.element, none, more);
    on(byId('method-filter', 'input'), 'input', ({ target }) => {
      wanted = (target as HTMLInputElement).value.trim().toLowerCase();
      if (last !== undefined) drawMethods(last);
    });
    on(more, 'click', () => {
      showAll = !showAll;
      if (last !== undefined) drawMethods(last);
    });
  }
  const all = ranked(view.methods, view.atMs).filter(({ method }) => method.toLowerCase().includes(wanted));
  const entries: Entry[] = [];
  let hidden = 0;
  for (const side of ['client', 'server'] as const) {
    const own = all.filter((method) => method.side === side);
    const shown = showAll ? own : own.slice(0, FIRST_ROWS);
    hidden += own.length - shown.length;
    if (own.length > 0) entries.push({ key: side, side, methods: own.length });
    entries.push(...shown.map((method) => ({ key: keyOf(method), method })));
  }
  each(table.element, entries, ({ key }) => key, makeEntry);
  for (const [key, heading] of table.headings)
    mark(heading, 'aria-sort', key === order ? (key === SUCCESS ? 'ascending' : 'descending') : undefined);
  say(none, view.methods.length === 0 ? 'No calls yet.' : `No method has “${wanted}” in its name.`);
  none.hidden = entries.length > 0;
  table.element.hidden = entries.length === 0;
  say(more, showAll ? 'Show fewer' : `Show ${hidden} more`);
  more.hidden = hidden === 0 && !showAll;
}
