/**
 * Joins what a mesh keeps of itself to its observer: where the numbers come from, and who tells of what happens.
 *
 * @packageDocumentation
 */
import type { EndpointChange } from './balance/changes.ts';
import type { BreakerState } from './breaker/breaker.ts';
import type { Breakers } from './breaker/breakers.ts';
import type { Bulkhead } from './bulkhead/bulkhead.ts';
import type { EndpointStats } from './grpc/client-doors.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import type { NativeCounts } from './grpc/native-batcher.ts';
import type { MeshLimits } from './mesh-limits.ts';
import { scopeVersion } from './observe/api.ts';
import type { Tell } from './observe/event-log.ts';
import { rpcMethod, SIZE_BOUNDARIES } from './observe/names.ts';
import { Observer } from './observe/observer.ts';
import type { Recorder } from './observe/recorder.ts';
import type { BatchView, BreakerView, BudgetView, EndpointView, LimitView, PolicyView, ProcessView, Side } from './observe/views.ts';
import { balancesOf, type RetryBudgets } from './retry/budgets.ts';

/** The bulkheads of a mesh: for each stack that was built, those that it has, by key. */
export interface Walls {
  readonly client: (() => Iterable<readonly [string, Bulkhead]>)[];
  readonly server: (() => Iterable<readonly [string, Bulkhead]>)[];
}

/** None yet. */
export function noWalls(): Walls {
  return { client: [], server: [] };
}

/** Breakers, and limits, that are shown at most: those that matter most now. Tenants, which choose their names, have bulkheads too. */
const MAX_ROWS = 1_000;

/** What an observer is made from. */
export interface ObservedMesh {
  readonly recorder: Recorder;
  readonly breakers: Breakers;
  readonly limits: MeshLimits;
  readonly walls: Walls;
  readonly budgets: readonly RetryBudgets[];
  readonly coalesce: CoalesceCounts;
  readonly native: NativeCounts;
  readonly endpoints: () => Readonly<Record<string, readonly EndpointStats[]>>;
  readonly served: () => { readonly carriers: number; readonly tunnels: number; readonly items: number };
  readonly draining: () => boolean;
  readonly policy: () => PolicyView;
}

/** The observer of a mesh. From now on breakers and budgets tell it what happens. */
export function observe(mesh: ObservedMesh): Observer {
  const { recorder, breakers } = mesh;
  const { add } = recorder.events;
  const version = scopeVersion() ?? '';
  breakers.onState = (method, state) => tellBreaker(add, method, state);
  return new Observer(recorder, {
    process: () => processView(version, recorder.clock.nowMs(), mesh.draining()),
    endpoints: () => endpointViews(mesh.endpoints()),
    breakers: () => breakerViews(breakers),
    limits: () => limitViews(mesh),
    budgets: () => budgetViews(mesh.budgets),
    batches: () => ({ client: batchView(mesh, recorder.clock.nowMs()), server: mesh.served() }),
    policy: () => mesh.policy(),
  });
}

/** Tells of the retries that a stack did without. */
export function tellBudgets(budgets: RetryBudgets, add: Tell): void {
  budgets.onEmpty = (service) =>
    add({
      kind: 'budget.exhausted',
      level: 'warn',
      subject: service,
      reason: 'budget',
      text: `no retry or hedge for ${service || 'calls'}: the budget is used up`,
    });
}

/** Tells of a batch that an endpoint did not take. @param path - `/pkg.Service/Method` */
export function tellTurnedAway(add: Tell, path: string): void {
  const subject = rpcMethod(path);
  add({ kind: 'batch.denied', subject, text: `an endpoint turned a batch of ${subject} away; its calls go alone` });
}

/** Tells what happens to endpoints of a target. */
export function tellEndpoint(add: Tell, target: string, change: EndpointChange): void {
  const { what, address } = change;
  const text = { added: 'is new', removed: 'has gone from name resolution', back: 'has calls again', ejected: 'is ejected', state: 'is' }[
    what
  ];
  const of = target === '' ? '' : ` of ${target}`;
  const bad = what === 'ejected' || (what === 'state' && change.state === 'failing');
  const detail = what === 'state' ? ` ${change.state}` : what === 'ejected' ? ` for ${change.why}` : '';
  const reason = what === 'state' ? change.state : what === 'ejected' ? change.why : undefined;
  add({ kind: `endpoint.${what}`, level: bad ? 'warn' : 'info', subject: address, reason, text: `${address}${of} ${text}${detail}` });
}

function tellBreaker(add: Tell, method: string, state: BreakerState): void {
  const subject = rpcMethod(method);
  const bad = state === 'open' || state === 'isolated';
  add({
    kind: 'breaker.state',
    level: bad ? 'warn' : 'info',
    subject,
    reason: state,
    text: `the breaker of ${subject} is ${WORDS[state]}`,
  });
}

const WORDS: Readonly<Record<BreakerState, string>> = {
  closed: 'closed again',
  open: 'open: its calls are refused',
  halfOpen: 'half open: a few calls may try',
  isolated: 'open by hand',
};

/** @param uptimeMs - The clock's time: it began with the process. */
function processView(inmesh: string, uptimeMs: number, draining: boolean): ProcessView {
  const { env, pid, version } = process;
  return {
    service: env['OTEL_SERVICE_NAME'] || env['npm_package_name'] || 'node',
    pid,
    node: version,
    inmesh,
    uptimeMs: Math.round(uptimeMs),
    draining,
  };
}

function endpointViews(byTarget: ReturnType<ObservedMesh['endpoints']>): EndpointView[] {
  return Object.entries(byTarget).flatMap(([target, endpoints]) => endpoints.map((endpoint) => ({ target, ...endpoint })));
}

function breakerViews(breakers: Breakers): BreakerView[] {
  const views = Object.entries(breakers.stats()).map(([method, stats]) => ({ method: rpcMethod(method), ...stats }));
  const open = ({ state }: BreakerView): number => (state === 'closed' ? 0 : 1);
  return views.length <= MAX_ROWS ? views : views.sort((a, b) => open(b) - open(a) || b.opened - a.opened).slice(0, MAX_ROWS);
}

function limitViews({ limits, walls }: ObservedMesh): LimitView[] {
  const wall = (side: Side, key: string, bulkhead: Bulkhead, kind: LimitView['kind']): LimitView => {
    const { slots: limit, inUse, waiting: queued, refused } = bulkhead;
    return { side, key: rpcMethod(key).replace('\n', ' ') || 'server', kind, limit, inUse, queued, refused };
  };
  const all = (side: Side): LimitView[] =>
    walls[side].flatMap((entries) => [...entries()].map(([key, bulkhead]) => wall(side, key, bulkhead, 'bulkhead')));
  const views = [
    ...all('client'),
    ...[...limits.client.entries()].map(([key, { bulkhead }]) => wall('client', key, bulkhead, 'limit')),
    ...all('server'),
    ...(limits.server === undefined ? [] : [wall('server', '', limits.server.bulkhead, 'limit')]),
  ];
  const load = ({ inUse, queued }: LimitView): number => inUse + queued;
  return views.length <= MAX_ROWS ? views : views.sort((a, b) => load(b) - load(a) || b.refused - a.refused).slice(0, MAX_ROWS);
}

function budgetViews(budgets: readonly RetryBudgets[]): BudgetView[] {
  return Object.entries(balancesOf(budgets)).map(([service, balance]) => ({ service, balance }));
}

/** Envelopes, messages on tunnels and native batches alike carry calls. */
function batchView({ coalesce, native }: ObservedMesh, nowMs: number): BatchView {
  const { carriers, items, tunnels, flushes, plain, turnedAway, late, ambiguous, detail } = coalesce;
  const flushReasons: Record<string, number> = { ...flushes };
  for (const [reason, count] of Object.entries(detail.tunnelFlushes)) flushReasons[reason] = (flushReasons[reason] ?? 0) + count;
  return {
    carriers: carriers + tunnels.frames + native.batches,
    items: items + tunnels.items + native.items,
    tunnels: tunnels.open,
    sizes: { upTo: SIZE_BOUNDARIES, counts: [...detail.sizes] },
    waitMs: detail.waits.view(nowMs),
    flushReasons,
    bypassReasons: { ...plain },
    turnedAway,
    late,
    ambiguous,
  };
}
