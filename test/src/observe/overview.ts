/** What a mesh shows, small and made up, for tests of metrics that are read from it. */
import { noBalanceCounts } from '../../../src/balance/counts.ts';
import { SIZE_BOUNDARIES } from '../../../src/observe/names.ts';
import type { ReadStats } from '../../../src/observe/own-metrics.ts';
import type { LimitView, MethodView, OverviewView, Side } from '../../../src/observe/views.ts';

const LATENCY = { p50: 0, p95: 0, p99: 0 };

export function methodView(side: Side, method: string, durationCounts: readonly number[], more: Partial<MethodView> = {}): MethodView {
  const calls = durationCounts.at(-1) ?? 0;
  return {
    ...{ side, method, calls, active: 0, failed: 0, refused: 0, attempts: calls, retries: 0, hedges: 0, byStatus: { OK: calls } },
    ...{ callsPerSecond: 0, attemptsPerSecond: 0, success: 1, attemptSuccess: 1, latencyMs: LATENCY },
    history: { calls: [], failed: [], attempts: [], p99Ms: [] },
    durationCounts,
    durationSumMs: 0,
    ...more,
  };
}

export function limitView(key: string, more: Partial<LimitView> = {}): LimitView {
  return { side: 'client', key, kind: 'bulkhead', limit: 10, inUse: 3, queued: 1, refused: 2, ...more };
}

export function overviewOf(more: Partial<OverviewView> = {}): OverviewView {
  return {
    atMs: 0,
    process: { service: 'shop', pid: 1, node: 'v24.0.0', inmesh: '0.1.0', uptimeMs: 1000, draining: false },
    policy: { hash: '8f3a52c0d91be674', sinceMs: 0, reloads: 0, rejected: 0, pending: [] },
    ...{ methods: [], endpoints: [], breakers: [], limits: [], budgets: [], peers: [], events: [] },
    batches: {
      client: {
        ...{ carriers: 0, items: 0, tunnels: 0, sizes: { upTo: SIZE_BOUNDARIES, counts: [] }, waitMs: LATENCY },
        ...{ flushReasons: {}, bypassReasons: {}, turnedAway: 0, late: 0, ambiguous: 0 },
      },
      server: { carriers: 0, tunnels: 0, items: 0 },
    },
    ...more,
  };
}

export function statsOf(more: Partial<ReadStats> = {}): ReadStats {
  return {
    client: { refused: {} },
    server: { refused: {} },
    cache: { hits: 0, misses: 0, shared: 0, stale: 0, bypassed: 0, entries: 0, bytes: 0, evicted: 0 },
    fallbacks: { used: 0, failed: 0 },
    ...more,
  };
}

export const balanceOf = (more: Partial<ReturnType<typeof noBalanceCounts>> = {}): ReturnType<typeof noBalanceCounts> => ({
  ...noBalanceCounts(),
  ...more,
});
