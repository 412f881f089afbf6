/**
 * One frame of `top`: an overview and what was pressed in, lines out.
 *
 * @packageDocumentation
 */
import type { MethodView, OverviewView } from '../observe/views.ts';
import { eventLine } from './call-line.ts';
import { sparkline } from './format.ts';
import { endpointColumns, METHOD_COLUMNS, type MethodColumn } from './method-columns.ts';
import { filtered } from './method-filter.ts';
import { batchLine, headline, policyLine } from './overview-report.ts';
import type { Style } from './style.ts';
import { type Column, table } from './table.ts';
import { cut } from './text.ts';

/** What keys change. */
export interface TopState {
  /** Key of the column that rows are sorted by. */
  readonly sort: string;
  readonly reversed: boolean;
  readonly side: 'both' | 'client' | 'server';
  readonly paused: boolean;
  /** Rows of methods that are above the first one shown. */
  readonly offset: number;
  readonly help: boolean;
}

/** Where it is drawn. */
export interface TopPlace {
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
}

/** As it begins. */
export const FIRST_STATE: TopState = { sort: 'rps', reversed: false, side: 'both', paused: false, offset: 0, help: false };

const SIDES = ['both', 'client', 'server'] as const;
const PAGE = 10;

/** What a key does; `undefined`: quit. Unknown keys do nothing. */
export function press(state: TopState, key: string): TopState | undefined {
  const keys = METHOD_COLUMNS.map((column) => column.key);
  const sortBy = (step: number): TopState => {
    const at = keys.indexOf(state.sort);
    return { ...state, sort: keys[(at + step + keys.length) % keys.length] ?? state.sort, offset: 0 };
  };
  const scroll = (by: number): TopState => ({ ...state, offset: Math.max(0, state.offset + by) });
  switch (key) {
    case 'q':
    case 'ctrl-c':
      return undefined;
    case 'escape':
      return { ...state, help: false };
    case 's':
    case '>':
      return sortBy(1);
    case 'S':
    case '<':
      return sortBy(-1);
    case 'r':
      return { ...state, reversed: !state.reversed, offset: 0 };
    case 'tab':
      return { ...state, side: SIDES[(SIDES.indexOf(state.side) + 1) % SIDES.length] ?? 'both', offset: 0 };
    case 'space':
    case 'p':
      return { ...state, paused: !state.paused };
    case 'down':
    case 'j':
      return scroll(1);
    case 'up':
    case 'k':
      return scroll(-1);
    case 'pagedown':
      return scroll(PAGE);
    case 'pageup':
      return scroll(-PAGE);
    case 'home':
    case 'g':
      return { ...state, offset: 0 };
    case '?':
    case 'h':
      return { ...state, help: !state.help };
    default:
      return state;
  }
}

const KEYS = 'q quit  s/S sort  r reverse  tab side  space pause  j/k scroll  ? help';
const HELP: readonly string[] = [
  'q, Ctrl-C      quit',
  's, S, >, <     sort by the next or the last column',
  'r              turn the order',
  'tab            calls made and served, only made, only served',
  'space, p       stop and go on',
  'j, k, arrows   scroll by one; page up and down by ten; g to the top',
  '?, h           this',
  '',
  'RPS is what the app asked for, ACTUAL what was sent for it, both over ten seconds.',
  'ACTUAL above RPS: retries and hedges. SHARE is of the calls to a target.',
];

/** Rows of methods in the order of the state. */
export function sorted(methods: readonly MethodView[], { sort, reversed }: TopState): MethodView[] {
  const column = METHOD_COLUMNS.find(({ key }) => key === sort);
  const turn = reversed ? -1 : 1;
  const compare = (a: MethodView, b: MethodView): number => {
    const [x, y] = [column?.by(a) ?? 0, column?.by(b) ?? 0];
    if (typeof x === 'string' || typeof y === 'string') return String(x) < String(y) ? -1 : String(x) > String(y) ? 1 : 0;
    return y - x;
  };
  const byName = (a: MethodView, b: MethodView): number => (a.method < b.method ? -1 : a.method > b.method ? 1 : 0);
  return [...methods].sort((a, b) => turn * compare(a, b) || byName(a, b));
}

/**
 * As many lines as there are rows, none wider than the place.
 *
 * @param trouble - Why the overview is an old one; undefined: it is not.
 */
export function topFrame(overview: OverviewView, state: TopState, place: TopPlace, trouble?: string): string[] {
  const { columns, rows, style } = place;
  const shown = filtered(overview, { pattern: undefined, side: state.side });
  const methods = sorted(shown.methods, state);
  const head = [style('strong', cut(headline(overview), columns)), ...batchLine(overview).map((line) => cut(line, columns))];
  head.push(...policyLine(overview).map((line) => style('bad', cut(line, columns))));
  head.push(
    trouble === undefined ? style('dim', cut(statusLine(state, methods.length), columns)) : style('bad', cut(trouble, columns)),
    '',
  );
  const foot = style('inverse', cut(KEYS, columns).padEnd(columns));
  const room = Math.max(0, rows - head.length - 1);
  const body = state.help ? HELP.map((line) => cut(line, columns)) : bodyOf(shown, methods, state, place, room);
  const lines = [...head, ...body].slice(0, Math.max(0, rows - 1));
  while (lines.length < rows - 1) lines.push('');
  return [...lines, foot];
}

function statusLine({ sort, reversed, side, paused }: TopState, methods: number): string {
  const parts = [
    `${methods} rows by ${sort}${reversed ? ', turned' : ''}`,
    ...(side === 'both' ? [] : [`${side} only`]),
    ...(paused ? ['PAUSED'] : []),
  ];
  return parts.join(', ');
}

const BARS_SHOWN = 20;

/** Calls of the last seconds, where there is room for them. */
const LATELY: Column<MethodView> = { title: `LAST ${BARS_SHOWN}s`, spare: 9, cell: ({ history }) => sparkline(history.calls, BARS_SHOWN) };

/** Methods have what the rest leaves, and half of the place at least. */
function bodyOf(
  shown: OverviewView,
  methods: readonly MethodView[],
  state: TopState,
  { columns, style }: TopPlace,
  room: number,
): string[] {
  const endpoints = table(endpointColumns(shown.atMs), shown.endpoints, columns, style);
  const events = shown.events.slice(-3).map((event) => eventLine(event, (_, text) => text));
  const half = Math.ceil(room / 2);
  const below = [
    ...(endpoints.length === 0 ? [] : ['', ...endpoints]),
    ...(events.length === 0 ? [] : ['', ...events.map((line) => style('dim', cut(line, columns)))]),
  ].slice(0, Math.max(room - half, room - methods.length - 1));
  const titled = METHOD_COLUMNS.map(
    (column): MethodColumn => (column.key === state.sort ? { ...column, title: `${column.title}${state.reversed ? '↑' : '↓'}` } : column),
  );
  const fits = Math.max(1, room - below.length - 1);
  const offset = Math.min(state.offset, Math.max(0, methods.length - fits));
  const rows = table([...titled, LATELY], methods.slice(offset, offset + fits), columns, style);
  return [...(rows.length === 0 ? ['no calls yet'] : rows), ...below];
}
