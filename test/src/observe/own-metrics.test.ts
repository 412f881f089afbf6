import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { A66, A96 } from '../../../src/observe/a66.ts';
import { A78, readBalancer } from '../../../src/observe/a78.ts';
import type { MetricSpec, Reading } from '../../../src/observe/metric-spec.ts';
import { OWN, QUEUE_TIME, readOwn } from '../../../src/observe/own-metrics.ts';
import { balanceOf, limitView, methodView, overviewOf, statsOf } from './overview.ts';

const of = (readings: readonly Reading[], metric: MetricSpec): [object, number][] =>
  readings.filter((reading) => reading.metric === metric).map(({ labels, value }) => [labels, value]);

describe('metrics of our own', () => {
  test('have these names, types, units and attributes', () => {
    const rows = [...Object.values(OWN), QUEUE_TIME].map(({ name, type, unit, attributes }) => [name, type, unit, attributes.join(' ')]);
    const method = 'rpc.method';
    const limit = `inmesh.side inmesh.limit.kind ${method}`;
    const server = 'server.address server.port';
    expect(rows).toEqual([
      ['inmesh.client.attempts', 'counter', '{attempt}', `${method} inmesh.attempt.kind`],
      ['inmesh.refused', 'counter', '{call}', 'inmesh.side inmesh.refusal.reason'],
      ['inmesh.limit.max', 'gauge', '{call}', limit],
      ['inmesh.limit.in_use', 'gauge', '{call}', limit],
      ['inmesh.limit.queued', 'gauge', '{call}', limit],
      ['inmesh.limit.refused', 'counter', '{call}', limit],
      ['inmesh.budget.balance', 'gauge', '{attempt}', 'inmesh.service'],
      ['inmesh.budget.drawn', 'counter', '{attempt}', 'inmesh.service'],
      ['inmesh.budget.refused', 'counter', '{attempt}', 'inmesh.service'],
      ['inmesh.breaker.state', 'gauge', '{breaker}', `${method} inmesh.breaker.state`],
      ['inmesh.breaker.opened', 'counter', '{opening}', method],
      ['inmesh.breaker.refused', 'counter', '{call}', method],
      ['inmesh.cache.lookups', 'counter', '{call}', 'inmesh.cache.result'],
      ['inmesh.cache.entries', 'gauge', '{answer}', ''],
      ['inmesh.cache.size', 'gauge', 'By', ''],
      ['inmesh.cache.evicted', 'counter', '{answer}', ''],
      ['inmesh.fallback.calls', 'counter', '{call}', 'inmesh.fallback.result'],
      ['inmesh.endpoint.count', 'gauge', '{endpoint}', `${server} inmesh.endpoint.state`],
      ['inmesh.endpoint.ejections', 'counter', '{ejection}', `${server} inmesh.endpoint.ejection.cause`],
      ['inmesh.queue.time', 'histogram', 's', `inmesh.side ${method}`],
    ]);
  });

  test('of what nobody uses there are none', () => {
    expect(readOwn(overviewOf(), statsOf())).toEqual([]);
  });

  test("a limit's key is its method; tenants are summed, and the whole server has none", () => {
    const limits = [
      limitView('shop.Cart/Add tenant-a'),
      limitView('shop.Cart/Add tenant-b', { limit: 5, inUse: 5 }),
      limitView('server', { side: 'server', kind: 'limit', limit: 100 }),
    ];
    const readings = readOwn(overviewOf({ limits }), statsOf());
    const cart = { 'inmesh.side': 'client', 'inmesh.limit.kind': 'bulkhead', 'rpc.method': 'shop.Cart/Add' };
    const server = { 'inmesh.side': 'server', 'inmesh.limit.kind': 'limit' };
    expect(of(readings, OWN.limitMax)).toEqual([
      [cart, 15],
      [server, 100],
    ]);
    expect(of(readings, OWN.limitInUse)[0]).toEqual([cart, 8]);
    expect(of(readings, OWN.limitQueued)[0]).toEqual([cart, 2]);
    expect(of(readings, OWN.limitRefused)[0]).toEqual([cart, 4]);
    expect(JSON.stringify(readings)).not.toContain('tenant');
  });

  test('a breaker is 1 in the state that it is in, and 0 in the others', () => {
    const breakers = [{ method: 'shop.Cart/Add', state: 'halfOpen', opened: 3, refused: 40 }];
    const readings = readOwn(overviewOf({ breakers }), statsOf());
    expect(of(readings, OWN.breakerState).map(([labels, value]) => [Reflect.get(labels, 'inmesh.breaker.state'), value])).toEqual([
      ['closed', 0],
      ['open', 0],
      ['halfOpen', 1],
      ['isolated', 0],
    ]);
    expect(of(readings, OWN.breakerOpened)).toEqual([[{ 'rpc.method': 'shop.Cart/Add' }, 3]]);
    expect(of(readings, OWN.breakerRefused)).toEqual([[{ 'rpc.method': 'shop.Cart/Add' }, 40]]);
  });

  test('budgets have balance, what they paid and what they did not', () => {
    const stats = statsOf({ budgetCounts: { 'shop.Cart': { drawn: 7, refused: 2 } } });
    const readings = readOwn(overviewOf({ budgets: [{ service: 'shop.Cart', balance: 90 }] }), stats);
    const labels = { 'inmesh.service': 'shop.Cart' };
    expect(readings).toEqual([
      { metric: OWN.budgetBalance, labels, value: 90 },
      { metric: OWN.budgetDrawn, labels, value: 7 },
      { metric: OWN.budgetRefused, labels, value: 2 },
    ]);
  });

  test('attempts are told apart by what began them', () => {
    const methods = [
      methodView('client', 'shop.Cart/Add', [10], { attempts: 16, retries: 4, hedges: 2 }),
      methodView('server', 'a.B/C', [9]),
    ];
    const readings = readOwn(overviewOf({ methods }), statsOf());
    expect(of(readings, OWN.attempts).map(([labels, value]) => [Reflect.get(labels, 'inmesh.attempt.kind'), value])).toEqual([
      ['first', 10],
      ['retry', 4],
      ['hedge', 2],
    ]);
  });

  test('caches and fallbacks are there once they were asked', () => {
    const cache = { hits: 5, misses: 2, shared: 1, stale: 0, bypassed: 0, entries: 2, bytes: 300, evicted: 1 };
    const readings = readOwn(overviewOf(), statsOf({ cache, fallbacks: { used: 3, failed: 1 } }));
    expect(of(readings, OWN.cacheLookups)).toContainEqual([{ 'inmesh.cache.result': 'hit' }, 5]);
    expect(of(readings, OWN.cacheSize)).toEqual([[{}, 300]]);
    expect(of(readings, OWN.fallbacks)).toEqual([
      [{ 'inmesh.fallback.result': 'used' }, 3],
      [{ 'inmesh.fallback.result': 'failed' }, 1],
    ]);
  });

  test('endpoints are counted by target, never by address', () => {
    const base = { latencyMs: 1, inFlight: 0, ejections: 0, rebuilds: 0, dropShare: 0, picks: 0, share: 0, ready: true, state: 'ready' };
    const target = 'dns:///cart.example:8443';
    const endpoints = [
      { ...base, target, address: '10.0.0.1:1', ejected: false },
      { ...base, target, address: '10.0.0.2:1', ejected: true },
      { ...base, target, address: '10.0.0.3:1', ejected: false, state: 'failing', ready: false },
    ];
    const balance = { [target]: balanceOf({ ejections: { failures: 2, silence: 0, success_rate: 1, failure_percentage: 0 } }) };
    const readings = readOwn(overviewOf({ endpoints }), statsOf({ balance }));
    const server = { 'server.address': 'cart.example', 'server.port': 8443 };
    expect(of(readings, OWN.endpoints)).toEqual([
      [{ ...server, 'inmesh.endpoint.state': 'ready' }, 1],
      [{ ...server, 'inmesh.endpoint.state': 'connecting' }, 0],
      [{ ...server, 'inmesh.endpoint.state': 'failing' }, 1],
      [{ ...server, 'inmesh.endpoint.state': 'ejected' }, 1],
    ]);
    expect(of(readings, OWN.ejections)).toEqual([
      [{ ...server, 'inmesh.endpoint.ejection.cause': 'failures' }, 2],
      [{ ...server, 'inmesh.endpoint.ejection.cause': 'success_rate' }, 1],
    ]);
    expect(JSON.stringify(readings)).not.toContain('10.0.0');
  });

  test('names beyond a thousand share _OTHER, and their sum is kept', () => {
    const many = Array.from({ length: 3000 }, (_, i) => i);
    const breakers = many.map((i) => ({ method: `shop.Cart/Add${i}`, state: 'closed', opened: 1, refused: 0 }));
    const refused = Object.fromEntries(many.map((i) => [`client.made-up/${i}`, 1]));
    const endpoints = Object.fromEntries(
      many.map((i) => [`host-${i}:1`, balanceOf({ ejections: { ...balanceOf().ejections, silence: 1 } })]),
    );
    const readings = readOwn(overviewOf({ breakers }), statsOf({ client: { refused }, balance: endpoints }));
    for (const [metric, label] of [
      [OWN.breakerOpened, 'rpc.method'],
      [OWN.refused, 'inmesh.refusal.reason'],
      [OWN.ejections, 'server.address'],
    ] as const) {
      const points = of(readings, metric);
      expect(points.length).toBe(1001);
      expect(points.find(([labels]) => Reflect.get(labels, label) === '_OTHER')?.[1]).toBe(2000);
    }
  });

  test('connections and outliers are read by target', () => {
    const counts = balanceOf({
      ...{ open: 2, connected: 5, failed: 3, disconnected: 3 },
      ejections: { failures: 9, silence: 9, success_rate: 4, failure_percentage: 0 },
      unenforced: { success_rate: 0, failure_percentage: 1 },
    });
    const readings = readBalancer({ 'cart:1': counts });
    const labels = { 'grpc.target': 'dns:///cart:1' };
    const by = (method: string) => ({ ...labels, 'grpc.lb.outlier_detection.detection_method': method });
    expect(readings.map(({ metric, ...rest }) => [metric.name, rest.labels, rest.value])).toEqual([
      ['grpc.subchannel.disconnections', labels, 3],
      ['grpc.subchannel.connection_attempts_succeeded', labels, 5],
      ['grpc.subchannel.connection_attempts_failed', labels, 3],
      ['grpc.subchannel.open_connections', labels, 2],
      ['grpc.lb.outlier_detection.ejections_enforced', by('success_rate'), 4],
      [
        'grpc.lb.outlier_detection.ejections_unenforced',
        { ...by('failure_percentage'), 'grpc.lb.outlier_detection.unenforced_reason': 'enforcement_percentage' },
        1,
      ],
    ]);
  });
});

describe('docs/metrics.md', () => {
  const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const all = [...Object.values(OWN), QUEUE_TIME, ...Object.values(A66), ...Object.values(A96), ...Object.values(A78)];

  test.each(all)('has $name, with its type and unit', ({ name, type, unit }) => {
    const row = page.split('\n').find((line) => line.includes(`\`${name}\``));
    expect(row).toContain(`${type}, \`${unit}\``);
  });

  test('has no metric that is not there', () => {
    const known = new Set(all.map(({ name }) => name));
    const said = [...page.matchAll(/^\| `((?:inmesh|grpc)\.[\w.]+)`/gm)].map(([, name = '']) => name);
    expect(said.filter((name) => !known.has(name) && !/^inmesh\.(client|server)\.batch\./.test(name))).toEqual([]);
  });
});
