/** Traces and metrics of a mesh on both sides, through a real collector and back. */
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OtlpJsonMetricExporter } from '../../examples/atlas/telemetry-metrics.ts';
import { type Collector, checkConfig, startCollector } from '../../scripts/otelcol.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { SunkPoint } from '../support/otlp-metrics.ts';
import { type SunkSpan, startSink } from '../support/otlp-sink.ts';

const sink = await startSink();
const collector = await startCollector(sink.url);
const missing = 'missing' in collector ? collector.missing : undefined;
console.log(
  missing === undefined
    ? `traces and metrics go through ${'name' in collector ? collector.name : ''}`
    : `SKIPPED, no collector: ${missing}`,
);

const SERVICE = 'inmesh-collector-test';
const FAN_OUT = 8;
/** How many calls the app makes: the first one, a page, and one that fails at first. */
const calls = 1 + FAN_OUT + 1;
const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const unary = (path: string) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: text.serialize,
  requestDeserialize: text.deserialize,
  responseSerialize: text.serialize,
  responseDeserialize: text.deserialize,
});
const service = { Echo: unary('/demo.Echo/Echo'), Flaky: unary('/demo.Echo/Flaky') };

/** Runs both acts, then sends what was recorded. */
async function record({ tracesUrl, metricsUrl }: Collector): Promise<void> {
  const resource = resourceFromAttributes({ 'service.name': SERVICE, 'service.instance.id': 'one' });
  const provider = new TracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: tracesUrl }) })],
  });
  const meters = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter: new OtlpJsonMetricExporter(metricsUrl) })],
  });
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(meters);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const app = provider.getTracer('app');

  let failures = 1;
  const server = new MeshServer();
  server.addService(service, {
    Echo: (call: grpc.ServerUnaryCall<string, string>, reply: grpc.sendUnaryData<string>) => {
      // A span of the handler's own, in another turn: it must find its item's span.
      setImmediate(() => {
        app.startSpan(`handler ${call.request}`).end();
        reply(null, call.request);
      });
    },
    Flaky: (_call: grpc.ServerUnaryCall<string, string>, reply: grpc.sendUnaryData<string>) => {
      if (failures-- > 0) reply({ code: grpc.status.UNAVAILABLE, details: 'once' });
      else reply(null, 'ok');
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const mesh = createMesh({
    coalesce: 'auto',
    telemetry: { attemptSpans: 'always' },
    methods: { 'demo.Echo/Flaky': { idempotent: true, coalesce: 'never', retryPolicy: { initialBackoff: '0.01s' } } },
  });
  const Client = grpc.makeClientConstructor(service, 'demo.Echo');
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), mesh.client());
  const call = (method: 'Echo' | 'Flaky', request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const invoke = client[method] as (request: string, done: (error: Error | null, answer: string) => void) => void;
      invoke.call(client, request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  const inSpan = <T>(name: string, work: () => Promise<T>): Promise<T> =>
    app.startActiveSpan(name, async (span) => {
      try {
        return await work();
      } finally {
        span.end();
      }
    });

  await call('Echo', 'warm'); // tells the client that this endpoint takes batches
  await inSpan('page', () => Promise.all(Array.from({ length: FAN_OUT }, (_, i) => call('Echo', String(i)))));
  await inSpan('buy', () => call('Flaky', 'one'));

  client.close();
  await mesh.close();
  await new Promise((resolve) => server.tryShutdown(resolve));
  await provider.forceFlush();
  await provider.shutdown();
  await meters.forceFlush(); // throws when the collector did not take them
  await meters.shutdown();
  for (const api of [trace, metrics, context, propagation]) api.disable();
}

beforeAll(async () => {
  if ('missing' in collector) return;
  await record(collector);
  // What the collector still holds it sends on when it is told to stop.
  await collector.stop();
}, 60_000);

describe.skipIf(missing !== undefined)('telemetry through a collector', () => {
  const one = (spans: readonly SunkSpan[]): SunkSpan => {
    expect(spans.map((span) => span.name)).toHaveLength(1);
    return spans[0] as SunkSpan;
  };
  const named = (name: string): SunkSpan => one(sink.spans.filter((span) => span.name === name && span.parentSpanId === ''));
  const below = (parent: SunkSpan, kind?: SunkSpan['kind']): SunkSpan[] =>
    sink.spans
      .filter(
        (span) => span.parentSpanId === parent.spanId && span.traceId === parent.traceId && (kind === undefined || span.kind === kind),
      )
      .sort((a, b) => Number(a.startNs - b.startNs));

  test('caller, call, attempt, item on the server, handler: a tree for each call of a page', () => {
    const calls = below(named('page'));
    expect(calls.map((span) => [span.name, span.kind, span.scope])).toEqual(Array(FAN_OUT).fill(['demo.Echo/Echo', 'client', 'inmesh']));
    const indices = calls.map((span) => {
      const attempt = one(below(span));
      expect(attempt).toMatchObject({ name: 'Attempt.demo.Echo/Echo', kind: 'client' });
      const item = one(below(attempt));
      expect(item).toMatchObject({
        name: 'demo.Echo/Echo',
        kind: 'server',
        error: false,
        attributes: { 'rpc.status_code': 'OK', 'inmesh.batch.size': FAN_OUT },
      });
      expect(one(below(item)).name).toMatch(/^handler \d$/);
      // Parts lie within the whole; SDKs round to the millisecond between processes.
      expect(attempt.startNs).toBeGreaterThanOrEqual(span.startNs);
      expect(attempt.endNs).toBeLessThanOrEqual(span.endNs);
      return item.attributes['inmesh.batch.index'];
    });
    expect(indices.sort()).toEqual(Array.from({ length: FAN_OUT }, (_, i) => i));
  });

  test('the carrier is a trace of its own, linked with its items both ways', () => {
    const attempts = below(named('page')).map((call) => one(below(call)));
    const carrier = named('demo.Echo/EchoInmeshBatch');
    expect(carrier).toMatchObject({ kind: 'client', error: false, attributes: { 'inmesh.batch.size': FAN_OUT, 'rpc.status_code': 'OK' } });
    const ids = ({ traceId, spanId }: { traceId: string; spanId: string }): string => `${traceId} ${spanId}`;
    expect(carrier.links.map(ids).sort()).toEqual(attempts.map(ids).sort());
    for (const attempt of attempts) {
      expect(attempt.links.map(ids)).toEqual([ids(carrier)]);
      expect(attempt.attributes['inmesh.batch.size']).toBe(FAN_OUT);
    }
  });

  test('the server has a span for the carrier too, to which its items link', () => {
    const carrier = named('demo.Echo/EchoInmeshBatch');
    const served = one(below(carrier));
    expect(served).toMatchObject({
      name: carrier.name,
      kind: 'server',
      attributes: { 'inmesh.batch.size': FAN_OUT, 'rpc.status_code': 'OK' },
    });
    const items = below(named('page')).map((call) => one(below(one(below(call)))));
    for (const item of items) expect(item.links).toEqual([{ traceId: served.traceId, spanId: served.spanId }]);
  });

  test('a call that needed two attempts shows both, and is no error', () => {
    const call = one(below(named('buy')));
    expect(call).toMatchObject({ name: 'demo.Echo/Flaky', error: false, attributes: { 'rpc.status_code': 'OK' } });
    const attempts = below(call);
    expect(attempts.map((span) => [span.attributes['rpc.status_code'], span.error, span.attributes['previous-rpc-attempts']])).toEqual([
      ['UNAVAILABLE', true, 0],
      ['OK', false, 1],
    ]);
    expect(attempts.map((span) => one(below(span, 'server')).attributes['rpc.status_code'])).toEqual(['UNAVAILABLE', 'OK']);
  });

  test("the exporter's own calls are not among them", () => {
    expect([...new Set(sink.spans.map((span) => span.service))]).toEqual([SERVICE]);
    expect(
      sink.spans.filter(
        (span) => span.attributes['rpc.method'] !== undefined && !String(span.attributes['rpc.method']).startsWith('demo.Echo/'),
      ),
    ).toEqual([]);
  });
});

describe.skipIf(missing !== undefined)('metrics through a collector', () => {
  const ECHO = { 'rpc.method': 'demo.Echo/Echo' };
  const FLAKY = { 'rpc.method': 'demo.Echo/Flaky' };
  const ENVELOPE = { 'inmesh.batch.carrier': 'envelope' };
  const OK = { 'rpc.status_code': 'OK' };
  const counted = (points: readonly SunkPoint[]): number => points.reduce((sum, { count }) => sum + count, 0);
  /** The one point of a metric with these attributes. */
  const point = (name: string, where: Readonly<Record<string, unknown>> = {}): SunkPoint => {
    const points = sink.metrics.of(name, where);
    expect(points, name).toHaveLength(1);
    return points[0] as SunkPoint;
  };

  test.each([
    ['rpc.client.call.duration', 's', 'histogram'],
    ['rpc.server.call.duration', 's', 'histogram'],
    ['inmesh.client.batch.size', '{item}', 'histogram'],
    ['inmesh.client.batch.queue.duration', 's', 'histogram'],
    ['inmesh.client.batch.carrier.duration', 's', 'histogram'],
    ['inmesh.client.batch.bypassed', '{call}', 'sum'],
    ['inmesh.client.batch.partitions', '{partition}', 'sum'],
    ['inmesh.server.batch.size', '{item}', 'histogram'],
    ['inmesh.server.batch.item.duration', 's', 'histogram'],
  ] as const)('%s arrives in %s, as a cumulative %s of our scope', (name, unit, kind) => {
    const points = sink.metrics.of(name);
    expect(points.length).toBeGreaterThan(0);
    for (const one of points) expect(one).toMatchObject({ unit, kind, cumulative: true, scope: 'inmesh', service: SERVICE });
  });

  test('the client counts each call once, whatever it took', () => {
    expect(counted(sink.metrics.of('rpc.client.call.duration'))).toBe(calls);
    expect(point('rpc.client.call.duration', ECHO)).toMatchObject({ count: FAN_OUT + 1, attributes: OK });
    expect(point('rpc.client.call.duration', FLAKY)).toMatchObject({ count: 1, attributes: OK });
  });

  test('the server counts each attempt, with its status, and errors as such', () => {
    expect(counted(sink.metrics.of('rpc.server.call.duration'))).toBe(calls + 1);
    expect(point('rpc.server.call.duration', { ...FLAKY, ...OK }).attributes).not.toHaveProperty('error.type');
    expect(point('rpc.server.call.duration', { ...FLAKY, 'rpc.status_code': 'UNAVAILABLE' })).toMatchObject({
      count: 1,
      attributes: { 'error.type': 'UNAVAILABLE' },
    });
  });

  test("buckets are those of the conventions, add up to the count, and times are the spans'", () => {
    const { bounds, buckets, count, value } = point('rpc.client.call.duration', ECHO);
    expect(bounds).toEqual([0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
    expect(buckets.reduce((sum, inBucket) => sum + inBucket, 0)).toBe(count);
    const spans = sink.spans.filter(({ name, kind }) => name === 'demo.Echo/Echo' && kind === 'client');
    expect(spans).toHaveLength(count);
    const seconds = spans.reduce((sum, { startNs, endNs }) => sum + Number(endNs - startNs) / 1e9, 0);
    expect(Math.abs(seconds - value)).toBeLessThan(0.005 * count); // SDKs take a span's ends from other clocks, to the millisecond
  });

  test('the batch has its size, why it went, and the stages of its calls, on both sides', () => {
    expect(point('inmesh.client.batch.size', { ...ECHO, ...ENVELOPE })).toMatchObject({ count: 1, value: FAN_OUT });
    expect(point('inmesh.client.batch.size').attributes).toHaveProperty(['inmesh.batch.flush_reason']);
    expect(point('inmesh.server.batch.size', { ...ECHO, ...ENVELOPE })).toMatchObject({ count: 1, value: FAN_OUT });
    for (const stage of ['client.batch.queue', 'client.batch.carrier', 'server.batch.item']) {
      expect(point(`inmesh.${stage}.duration`, ENVELOPE).count, stage).toBe(FAN_OUT);
    }
    // What the server did lies within what the client waited for.
    const [carrier, item] = ['client.batch.carrier', 'server.batch.item'].map((stage) => point(`inmesh.${stage}.duration`, ENVELOPE).value);
    expect(item).toBeLessThanOrEqual(carrier ?? 0);
  });

  test('attributes hold no address of a peer and no metadata', () => {
    const keys = new Set(sink.metrics.all().flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...keys].filter((key) => key.startsWith('network.peer') || key.includes('metadata'))).toEqual([]);
  });
});

describe('the configuration that docs show', () => {
  const file = fileURLToPath(new URL('../../examples/readme/collector.yaml', import.meta.url));
  const checked = checkConfig(file, { BACKEND: 'http://127.0.0.1:1' });
  if ('missing' in checked) console.log(`SKIPPED: ${checked.missing}`);

  test.skipIf('missing' in checked)('is one that the official collector takes', () => {
    expect(checked).toMatchObject({ ok: true });
  });
});

afterAll(async () => {
  if ('stop' in collector) await collector.stop();
  await sink.close();
});
