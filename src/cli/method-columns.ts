/**
 * The columns in which `stat` and `top` show methods and endpoints.
 *
 * @packageDocumentation
 */
import type { EndpointView, MethodView } from '../observe/views.ts';
import { count, millis, percent, rate } from './format.ts';
import type { Tone } from './style.ts';
import type { Cell, Column } from './table.ts';
import { safe } from './text.ts';

/** How good a share of successes is: tones only stress what the number says. */
function toneOfSuccess(share: number, calls: number): Tone {
  if (calls <= 0) return 'dim';
  return share >= 0.999 ? 'good' : share >= 0.99 ? 'plain' : share >= 0.95 ? 'warn' : 'bad';
}

const success = (share: number, perSecond: number): Cell => ({
  text: perSecond > 0 ? percent(share) : '-',
  tone: toneOfSuccess(share, perSecond),
});

/** A column that `top` can sort by. */
export interface MethodColumn extends Column<MethodView> {
  /** The name of the sort key. */
  readonly key: string;
  /** The larger, the more it matters. Text sorts upwards. */
  by(row: MethodView): number | string;
}

/** Columns of a method; in a narrow place those with the highest `spare` go first. */
export const METHOD_COLUMNS: readonly MethodColumn[] = [
  { key: 'method', title: 'METHOD', least: 26, cutAt: 'start', by: (m) => m.method, cell: (m) => safe(m.method) },
  { key: 'side', title: 'SIDE', by: (m) => m.side, cell: (m) => ({ text: m.side, tone: 'dim' }) },
  { key: 'success', title: 'SUCCESS', right: true, by: (m) => 1 - m.success, cell: (m) => success(m.success, m.callsPerSecond) },
  { key: 'rps', title: 'RPS', right: true, by: (m) => m.callsPerSecond, cell: (m) => rate(m.callsPerSecond) },
  {
    key: 'actual',
    title: 'ACTUAL',
    right: true,
    spare: 1,
    by: (m) => m.attemptsPerSecond,
    // More on the wire than the app asked for: retries and hedges.
    cell: (m) => ({
      text: m.side === 'server' ? '' : rate(m.attemptsPerSecond),
      tone: m.side === 'client' && m.attemptsPerSecond > m.callsPerSecond * 1.1 ? 'warn' : 'plain',
    }),
  },
  { key: 'p50', title: 'P50', right: true, spare: 2, by: (m) => m.latencyMs.p50, cell: (m) => millis(m.latencyMs.p50) },
  { key: 'p95', title: 'P95', right: true, spare: 3, by: (m) => m.latencyMs.p95, cell: (m) => millis(m.latencyMs.p95) },
  { key: 'p99', title: 'P99', right: true, by: (m) => m.latencyMs.p99, cell: (m) => millis(m.latencyMs.p99) },
  { key: 'active', title: 'ACTIVE', right: true, spare: 5, by: (m) => m.active, cell: (m) => count(m.active) },
  {
    key: 'retries',
    title: 'RETRIES',
    right: true,
    spare: 6,
    by: (m) => m.retries,
    cell: (m) => (m.side === 'server' ? '' : count(m.retries)),
  },
  { key: 'refused', title: 'REFUSED', right: true, spare: 7, by: (m) => m.refused, cell: (m) => count(m.refused) },
  { key: 'calls', title: 'CALLS', right: true, spare: 8, by: (m) => m.calls, cell: (m) => count(m.calls) },
];

/** More, for `-o wide`. */
export const WIDE_COLUMNS: readonly Column<MethodView>[] = [
  { title: 'HEDGES', right: true, cell: (m) => (m.side === 'server' ? '' : count(m.hedges)) },
  { title: 'WIRE OK', right: true, cell: (m) => (m.side === 'server' ? '' : success(m.attemptSuccess, m.attemptsPerSecond)) },
  { title: 'FAILED', right: true, cell: (m) => ({ text: count(m.failed), tone: m.failed > 0 ? 'warn' : 'plain' }) },
  { title: 'BY STATUS', cell: (m) => statuses(m) },
];

/** Everything but OK, the most frequent first. */
function statuses({ byStatus }: MethodView): string {
  const bad = Object.entries(byStatus).filter(([name, calls]) => name !== 'OK' && calls > 0);
  return bad
    .sort(([, a], [, b]) => b - a)
    .map(([name, calls]) => `${safe(name)} ${count(calls)}`)
    .join(', ');
}

/** Columns of an endpoint. `atMs` is the time at which `ejectedUntilMs` is to be seen. */
export function endpointColumns(atMs: number): readonly Column<EndpointView>[] {
  return [
    { title: 'ENDPOINT', least: 14, cutAt: 'start', cell: (e) => safe(e.address) },
    { title: 'TARGET', least: 10, spare: 6, cell: (e) => ({ text: safe(e.target), tone: 'dim' }) },
    { title: 'STATE', cell: (e) => stateOf(e, atMs) },
    { title: 'SHARE', right: true, cell: (e) => percent(e.share) },
    { title: 'EWMA', right: true, spare: 1, cell: (e) => millis(e.latencyMs) },
    { title: 'IN FLIGHT', right: true, spare: 2, cell: (e) => count(e.inFlight) },
    { title: 'EJECTIONS', right: true, spare: 3, cell: (e) => count(e.ejections) },
    { title: 'PICKS', right: true, spare: 5, cell: (e) => count(e.picks) },
    { title: 'REBUILDS', right: true, spare: 4, cell: (e) => count(e.rebuilds) },
  ];
}

function stateOf(endpoint: EndpointView, atMs: number): Cell {
  if (!endpoint.ejected) return { text: safe(endpoint.state.toLowerCase()), tone: endpoint.ready ? 'good' : 'warn' };
  const why = endpoint.ejectedFor === undefined ? '' : `: ${safe(endpoint.ejectedFor)}`;
  const left = endpoint.ejectedUntilMs === undefined ? '' : `, ${Math.max(0, Math.ceil((endpoint.ejectedUntilMs - atMs) / 1000))}s`;
  return { text: `ejected${why}${left}`, tone: 'bad' };
}
