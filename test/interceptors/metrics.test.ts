import { Metadata } from '@grpc/grpc-js';
import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { afterEach, describe, expect, test } from 'vitest';
import { metricsClientInterceptor, metricsServerLayer } from '../../interceptors/metrics.ts';
import { tracingClientInterceptor } from '../../interceptors/tracing.ts';
import { Code, codeName } from '../../src/call.ts';
import { ConfigError } from '../../src/errors.ts';
import type { ClientInterceptor } from '../../src/grpc/client-call.ts';
import { plainStatus } from '../../src/grpc/refuse.ts';
import type { ServerLayer } from '../../src/grpc/server-call.ts';
import {
  callInfo,
  FakeClientCall,
  FakeServerCall,
  Heard,
  handlerListener,
  serverInfo,
  startTraces,
  stopTelemetry,
} from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';

const started: MeterProvider[] = [];

afterEach(async () => {
  stopTelemetry();
  await Promise.all(started.splice(0).map((provider) => provider.shutdown()));
});

/** What was recorded at one histogram point. */
interface Point {
  readonly attributes: object;
  readonly count: number;
  readonly sum: number | undefined;
}

function startMetrics() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  started.push(provider);
  metrics.setGlobalMeterProvider(provider);
  const collect = async () => (await reader.collect()).resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  const points = async (): Promise<Point[]> =>
    (await collect()).flatMap((metric) =>
      metric.dataPoints.map(({ attributes, value }) => {
        const { count, sum } = value as { count: number; sum?: number };
        return { attributes, count, sum };
      }),
    );
  return { collect, points };
}

const clock = new FakeClock();

function call(intercept: ClientInterceptor, ms: number, code: number, info = callInfo()) {
  const lower = new FakeClientCall();
  const heard = new Heard();
  const made = intercept(info, () => lower);
  made.start(new Metadata(), heard);
  clock.advance(ms);
  lower.end(code);
  expect(heard.statuses).toHaveLength(1);
}

function serve(layer: ServerLayer, method = '/shop.Cart/Add') {
  const wire = new FakeServerCall();
  const made = layer(serverInfo(method), wire);
  made.start(handlerListener(() => {}));
  wire.listener?.onReceiveMetadata(new Metadata());
  return { wire, made };
}

describe('metrics, client', () => {
  test('times each call in seconds, by method, outcome and server', async () => {
    const { collect, points } = startMetrics();
    const intercept = metricsClientInterceptor({ clock });
    call(intercept, 20, 0);
    call(intercept, 40, 0);
    call(intercept, 1000, Code.UNAVAILABLE);
    const base = { 'rpc.system.name': 'grpc', 'rpc.method': 'shop.Cart/Add', 'server.address': 'cart.example', 'server.port': 8443 };
    expect(await points()).toEqual([
      { attributes: { ...base, 'rpc.status_code': 'OK' }, count: 2, sum: 0.06 },
      { attributes: { ...base, 'rpc.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' }, count: 1, sum: 1 },
    ]);
    const [metric] = await collect();
    expect(metric?.descriptor).toMatchObject({ name: 'rpc.client.call.duration', unit: 's', type: 'HISTOGRAM' });
    expect(metric?.dataPoints[0]?.value).toMatchObject({
      buckets: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    });
  });

  test('two targets of one mesh are told apart', async () => {
    const { points } = startMetrics();
    const intercept = metricsClientInterceptor({ clock });
    call(intercept, 1, 0, callInfo('/a.B/C', 'dns:///one:1'));
    call(intercept, 1, 0, callInfo('/a.B/C', 'dns:///two:2'));
    call(intercept, 1, 0, callInfo('/a.B/C', ''));
    expect((await points()).map(({ attributes }) => Reflect.get(attributes, 'server.address'))).toEqual(['one', 'two', undefined]);
  });

  test('methods beyond the cap share _OTHER', async () => {
    const { points } = startMetrics();
    const intercept = metricsClientInterceptor({ clock, maxMethods: 2 });
    for (const method of ['/a.B/One', '/a.B/Two', '/a.B/Three', '/a.B/Four', '/a.B/One']) call(intercept, 1, 0, callInfo(method));
    const seen = (await points()).map(({ attributes, count }) => [Reflect.get(attributes, 'rpc.method'), count]);
    expect(seen).toEqual([
      ['a.B/One', 2],
      ['a.B/Two', 1],
      ['_OTHER', 2],
    ]);
  });

  test('without a meter provider no layer is built; one that comes later is used, and so is its successor', async () => {
    const intercept = metricsClientInterceptor({ clock });
    const lower = new FakeClientCall();
    expect(intercept(callInfo(), () => lower)).toBe(lower);
    const first = startMetrics();
    call(intercept, 1, 0);
    metrics.disable();
    const second = startMetrics();
    call(intercept, 1, 0);
    call(intercept, 1, 0);
    expect((await first.points()).map(({ count }) => count)).toEqual([1]);
    expect((await second.points()).map(({ count }) => count)).toEqual([2]);
  });

  test("a traced call's value counts from its span's start", async () => {
    startTraces();
    const { points } = startMetrics();
    const lower = new FakeClientCall();
    const timed = metricsClientInterceptor({ clock });
    const made = tracingClientInterceptor({ clock })(callInfo(), (info) => {
      clock.advance(5); // what stands between the two layers
      return timed(info, () => lower);
    });
    made.start(new Metadata(), new Heard());
    clock.advance(5);
    lower.end();
    expect((await points())[0]?.sum).toBe(0.01);
  });

  test.each([0, -1, 1.5, Number.NaN])('refuses maxMethods %s', (maxMethods) => {
    expect(() => metricsClientInterceptor({ maxMethods })).toThrow(ConfigError);
    expect(() => metricsServerLayer({ maxMethods })).toThrow('metrics.maxMethods');
  });
});

describe('metrics, server', () => {
  test("times each served call once, with the server's idea of an error", async () => {
    const { collect, points } = startMetrics();
    const layer = metricsServerLayer({ clock });
    for (const code of [Code.OK, Code.NOT_FOUND, Code.INTERNAL]) {
      const { made, wire } = serve(layer);
      clock.advance(250);
      made.sendStatus(plainStatus(code, ''));
      wire.listener?.onCancel(); // comes after every call
    }
    const base = { 'rpc.system.name': 'grpc', 'rpc.method': 'shop.Cart/Add' };
    expect(await points()).toEqual(
      [Code.OK, Code.NOT_FOUND, Code.INTERNAL].map((code) => ({
        attributes: { ...base, 'rpc.status_code': codeName(code), ...(code === Code.INTERNAL && { 'error.type': 'INTERNAL' }) },
        count: 1,
        sum: 0.25,
      })),
    );
    expect((await collect())[0]?.descriptor.name).toBe('rpc.server.call.duration');
  });

  test('a call cut off without a status counts as cancelled, or as late when its deadline is over', async () => {
    const { points } = startMetrics();
    const layer = metricsServerLayer({ clock });
    const cancelled = serve(layer);
    cancelled.wire.listener?.onCancel();
    const late = serve(layer);
    late.wire.deadline = new Date(clock.wallMs());
    late.wire.listener?.onCancel();
    late.made.sendStatus(plainStatus(0, ''));
    expect((await points()).map(({ attributes, count }) => [Reflect.get(attributes, 'rpc.status_code'), count])).toEqual([
      ['CANCELLED', 1],
      ['DEADLINE_EXCEEDED', 1],
    ]);
  });

  test('without a meter provider no layer is built', () => {
    const wire = new FakeServerCall();
    expect(metricsServerLayer()(serverInfo(), wire)).toBe(wire);
    expect(clock.pending).toBe(0);
  });
});
