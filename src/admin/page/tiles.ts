/** The big numbers, one group for each side that has calls. */
import type { MethodView, OverviewView, Side } from '../../observe/views.ts';
import { greatest, type Line, Spark, summed } from './charts.ts';
import { byId, each, figure, h, mark, type Part, say, tint } from './dom.ts';
import { count, ms, percent, rate, times } from './format.ts';

/** One big number with what explains it. `metric` and `value` are for whoever reads the page by program. */
interface Tile {
  readonly name: string;
  readonly metric: string;
  readonly value: number;
  readonly text: string;
  readonly about: string;
  readonly lines: readonly Line[];
  readonly top?: number;
  readonly level?: 'warn' | 'bad' | undefined;
}

type Rest = Partial<Pick<Tile, 'lines' | 'top' | 'level'>>;

function tile(name: string, metric: string, value: number, text: string, about: string, rest: Rest = {}): Tile {
  return { name, metric, value, text, about, lines: [], ...rest };
}

interface Group {
  readonly side: Side;
  readonly title: string;
  readonly tiles: readonly Tile[];
}

const WARN_BELOW = 0.999;
const BAD_BELOW = 0.95;

/** How worrying a share of successes is. */
export function levelOf(success: number): 'warn' | 'bad' | undefined {
  if (success >= WARN_BELOW) return undefined;
  return success >= BAD_BELOW ? 'warn' : 'bad';
}

/** What is on the wire for each call that was asked for; 1 while nothing happens. */
export function amplification(method: Pick<MethodView, 'attemptsPerSecond' | 'callsPerSecond'>): number {
  return method.callsPerSecond > 0 ? method.attemptsPerSecond / method.callsPerSecond : 1;
}

/** How worrying so many attempts for a call are. */
export function factorLevel(factor: number): 'warn' | 'bad' | undefined {
  if (factor <= 1.1) return undefined;
  return factor > 1.5 ? 'bad' : 'warn';
}

const sum = (methods: readonly MethodView[], of: (method: MethodView) => number): number =>
  methods.reduce((total, method) => total + of(method), 0);

/** Shares of several methods, each with the weight of its rate. */
function weighted(methods: readonly MethodView[], share: (m: MethodView) => number, weight: (m: MethodView) => number): number {
  const all = sum(methods, weight);
  return all === 0 ? 1 : sum(methods, (method) => share(method) * weight(method)) / all;
}

function common(methods: readonly MethodView[]): { tiles: readonly [Tile, Tile, Tile]; active: number } {
  const calls = summed(methods.map(({ history }) => history.calls));
  const failed = summed(methods.map(({ history }) => history.failed));
  const success = weighted(
    methods,
    (m) => m.success,
    (m) => m.callsPerSecond,
  );
  const slowest = methods.reduce((a, b) => (b.latencyMs.p99 > a.latencyMs.p99 ? b : a));
  const perSecond = sum(methods, (m) => m.callsPerSecond);
  const [failures, refused] = [sum(methods, (m) => m.failed), sum(methods, (m) => m.refused)];
  return {
    active: sum(methods, (m) => m.active),
    tiles: [
      tile('Calls per second', 'callsPerSecond', perSecond, rate(perSecond), `${count(sum(methods, (m) => m.calls))} since the start`, {
        lines: [{ className: 'line', values: calls }],
      }),
      tile(
        'Success',
        'success',
        success,
        percent(success),
        refused > 0 ? `${count(failures)} failed, ${count(refused)} refused` : `${count(failures)} failed`,
        { lines: [{ className: 'bad', values: failed }], top: Math.max(1, ...calls) / 4, level: levelOf(success) },
      ),
      tile(
        'p99, slowest method',
        'p99',
        slowest.latencyMs.p99,
        ms(slowest.latencyMs.p99),
        slowest.latencyMs.p99 > 0 ? slowest.method : 'no calls in the last 10 s',
        { lines: [{ className: 'line', values: greatest(methods.map(({ history }) => history.p99Ms)) }] },
      ),
    ],
  };
}

function outgoing(methods: readonly MethodView[], { endpoints, batches }: OverviewView): Group {
  const { tiles, active } = common(methods);
  const calls = sum(methods, (m) => m.callsPerSecond);
  const attempts = sum(methods, (m) => m.attemptsPerSecond);
  const factor = amplification({ callsPerSecond: calls, attemptsPerSecond: attempts });
  const actual = weighted(
    methods,
    (m) => m.attemptSuccess,
    (m) => m.attemptsPerSecond,
  );
  const usable = endpoints.filter(({ ready, ejected }) => ready && !ejected).length;
  const { carriers, tunnels, items } = batches.client;
  const perRpc = carriers + tunnels === 0 ? 0 : items / (carriers + tunnels);
  return {
    side: 'client',
    title: 'Outgoing',
    tiles: [
      ...tiles,
      tile('Attempts per call', 'amplification', factor, times(factor), `${rate(attempts)}/s on the wire, ${percent(actual)} succeed`, {
        lines: [
          { className: 'second', values: summed(methods.map(({ history }) => history.attempts)) },
          { className: 'line', values: summed(methods.map(({ history }) => history.calls)) },
        ],
        level: factorLevel(factor),
      }),
      tile('Endpoints that take calls', 'endpoints', usable, `${usable} of ${endpoints.length}`, `${count(active)} calls in flight`, {
        level: usable < endpoints.length ? (usable === 0 ? 'bad' : 'warn') : undefined,
      }),
      tile(
        'Calls per carrier',
        'callsPerRpc',
        perRpc,
        perRpc === 0 ? '–' : rate(perRpc),
        perRpc === 0 ? 'every call is an RPC of its own' : `${count(items)} calls in ${count(carriers + tunnels)} RPCs`,
      ),
    ],
  };
}

function incoming(methods: readonly MethodView[], { batches, peers }: OverviewView): Group {
  const { tiles, active } = common(methods);
  const { carriers, tunnels, items } = batches.server;
  return {
    side: 'server',
    title: 'Incoming',
    tiles: [
      ...tiles,
      tile('In flight', 'active', active, count(active), `${count(peers.length)} ${peers.length === 1 ? 'caller' : 'callers'} known`),
      tile('Calls out of batches', 'items', items, count(items), `${count(carriers)} carriers, ${count(tunnels)} tunnels`),
    ],
  };
}

function makeTile(side: Side): Part<Tile> {
  const name = h('h3');
  const value = h('p', { class: 'big' });
  const about = h('p', { class: 'about' });
  const element = h('div', { class: 'tile' }, name, value, about);
  let spark: Spark | undefined;
  return {
    element,
    update(tile) {
      say(name, tile.name);
      figure(value, `total.${tile.metric}`, side, tile.value, tile.text);
      say(about, tile.about);
      about.title = tile.about;
      tint(element, tile.level);
      if (tile.lines.length === 0) return;
      if (spark === undefined) {
        spark = new Spark();
        element.append(spark.element);
      }
      spark.draw(tile.top ?? 1, ...tile.lines);
    },
  };
}

function makeGroup({ side, title }: Pick<Group, 'side' | 'title'>): Part<Group> {
  const element = h('section', { class: 'tiles', 'aria-label': `${title} calls`, id: `${side}-tiles` });
  const list = h('div', { class: 'row' });
  element.append(h('h2', {}, title), list);
  return {
    element,
    update: (group) =>
      each(
        list,
        group.tiles,
        ({ metric }) => metric,
        () => makeTile(side),
      ),
  };
}

/** Draws the groups; a side without methods has none. */
export function drawTiles(view: OverviewView): void {
  const ofSide = (side: Side): readonly MethodView[] => view.methods.filter((method) => method.side === side);
  const [client, server] = [ofSide('client'), ofSide('server')];
  const groups = [...(client.length > 0 ? [outgoing(client, view)] : []), ...(server.length > 0 ? [incoming(server, view)] : [])];
  const parent = byId('tiles');
  mark(parent, 'data-empty', groups.length === 0 ? 'No calls yet. The first one shows here.' : undefined);
  each(parent, groups, ({ side }) => side, makeGroup);
}
