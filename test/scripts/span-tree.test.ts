import { describe, expect, test } from 'vitest';
import { metricsByName, SpanLog, treeOf } from '../../scripts/span-tree.ts';
import { toZipkin } from '../../scripts/zipkin.ts';
import type { SunkPoint } from '../support/otlp-metrics.ts';
import type { SunkSpan } from '../support/otlp-sink.ts';

const TRACE = '00000000000000000000000000000001';
const OTHER = '00000000000000000000000000000002';

function span(spanId: string, parentSpanId: string, more: Partial<SunkSpan> = {}): SunkSpan {
  return {
    service: 'app',
    scope: 'inmesh',
    traceId: TRACE,
    spanId,
    parentSpanId,
    name: 'a.B/C',
    kind: 'client',
    startNs: 1_000_000_000n,
    endNs: 1_002_500_000n,
    attributes: { 'rpc.status_code': 'OK' },
    links: [],
    error: false,
    ...more,
  };
}

const page = span('1', '', { name: 'page', kind: 'internal', attributes: {} });

describe('a trace as a tree', () => {
  test('shows spans that look alike once, by the slowest, with how many they are', () => {
    const slow = span('4', '1', { endNs: 1_009_000_000n });
    expect(
      treeOf([page, span('2', '1'), span('3', '1'), slow, span('5', '1', { attributes: { 'rpc.status_code': 'NOT_FOUND' } })]),
    ).toEqual(['page [app] 2.5 ms', '├─ a.B/C [app client] 9.0 ms  OK  ×3, this the slowest', '└─ a.B/C [app client] 2.5 ms  NOT_FOUND']);
  });

  test('shows what is below, and a span whose parent is not there at the top', () => {
    const server = span('3', '2', { kind: 'server', service: 'replica' });
    expect(treeOf([page, span('2', '1'), server, span('9', '8')])).toEqual([
      'page [app] 2.5 ms',
      '└─ a.B/C [app client] 2.5 ms  OK',
      '   └─ a.B/C [replica server] 2.5 ms  OK',
      'a.B/C [app client] 2.5 ms  OK',
    ]);
  });

  test('of no spans is empty', () => {
    expect(treeOf([])).toEqual([]);
  });
});

describe('the log of spans', () => {
  test('counts all, and keeps whole traces of some and carriers of batches', () => {
    const log = new SpanLog(2);
    const odd = `000001${'0'.repeat(26)}`;
    log.add([page, span('2', '1'), span('7', '6', { traceId: odd }), span('8', '', { traceId: odd, name: 'a.B/CInmeshBatch' })]);
    expect(log.total).toBe(4);
    expect(log.byName.get('app: a.B/C (client)')).toBe(2);
    expect(log.kept().map(({ spanId }) => spanId)).toEqual(['1', '2', '8']);
  });

  test('takes the trace that leads to a batch for the richest', () => {
    const log = new SpanLog(1);
    const linked = span('4', '3', { traceId: OTHER, links: [{ traceId: 'ff', spanId: '9' }] });
    log.add([page, span('2', '1'), { ...page, traceId: OTHER, spanId: '3' }, linked]);
    expect(log.richest('page').map(({ spanId }) => spanId)).toEqual(['1', '2']);
    log.add([span('9', '', { traceId: 'ff', name: 'a.B/CInmeshBatch' })]);
    expect(log.richest('page').map(({ spanId }) => spanId)).toEqual(['3', '4']);
    expect(log.richest('nothing')).toEqual([]);
  });
});

test("a span in Zipkin's format has its kind, microseconds, peer, and links and error as tags", () => {
  const failed = span('2', '1', {
    error: true,
    links: [{ traceId: OTHER, spanId: '9' }],
    attributes: { 'error.type': 'UNAVAILABLE', 'network.peer.address': '127.0.0.1', 'network.peer.port': 80, 'inmesh.batch.size': 8 },
  });
  expect(toZipkin(failed)).toMatchObject({
    traceId: TRACE,
    id: '2',
    parentId: '1',
    kind: 'CLIENT',
    timestamp: 1_000_000,
    duration: 2_500,
    localEndpoint: { serviceName: 'app' },
    remoteEndpoint: { ipv4: '127.0.0.1', port: 80 },
    tags: { error: 'UNAVAILABLE', 'inmesh.batch.size': '8', 'link.0': `${OTHER}/9` },
  });
  expect(JSON.parse(JSON.stringify(toZipkin(page)))).not.toHaveProperty('parentId');
});

test('metrics are summed up over processes: a mean of histograms, a sum of the rest', () => {
  const point = (more: Partial<SunkPoint>): SunkPoint => ({
    ...{ service: 's', instance: 'i', scope: 'inmesh', name: 'x', unit: 's', kind: 'histogram', cumulative: true, attributes: {} },
    ...{ value: 1, count: 2, bounds: [], buckets: [] },
    ...more,
  });
  expect(
    metricsByName([point({}), point({ value: 5, count: 4 }), point({ name: 'a', kind: 'sum', unit: '{call}', value: 7, count: 0 })]),
  ).toEqual([
    { name: 'a', unit: '{call}', kind: 'sum', series: 1, count: 0, value: 7 },
    { name: 'x', unit: 's', kind: 'histogram', series: 2, count: 6, value: 1 },
  ]);
});
