/** What holds calls back: breakers as tiles; budgets, bulkheads and limits as bars. */
import type { BreakerView, BudgetView, LimitView, OverviewView } from '../../observe/views.ts';
import { byId, each, figure, fill, h, meter, type Part, say, span, tint } from './dom.ts';
import { count, methodParts } from './format.ts';

const STATES: Readonly<Record<string, readonly [text: string, level: string]>> = {
  closed: ['closed', 'ok'],
  open: ['open', 'bad'],
  halfOpen: ['half open', 'warn'],
  isolated: ['isolated', 'bad'],
};

function makeBreaker({ method }: BreakerView): Part<BreakerView> {
  const [service, name] = methodParts(method);
  const state = span('state');
  const [opened, refused] = [h('b'), h('b')];
  const element = h(
    'li',
    { class: 'breaker', title: method },
    span('service', service),
    span('name', name),
    state,
    span('about', 'opened ', opened, ' · refused ', refused),
  );
  return {
    element,
    update(breaker) {
      const [text, level] = STATES[breaker.state] ?? [breaker.state, 'warn'];
      say(state, text);
      state.dataset['metric'] = 'breaker.state';
      state.dataset['key'] = method;
      state.dataset['value'] = breaker.state;
      tint(state, level);
      tint(element, level);
      figure(opened, 'breaker.opened', method, breaker.opened, count(breaker.opened));
      figure(refused, 'breaker.refused', method, breaker.refused, count(breaker.refused));
    },
  };
}

/** A bar with its name, its value, and a line about it. */
interface Gauge {
  readonly key: string;
  readonly kind: string;
  readonly name: string;
  /** Filled part; undefined: it has no end. */
  readonly share: number | undefined;
  readonly value: number;
  readonly text: string;
  readonly about: string;
  readonly level: 'warn' | 'bad' | undefined;
  readonly metric: string;
}

function budgetGauge({ service, balance, max }: BudgetView): Gauge {
  const share = max === undefined || max === 0 ? undefined : balance / max;
  const left = count(Math.floor(balance));
  return {
    key: service,
    kind: 'retry budget',
    metric: 'budget.balance',
    name: service,
    share,
    value: balance,
    text: max === undefined ? left : `${left} of ${count(max)}`,
    about: 'could be sent again now',
    level: balance < 1 ? 'bad' : share !== undefined && share < 0.2 ? 'warn' : undefined,
  };
}

function limitGauge({ side, key, kind, limit, inUse, queued, refused }: LimitView): Gauge {
  const share = limit === 0 ? 1 : inUse / limit;
  return {
    key: `${side} ${kind} ${key}`,
    kind: `${side} ${kind === 'limit' ? 'adaptive limit' : kind}`,
    metric: 'limit.inUse',
    name: key,
    share,
    value: inUse,
    text: `${count(inUse)} of ${count(limit)}`,
    about: `${count(queued)} queued, ${count(refused)} refused`,
    level: queued > 0 ? 'bad' : share >= 0.8 ? 'warn' : undefined,
  };
}

function makeGauge({ key, metric, kind, name }: Gauge): Part<Gauge> {
  const value = h('b');
  const about = span('about');
  const bar = meter();
  const label = h('span', { class: 'name', title: name }, name);
  const element = h('li', { class: 'gauge' }, label, value, bar, span('kind', kind), about);
  return {
    element,
    update(gauge) {
      figure(value, metric, key, gauge.value, gauge.text);
      say(about, gauge.about);
      bar.hidden = gauge.share === undefined;
      fill(bar, gauge.share ?? 0);
      tint(element, gauge.level);
    },
  };
}

/** Most rows of one panel: the mesh may have a bulkhead for each of many tenants. */
const MOST = 30;

function panel(
  id: string,
  label: string,
  className: string,
): { readonly list: HTMLElement; readonly none: HTMLElement; readonly more: HTMLElement } {
  const parts = {
    list: h('ul', { class: className, 'aria-label': label }),
    none: h('p', { class: 'empty' }),
    more: h('p', { class: 'empty' }),
  };
  byId(id).append(parts.list, parts.none, parts.more);
  return parts;
}

let breakerPanel: ReturnType<typeof panel> | undefined;
let limitPanel: ReturnType<typeof panel> | undefined;

/** What is left out, said. */
function cut<T>(items: readonly T[], { none, more, list }: ReturnType<typeof panel>, empty: string): readonly T[] {
  say(none, empty);
  none.hidden = items.length > 0;
  list.hidden = items.length === 0;
  more.hidden = items.length <= MOST;
  say(more, `and ${items.length - MOST} more`);
  return items.slice(0, MOST);
}

const RANK: Readonly<Record<string, number>> = { open: 0, isolated: 0, halfOpen: 1 };

/** Draws the panels. What is shut, or nearly used up, comes first. */
export function drawGuards({ breakers, budgets, limits }: OverviewView): void {
  breakerPanel ??= panel('breakers', 'Breakers', 'breakers');
  const rank = ({ state }: BreakerView): number => RANK[state] ?? 2;
  const tiles = cut(
    [...breakers].sort((a, b) => rank(a) - rank(b)),
    breakerPanel,
    'No method has a breaker.',
  );
  each(breakerPanel.list, tiles, ({ method }) => method, makeBreaker);
  limitPanel ??= panel('limits', 'Budgets, bulkheads and limits', 'gauges');
  const gauges = cut(
    [...budgets.map(budgetGauge), ...limits.map(limitGauge)],
    limitPanel,
    'No budget is drawn on, and nothing is limited.',
  );
  each(limitPanel.list, gauges, ({ metric, key }) => `${metric} ${key}`, makeGauge);
}
