/** The endpoints of each target: who gets how much, how fast it answers, and who is left out until when. */
import type { EndpointView, OverviewView } from '../../observe/views.ts';
import { byId, each, fill, h, meter, type Part, say, span, tint } from './dom.ts';
import { count, lasting, ms, percent } from './format.ts';
import { type Column, cell, groupRow, type Heading, makeTable, numbers } from './table.ts';

const HEADINGS: readonly Heading[] = [
  { name: 'Endpoint', title: 'Address', className: 'c-name' },
  { name: 'State', title: 'Connection, and whether it is ejected, for how long and why', className: 'c-state' },
];

function column(name: string, title: string, field: NumberField, text = count, className = 'c-num'): Column<EndpointView> {
  return { name, title, className, metric: `endpoint.${field}`, of: (endpoint) => endpoint[field], text };
}

type NumberField = 'share' | 'latencyMs' | 'inFlight' | 'ejections' | 'picks';

const COLUMNS: readonly Column<EndpointView>[] = [
  column('Share', 'Of the calls of its target in the last ten seconds', 'share', percent, 'c-share'),
  column('EWMA', 'Peak EWMA of its answers', 'latencyMs', ms),
  column('In flight', 'Calls it has now', 'inFlight', count, 'c-num c-few'),
  column('Ejections', 'How often it was ejected', 'ejections'),
  column('Picks', 'Answered picks since the start', 'picks', count, 'c-num c-few'),
];

/** How an endpoint stands, in words and as a level. */
export interface Standing {
  readonly text: string;
  readonly level: 'ok' | 'warn' | 'bad' | 'idle';
}

/** In words: `ready`, `ejected 4 s · failures`, `connecting`. */
export function standing({ ejected, ejectedFor, ejectedUntilMs, ready, state }: EndpointView, atMs: number): Standing {
  if (ejected) {
    const left = ejectedUntilMs === undefined ? undefined : ejectedUntilMs - atMs;
    const how = left === undefined ? 'ejected' : left > 0 ? `ejected ${lasting(left + 999)}` : 'on trial';
    return { text: ejectedFor === undefined ? how : `${how} · ${ejectedFor}`, level: 'bad' };
  }
  if (ready) return { text: 'ready', level: 'ok' };
  return { text: state, level: state === 'idle' ? 'idle' : state === 'failing' ? 'bad' : 'warn' };
}

/** One target with its endpoints. */
interface Target {
  readonly target: string;
  readonly endpoints: readonly EndpointView[];
}

/** By target, both in the order of the mesh. Several channels may have the same one: their endpoints stand there several times. */
function byTarget(endpoints: readonly EndpointView[]): readonly Target[] {
  return [...Map.groupBy(endpoints, ({ target }) => target)].map(([target, own]) => ({ target, endpoints: own }));
}

interface Row {
  readonly endpoint: EndpointView;
  readonly key: string;
  readonly atMs: number;
}

/** By its address; the second of the same address is `#2`. */
function rowsOf({ endpoints, atMs }: Group): readonly Row[] {
  const seen = new Map<string, number>();
  return endpoints.map((endpoint) => {
    const name = `${endpoint.target} ${endpoint.address}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return { endpoint, atMs, key: times === 1 ? name : `${name} #${times}` };
  });
}

function makeEndpoint({ endpoint: first, key }: Row): Part<Row> {
  const state = span('state');
  const bar = meter();
  const { cells, update } = numbers(
    COLUMNS,
    () => key,
    (metric) => (metric === 'endpoint.share' ? [bar] : []),
  );
  const element = h(
    'tr',
    { role: 'row' },
    h('th', { role: 'rowheader', scope: 'row', class: 'c-name mono', title: first.address }, first.address),
    cell('c-state', 'State', state),
    ...cells,
  );
  return {
    element,
    update({ endpoint, atMs }) {
      const { text, level } = standing(endpoint, atMs);
      say(state, text);
      state.title = text;
      tint(state, level);
      tint(element, level);
      fill(bar, endpoint.share);
      update(endpoint);
    },
  };
}

interface Group extends Target {
  readonly atMs: number;
}

function makeTarget({ target }: Group): Part<Group> {
  const { element: heading, name, note } = groupRow(HEADINGS.length + COLUMNS.length);
  say(name, target);
  name.title = target;
  const element = h('tbody', { role: 'rowgroup' }, heading);
  return {
    element,
    update(group) {
      const { endpoints } = group;
      const usable = endpoints.filter(({ ready, ejected }) => ready && !ejected).length;
      say(note, `${usable} of ${endpoints.length} take calls`);
      each(element, rowsOf(group), ({ key }) => key, makeEndpoint);
    },
  };
}

const table = makeTable('Endpoints', [...HEADINGS, ...COLUMNS]);
const none = h('p', { class: 'empty' }, 'No channel has endpoints yet.');

/** Draws the table. */
export function drawEndpoints({ endpoints, atMs }: OverviewView): void {
  if (table.element.parentNode === null) byId('endpoints').append(table.element, none);
  each(
    table.element,
    byTarget(endpoints).map((group) => ({ ...group, atMs })),
    ({ target }) => target,
    makeTarget,
  );
  table.element.hidden = endpoints.length === 0;
  none.hidden = endpoints.length > 0;
}
