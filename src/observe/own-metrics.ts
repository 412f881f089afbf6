/**
 * Metrics of our own behaviours, read off what the mesh shows of itself when somebody collects: no call pays for them.
 *
 * OpenTelemetry's gauges (`own-gauges.ts`) and the Prometheus text (`prometheus.ts`) are made from the same readings. Labels are methods,
 * services, targets and words of ours; a tenant, a peer or a metadata value never is one.
 *
 * @packageDocumentation
 */
import type { BalanceCounts } from '../balance/counts.ts';
import { serverAttributes } from './address.ts';
import type { Labels, MetricSpec, MetricType, Reading } from './metric-spec.ts';
import { OTHER, RPC_METHOD, rpcMethod, SERVER_ADDRESS, SERVER_PORT, STAGE_BOUNDARIES } from './names.ts';
import type { LimitView, OverviewView } from './views.ts';

export const SIDE = 'inmesh.side';
export const LIMIT_KIND = 'inmesh.limit.kind';
export const SERVICE = 'inmesh.service';
export const ATTEMPT_KIND = 'inmesh.attempt.kind';
export const REFUSAL_REASON = 'inmesh.refusal.reason';
export const BREAKER_STATE = 'inmesh.breaker.state';
export const CACHE_RESULT = 'inmesh.cache.result';
export const FALLBACK_RESULT = 'inmesh.fallback.result';
export const ENDPOINT_STATE = 'inmesh.endpoint.state';
export const EJECTION_CAUSE = 'inmesh.endpoint.ejection.cause';

const LIMIT = [SIDE, LIMIT_KIND, RPC_METHOD];
const SERVER = [SERVER_ADDRESS, SERVER_PORT];

/** One metric, in the order in which its parts are read best. */
function own(type: MetricType, name: string, unit: string, attributes: readonly string[], description: string): MetricSpec {
  return { name: `inmesh.${name}`, type, unit, attributes, description };
}

/** Short names of {@link OWN}. */
type OwnName =
  | 'attempts'
  | 'refused'
  | 'limitMax'
  | 'limitInUse'
  | 'limitQueued'
  | 'limitRefused'
  | 'budgetBalance'
  | 'budgetDrawn'
  | 'budgetRefused'
  | 'breakerState'
  | 'breakerOpened'
  | 'breakerRefused'
  | 'cacheLookups'
  | 'cacheEntries'
  | 'cacheSize'
  | 'cacheEvicted'
  | 'fallbacks'
  | 'endpoints'
  | 'ejections';

/** What is measured of our own behaviours; `docs/metrics.md` lists the same. */
export const OWN: Readonly<Record<OwnName, MetricSpec>> = {
  attempts: own(
    'counter',
    'client.attempts',
    '{attempt}',
    [RPC_METHOD, ATTEMPT_KIND],
    'Attempts begun: the first of each call, retries, hedges',
  ),
  refused: own('counter', 'refused', '{call}', [SIDE, REFUSAL_REASON], 'Calls that the mesh refused itself'),
  limitMax: own('gauge', 'limit.max', '{call}', LIMIT, 'Calls that a limit lets in at a time'),
  limitInUse: own('gauge', 'limit.in_use', '{call}', LIMIT, 'Calls in flight under a limit'),
  limitQueued: own('gauge', 'limit.queued', '{call}', LIMIT, 'Calls that wait for a limit'),
  limitRefused: own('counter', 'limit.refused', '{call}', LIMIT, 'Calls that a limit refused'),
  budgetBalance: own('gauge', 'budget.balance', '{attempt}', [SERVICE], 'Attempts that the retry budget would pay for now'),
  budgetDrawn: own('counter', 'budget.drawn', '{attempt}', [SERVICE], 'Attempts paid from the retry budget'),
  budgetRefused: own('counter', 'budget.refused', '{attempt}', [SERVICE], 'Attempts not made because the retry budget was empty'),
  breakerState: own(
    'gauge',
    'breaker.state',
    '{breaker}',
    [RPC_METHOD, BREAKER_STATE],
    'Breakers in a state: 1 for the one it is in, else 0',
  ),
  breakerOpened: own('counter', 'breaker.opened', '{opening}', [RPC_METHOD], 'How often a breaker has opened'),
  breakerRefused: own('counter', 'breaker.refused', '{call}', [RPC_METHOD], 'Calls that an open breaker refused'),
  cacheLookups: own('counter', 'cache.lookups', '{call}', [CACHE_RESULT], 'Calls of cached methods, by what the cache had'),
  cacheEntries: own('gauge', 'cache.entries', '{answer}', [], 'Answers kept'),
  cacheSize: own('gauge', 'cache.size', 'By', [], 'Bytes of the answers kept'),
  cacheEvicted: own('counter', 'cache.evicted', '{answer}', [], 'Answers that made room for others'),
  fallbacks: own('counter', 'fallback.calls', '{call}', [FALLBACK_RESULT], 'Failed calls whose fallback was asked'),
  endpoints: own('gauge', 'endpoint.count', '{endpoint}', [...SERVER, ENDPOINT_STATE], 'Endpoints in a state'),
  ejections: own('counter', 'endpoint.ejections', '{ejection}', [...SERVER, EJECTION_CAUSE], 'Ejections of endpoints'),
};

/** Recorded at the end of a call that has waited; all others are read. */
export const QUEUE_TIME: MetricSpec = {
  ...own('histogram', 'queue.time', 's', [SIDE, RPC_METHOD], 'Time that a call waited for a limit or a bulkhead, if it did'),
  boundaries: STAGE_BOUNDARIES,
};

/** What the readings are taken from besides the overview; `mesh.stats()` has it. */
export interface ReadStats {
  readonly client: { readonly refused: Readonly<Record<string, number>> };
  readonly server: { readonly refused: Readonly<Record<string, number>> };
  readonly cache: Readonly<Record<'hits' | 'misses' | 'shared' | 'stale' | 'bypassed' | 'entries' | 'bytes' | 'evicted', number>>;
  readonly fallbacks: { readonly used: number; readonly failed: number };
  /** What was drawn from the budgets, by service. */
  readonly budgetCounts?: Readonly<Record<string, { readonly drawn: number; readonly refused: number }>>;
  /** What happened to endpoints, by target. */
  readonly balance?: Readonly<Record<string, BalanceCounts>>;
}

/** The parts of the overview that are read here. */
export type ReadOverview = Pick<OverviewView, 'methods' | 'endpoints' | 'breakers' | 'limits' | 'budgets'>;

const BREAKER_STATES = ['closed', 'open', 'halfOpen', 'isolated'];
/** Methods, services or targets of one metric at most; the rest is `_OTHER`. */
const MAX_NAMES = 1000;

/** All numbers of our own behaviours now. Those of behaviours that nobody uses are not there. */
export function readOwn(overview: ReadOverview, stats: ReadStats): Reading[] {
  const out: Reading[] = [];
  const put = (metric: MetricSpec, labels: Labels, value: number): void => void out.push({ metric, labels, value });
  for (const { side, method, attempts, retries, hedges } of overview.methods) {
    if (side !== 'client') continue;
    put(OWN.attempts, { [RPC_METHOD]: method, [ATTEMPT_KIND]: 'first' }, Math.max(0, attempts - retries - hedges));
    if (retries > 0) put(OWN.attempts, { [RPC_METHOD]: method, [ATTEMPT_KIND]: 'retry' }, retries);
    if (hedges > 0) put(OWN.attempts, { [RPC_METHOD]: method, [ATTEMPT_KIND]: 'hedge' }, hedges);
  }
  for (const side of ['client', 'server'] as const) {
    for (const [reason, calls] of Object.entries(stats[side].refused)) put(OWN.refused, { [SIDE]: side, [REFUSAL_REASON]: reason }, calls);
  }
  for (const limit of overview.limits) {
    const labels = { [SIDE]: limit.side, [LIMIT_KIND]: limit.kind, ...methodOf(limit) };
    put(OWN.limitMax, labels, limit.limit);
    put(OWN.limitInUse, labels, limit.inUse);
    put(OWN.limitQueued, labels, limit.queued);
    put(OWN.limitRefused, labels, limit.refused);
  }
  for (const { service, balance } of overview.budgets) put(OWN.budgetBalance, { [SERVICE]: service }, balance);
  for (const [service, { drawn, refused }] of Object.entries(stats.budgetCounts ?? {})) {
    put(OWN.budgetDrawn, { [SERVICE]: service }, drawn);
    put(OWN.budgetRefused, { [SERVICE]: service }, refused);
  }
  for (const { method, state, opened, refused } of overview.breakers) {
    const name = rpcMethod(method);
    // All of them: a state that is left must fall to 0, not stay as it was.
    for (const each of BREAKER_STATES) put(OWN.breakerState, { [RPC_METHOD]: name, [BREAKER_STATE]: each }, each === state ? 1 : 0);
    put(OWN.breakerOpened, { [RPC_METHOD]: name }, opened);
    put(OWN.breakerRefused, { [RPC_METHOD]: name }, refused);
  }
  readAnswers(stats, put);
  readEndpoints(overview, stats, put);
  return summed(out);
}

type Put = (metric: MetricSpec, labels: Labels, value: number) => void;

function readAnswers({ cache, fallbacks }: ReadStats, put: Put): void {
  const results = { hit: cache.hits, miss: cache.misses, shared: cache.shared, stale: cache.stale, bypassed: cache.bypassed };
  if (Object.values(results).some((calls) => calls > 0)) {
    for (const [result, calls] of Object.entries(results)) put(OWN.cacheLookups, { [CACHE_RESULT]: result }, calls);
    put(OWN.cacheEntries, {}, cache.entries);
    put(OWN.cacheSize, {}, cache.bytes);
    put(OWN.cacheEvicted, {}, cache.evicted);
  }
  if (fallbacks.used + fallbacks.failed === 0) return;
  put(OWN.fallbacks, { [FALLBACK_RESULT]: 'used' }, fallbacks.used);
  put(OWN.fallbacks, { [FALLBACK_RESULT]: 'failed' }, fallbacks.failed);
}

function readEndpoints({ endpoints }: ReadOverview, { balance = {} }: ReadStats, put: Put): void {
  for (const target of new Set(endpoints.map((endpoint) => endpoint.target))) {
    for (const state of ['ready', 'connecting', 'failing', 'ejected'])
      put(OWN.endpoints, { ...server(target), [ENDPOINT_STATE]: state }, 0);
  }
  for (const { target, state, ejected } of endpoints)
    put(OWN.endpoints, { ...server(target), [ENDPOINT_STATE]: ejected ? 'ejected' : state }, 1);
  for (const [target, { ejections }] of Object.entries(balance)) {
    for (const [cause, times] of Object.entries(ejections)) {
      if (times > 0) put(OWN.ejections, { ...server(target), [EJECTION_CAUSE]: cause }, times);
    }
  }
}

function server(target: string): Labels {
  if (target === OTHER) return { [SERVER_ADDRESS]: OTHER };
  const { [SERVER_ADDRESS]: address, [SERVER_PORT]: port } = serverAttributes(target);
  return {
    ...(typeof address === 'string' ? { [SERVER_ADDRESS]: address } : {}),
    ...(typeof port === 'number' ? { [SERVER_PORT]: port } : {}),
  };
}

/** A limit's key is a method, a method and a tenant, or `server`. Tenants are no label: theirs are summed. */
function methodOf({ key }: LimitView): Labels {
  const [method = ''] = key.split(' ', 1);
  return method.includes('/') ? { [RPC_METHOD]: method } : {};
}

/** Equal labels become one reading; names beyond the cap become `_OTHER`. */
function summed(readings: readonly Reading[]): Reading[] {
  const names = new Map<MetricSpec, Set<string>>();
  const byKey = new Map<string, Reading>();
  for (const { metric, labels, value } of readings) {
    const capped = cap(metric, labels, names);
    const key = `${metric.name}\n${Object.values(capped).join('\n')}`;
    const before = byKey.get(key);
    byKey.set(key, { metric, labels: capped, value: value + (before?.value ?? 0) });
  }
  return [...byKey.values()];
}

function cap(metric: MetricSpec, labels: Labels, names: Map<MetricSpec, Set<string>>): Labels {
  const open = OPEN_ENDED.find((attribute) => labels[attribute] !== undefined);
  if (open === undefined) return labels;
  const known = names.get(metric) ?? new Set();
  names.set(metric, known);
  const name = `${labels[open]} ${labels[SERVER_PORT] ?? ''}`;
  if (known.has(name) || known.size < MAX_NAMES) {
    known.add(name);
    return labels;
  }
  const { [SERVER_PORT]: _port, ...rest } = labels;
  return { ...rest, [open]: OTHER };
}

/** Attributes whose values we do not choose. */
const OPEN_ENDED = [RPC_METHOD, SERVICE, SERVER_ADDRESS, REFUSAL_REASON];
