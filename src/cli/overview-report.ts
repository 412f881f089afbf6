/**
 * What `stat` prints.
 *
 * @packageDocumentation
 */
import { policyTrouble, shortHash } from '../observe/policy-words.ts';
import type { BreakerView, BudgetView, LimitView, MethodView, OverviewView, PeerView } from '../observe/views.ts';
import { count, millis, percent, rate, span } from './format.ts';
import { endpointColumns, METHOD_COLUMNS, WIDE_COLUMNS } from './method-columns.ts';
import type { Style } from './style.ts';
import { type Column, table } from './table.ts';
import { cut, safe } from './text.ts';

/** How it is to be shown. */
export interface ReportOptions {
  readonly width: number;
  readonly style: Style;
  /** Every column and every list; lines may be wider than the terminal. */
  readonly wide: boolean;
  /** Calls of a batch on average, by method. */
  readonly batches?: ReadonlyMap<string, number>;
}

/** The busiest first; then by name, so that quiet ones stand still. */
export const byTraffic = (a: MethodView, b: MethodView): number =>
  b.callsPerSecond - a.callsPerSecond || b.calls - a.calls || (a.method < b.method ? -1 : a.method > b.method ? 1 : 0);

/** One line about the process. */
export function headline({ process, methods, policy: { hash } }: OverviewView): string {
  const { service, pid, node, inmesh, uptimeMs, draining } = process;
  const name = `${safe(service)} (pid ${pid})`;
  const facts = `inmesh ${safe(inmesh)}, ${safe(node)}, up ${span(uptimeMs)}, ${methods.length} methods, policy ${safe(shortHash(hash))}`;
  return `${name}, ${facts}${draining ? ', DRAINING' : ''}`;
}

/** One line where what was last asked for is not what is in force. */
export function policyLine({ policy }: OverviewView): string[] {
  const trouble = policyTrouble(policy);
  return trouble === undefined ? [] : [safe(trouble)];
}

/** One line about coalescing; none where nothing was coalesced. */
export function batchLine({ batches: { client, server } }: OverviewView): string[] {
  const lines: string[] = [];
  if (client.carriers > 0 || client.items > 0) {
    const factor = client.carriers > 0 ? (client.items / client.carriers).toFixed(1) : '-';
    lines.push(
      `coalescing: ${count(client.items)} calls in ${count(client.carriers)} carriers, ${factor} a carrier, ${client.tunnels} tunnels, wait p99 ${millis(client.waitMs.p99)}`,
    );
  }
  if (server.items > 0)
    lines.push(`batches served: ${count(server.items)} calls in ${count(server.carriers)} carriers, ${server.tunnels} tunnels`);
  return lines;
}

const BREAKERS: readonly Column<BreakerView>[] = [
  { title: 'BREAKER', least: 16, cutAt: 'start', cell: (b) => safe(b.method) },
  { title: 'STATE', cell: (b) => ({ text: safe(b.state), tone: b.state === 'closed' ? 'good' : 'bad' }) },
  { title: 'OPENED', right: true, cell: (b) => count(b.opened) },
  { title: 'REFUSED', right: true, cell: (b) => count(b.refused) },
];

const LIMITS: readonly Column<LimitView>[] = [
  { title: 'LIMIT', least: 16, cutAt: 'start', cell: (l) => safe(l.key) },
  { title: 'SIDE', cell: (l) => ({ text: l.side, tone: 'dim' }) },
  { title: 'KIND', cell: (l) => safe(l.kind) },
  { title: 'IN USE', right: true, cell: (l) => `${count(l.inUse)}/${count(l.limit)}` },
  { title: 'QUEUED', right: true, cell: (l) => count(l.queued) },
  { title: 'REFUSED', right: true, cell: (l) => ({ text: count(l.refused), tone: l.refused > 0 ? 'warn' : 'plain' }) },
];

const BUDGETS: readonly Column<BudgetView>[] = [
  { title: 'RETRY BUDGET', least: 16, cutAt: 'start', cell: (b) => safe(b.service) },
  {
    title: 'LEFT',
    right: true,
    cell: (b) => `${count(Math.floor(b.balance))}${b.max === undefined ? '' : `/${count(Math.floor(b.max))}`}`,
  },
];

const PEERS: readonly Column<PeerView>[] = [
  { title: 'PEER', least: 14, cell: (p) => safe(p.peer) },
  { title: 'RPS', right: true, cell: (p) => rate(p.callsPerSecond) },
  { title: 'CALLS', right: true, cell: (p) => count(p.calls) },
];

function batchColumn(batches: ReadonlyMap<string, number>): Column<MethodView> {
  const cell = ({ side, method }: MethodView): string => (side === 'client' ? (batches.get(method)?.toFixed(1) ?? '') : '');
  return { title: 'BATCH', right: true, spare: 4, cell };
}

/** Lines of tables, an empty one between two parts. */
export function report(overview: OverviewView, { width, style, wide, batches = new Map() }: ReportOptions): string[] {
  const room = wide ? Number.POSITIVE_INFINITY : width;
  const methods = [...overview.methods].sort(byTraffic);
  const columns = [...METHOD_COLUMNS, ...(batches.size === 0 ? [] : [batchColumn(batches)]), ...(wide ? WIDE_COLUMNS : [])];
  const parts = [
    [headline(overview), ...batchLine(overview), ...policyLine(overview)].map((line) => cut(line, room)),
    methods.length === 0 ? ['no calls yet'] : table(columns, methods, room, style),
    table(endpointColumns(overview.atMs), overview.endpoints, room, style),
  ];
  const troubled = overview.breakers.filter(({ state, opened }) => wide || state !== 'closed' || opened > 0);
  const strained = overview.limits.filter(({ queued, refused }) => wide || queued > 0 || refused > 0);
  parts.push(table(BREAKERS, troubled, room, style), table(LIMITS, strained, room, style));
  if (wide) {
    parts.push(table(BUDGETS, overview.budgets, room, style), table(PEERS, overview.peers, room, style), reasons(overview));
  }
  return parts.filter((part) => part.length > 0).flatMap((part, at) => (at === 0 ? part : ['', ...part]));
}

/** How large batches were. */
function sizes({ upTo, counts }: OverviewView['batches']['client']['sizes']): string[] {
  const sum = counts.reduce((total, times) => total + times, 0);
  if (sum === 0) return [];
  const least = upTo.at(-1) ?? 0;
  const shown = counts.flatMap((times, at) =>
    times > 0 ? [`${upTo[at] === undefined ? `over ${least}` : `up to ${upTo[at]}`} ${percent(times / sum)}`] : [],
  );
  return [`batches of ${shown.join(', ')}`];
}

/** Why batches went out, and why calls did not join one. */
function reasons({ batches: { client } }: OverviewView): string[] {
  const shares = (title: string, counts: Readonly<Record<string, number>>): string[] => {
    const all = Object.entries(counts).filter(([, times]) => times > 0);
    const sum = all.reduce((total, [, times]) => total + times, 0);
    if (sum === 0) return [];
    return [
      `${title}: ${all
        .sort(([, a], [, b]) => b - a)
        .map(([name, times]) => `${safe(name)} ${percent(times / sum)}`)
        .join(', ')}`,
    ];
  };
  return [
    ...sizes(client.sizes),
    ...shares('batches sent because of', client.flushReasons),
    ...shares('calls sent alone because of', client.bypassReasons),
  ];
}
