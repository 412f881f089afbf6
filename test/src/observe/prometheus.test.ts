import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { prometheusName } from '../../../src/observe/metric-spec.ts';
import { DURATION_BOUNDARIES, SIZE_BOUNDARIES } from '../../../src/observe/names.ts';
import { renderPrometheus } from '../../../src/observe/prometheus.ts';
import { balanceOf, limitView, methodView, overviewOf, statsOf } from './overview.ts';
import { parsePrometheus } from './prometheus-parser.ts';

/** Everything that can be shown, once. */
function everything(): string {
  const overview = overviewOf({
    methods: [
      methodView('client', 'shop.Cart/Add', [1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4], {
        ...{ durationSumMs: 12_345.5, active: 2, attempts: 6, retries: 1, hedges: 1, byStatus: { OK: 3, UNAVAILABLE: 1 } },
      }),
      methodView('server', 'shop.Cart/Add', Array(15).fill(7), { durationSumMs: 14 }),
    ],
    endpoints: [
      {
        ...{ target: 'dns:///cart.example:8443', address: '10.0.0.7:8443', state: 'ready', ready: true, inFlight: 1, latencyMs: 3 },
        ...{ ejected: false, ejections: 0, rebuilds: 0, dropShare: 0, picks: 3, share: 1 },
      },
    ],
    breakers: [{ method: 'shop.Cart/Add', state: 'open', opened: 1, refused: 5 }],
    limits: [limitView('shop.Cart/Add')],
    budgets: [{ service: 'shop.Cart', balance: 99 }],
    batches: {
      client: {
        ...{ carriers: 3, items: 14, tunnels: 1, sizes: { upTo: SIZE_BOUNDARIES, counts: [1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0] } },
        ...{
          waitMs: { p50: 0, p95: 0, p99: 0 },
          flushReasons: { tick: 3 },
          bypassReasons: { alone: 4 },
          turnedAway: 1,
          late: 2,
          ambiguous: 3,
        },
      },
      server: { carriers: 5, tunnels: 1, items: 50 },
    },
  });
  const cache = { hits: 5, misses: 2, shared: 1, stale: 0, bypassed: 0, entries: 2, bytes: 300, evicted: 1 };
  const stats = statsOf({
    cache,
    client: { refused: { 'client.breaker/open': 5 } },
    fallbacks: { used: 1, failed: 0 },
    budgetCounts: { 'shop.Cart': { drawn: 2, refused: 1 } },
    balance: { 'dns:///cart.example:8443': balanceOf({ ejections: { ...balanceOf().ejections, silence: 2 } }) },
  });
  return renderPrometheus(overview, stats);
}

describe('Prometheus text', () => {
  test('is what it was', () => {
    expect(everything()).toMatchSnapshot();
  });

  test('is taken by a strict reader, each family with its type', () => {
    const types = [...parsePrometheus(everything())].map(([name, { type }]) => `${name} ${type}`);
    expect(types).toEqual([
      'inmesh_info gauge',
      'inmesh_draining gauge',
      'inmesh_policy_info gauge',
      'inmesh_policy_since_seconds gauge',
      'inmesh_policy_differs gauge',
      'inmesh_policy_reloads_total counter',
      'rpc_client_call_duration_seconds histogram',
      'inmesh_client_calls_total counter',
      'inmesh_client_active gauge',
      'rpc_server_call_duration_seconds histogram',
      'inmesh_server_calls_total counter',
      'inmesh_server_active gauge',
      'inmesh_client_attempts_total counter',
      'inmesh_refused_total counter',
      'inmesh_limit_max gauge',
      'inmesh_limit_in_use gauge',
      'inmesh_limit_queued gauge',
      'inmesh_limit_refused_total counter',
      'inmesh_budget_balance gauge',
      'inmesh_budget_drawn_total counter',
      'inmesh_budget_refused_total counter',
      'inmesh_breaker_state gauge',
      'inmesh_breaker_opened_total counter',
      'inmesh_breaker_refused_total counter',
      'inmesh_cache_lookups_total counter',
      'inmesh_cache_entries gauge',
      'inmesh_cache_size_bytes gauge',
      'inmesh_cache_evicted_total counter',
      'inmesh_fallback_calls_total counter',
      'inmesh_endpoint_count gauge',
      'inmesh_endpoint_ejections_total counter',
      'inmesh_client_batch_size histogram',
      'inmesh_client_batch_flushed_total counter',
      'inmesh_client_batch_late_total counter',
      'inmesh_client_batch_ambiguous_total counter',
      'inmesh_client_batch_turned_away_total counter',
      'inmesh_client_batch_tunnels gauge',
      'inmesh_client_batch_bypassed_total counter',
      'inmesh_server_batch_carriers_total counter',
      'inmesh_server_batch_items_total counter',
      'inmesh_server_batch_tunnels gauge',
    ]);
  });

  test('durations are cumulative buckets in seconds, at the boundaries of the OpenTelemetry histogram', () => {
    const { samples } = parsePrometheus(everything()).get('rpc_client_call_duration_seconds') ?? { samples: new Map<string, number>() };
    const series = (suffix: string, le = '') => samples.get(`rpc_client_call_duration_seconds_${suffix}{rpc_method="shop.Cart/Add"${le}}`);
    expect(DURATION_BOUNDARIES.map((bound) => series('bucket', `,le="${bound}"`))).toEqual([1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
    expect(series('bucket', ',le="+Inf"')).toBe(4);
    expect(series('count')).toBe(4);
    expect(series('sum')).toBe(12.3455);
  });

  test('sizes of batches are counts of single buckets, and become cumulative', () => {
    const { samples } = parsePrometheus(everything()).get('inmesh_client_batch_size') ?? { samples: new Map<string, number>() };
    expect([1, 4, 8, 16, 1024, '+Inf'].map((le) => samples.get(`inmesh_client_batch_size_bucket{le="${le}"}`))).toEqual([1, 1, 2, 3, 3, 3]);
    expect(samples.get('inmesh_client_batch_size_sum')).toBe(14);
  });

  test('label values with quotes, backslashes and line breaks come back as they were', () => {
    const odd = 'a\\b"c\nd{},=';
    const text = renderPrometheus(overviewOf({ breakers: [{ method: odd, state: 'open', opened: 1, refused: 0 }] }), statsOf());
    expect(text).toContain('inmesh_breaker_opened_total{rpc_method="a\\\\b\\"c\\nd{},="} 1');
    expect(parsePrometheus(text).get('inmesh_breaker_opened_total')?.samples.size).toBe(1);
  });

  test('a mesh that has done nothing shows the process and its policy alone', () => {
    expect([...parsePrometheus(renderPrometheus(overviewOf(), statsOf())).keys()]).toEqual([
      'inmesh_info',
      'inmesh_draining',
      'inmesh_policy_info',
      'inmesh_policy_since_seconds',
      'inmesh_policy_differs',
      'inmesh_policy_reloads_total',
    ]);
  });

  test.each([
    ['0', {}],
    ['1', { problem: 'policy.timeout: expected a duration' }],
    ['1', { pending: ['policy.balance.policy'] }],
  ])('inmesh_policy_differs is %s for %j', (value, change) => {
    const policy = { hash: 'ab', sinceMs: 1_700_000_000_000, reloads: 2, rejected: 1, pending: [], ...change };
    const text = renderPrometheus(overviewOf({ policy }), statsOf());
    expect(text).toContain(`\ninmesh_policy_differs ${value}\n`);
    expect(text).toContain('\ninmesh_policy_info{inmesh_policy_hash="ab"} 1\n');
    expect(text).toContain('\ninmesh_policy_since_seconds 1700000000\n');
    expect(text).toContain('\ninmesh_policy_reloads_total{inmesh_policy_outcome="refused"} 1\n');
  });

  test('promtool has nothing to say against it (skipped where it is not installed)', ({ skip }) => {
    const ran = spawnSync('promtool', ['check', 'metrics'], { input: everything(), encoding: 'utf8' });
    if (ran.error !== undefined) skip('promtool is not installed: the strict reader of this test stands alone');
    expect(ran.stderr + ran.stdout).toBe('');
    expect(ran.status).toBe(0);
  });

  test.each([
    ['rpc.client.call.duration', 'histogram', 's', 'rpc_client_call_duration_seconds'],
    ['inmesh.cache.size', 'gauge', 'By', 'inmesh_cache_size_bytes'],
    ['inmesh.refused', 'counter', '{call}', 'inmesh_refused_total'],
    ['inmesh.breaker.state', 'gauge', '{breaker}', 'inmesh_breaker_state'],
  ] as const)('%s, a %s in %s, is %s', (name, type, unit, expected) => {
    expect(prometheusName({ name, type, unit })).toBe(expected);
  });
});

describe('the strict reader', () => {
  test.each([
    ['no end of the last line', '# HELP a b\n# TYPE a gauge\na 1'],
    ['a sample without a family', 'a 1\n'],
    ['a series twice', '# HELP a b\n# TYPE a gauge\na 1\na 2\n'],
    ['a family twice', '# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\na{x="1"} 1\n'],
    ['a bad label', '# HELP a b\n# TYPE a gauge\na{x-y="1"} 1\n'],
    ['buckets that fall', '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'],
    ['a count that is another', '# HELP a b\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n'],
  ])('refuses %s', (_what, text) => {
    expect(() => parsePrometheus(text)).toThrow();
  });
});
