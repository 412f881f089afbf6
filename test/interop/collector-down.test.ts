/** A collector that is gone, silent or refuses everything is no business of the app's calls. */
import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type ExportResult, ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import { OtlpJsonMetricExporter } from '../../examples/atlas/telemetry-metrics.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';

const FAN_OUT = 16;
const ROUNDS = 4;
/** How long an export of spans may take: a call that waited for one would show. */
const EXPORT_MS = 3_000;
const METRICS_MS = 200;
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
const echo = { Echo: unary('/demo.Echo/Echo'), Refuse: unary('/demo.Echo/Refuse'), Flaky: unary('/demo.Echo/Flaky') };
const collectorService = { Export: unary('/opentelemetry.proto.collector.trace.v1.TraceService/Export') };

type Invoke = (request: string, done: (error: grpc.ServiceError | null, answer?: string) => void) => void;

/** Calls `method` and tells how that ended, in a word. */
function outcome(client: grpc.Client, method: string, request: string): Promise<string> {
  return new Promise((resolve) => {
    const invoke = (client as unknown as Record<string, Invoke>)[method];
    invoke?.call(client, request, (error, answer) => resolve(error === null ? String(answer) : `${error.code} ${error.details}`));
  });
}

function bind(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port)));
  });
}

/** What the app's calls came to, and what the mesh counted of them. */
interface Day {
  readonly outcomes: readonly string[];
  readonly attempts: number;
  readonly slowestMs: number;
}

/** Some rounds of calls, alone and in batches, failing and retried, while exports go on beside. */
async function day(mesh: Mesh): Promise<Day> {
  let served = 0;
  const server = new MeshServer();
  server.addService(echo, {
    Echo: (call: grpc.ServerUnaryCall<string, string>, reply: grpc.sendUnaryData<string>) => reply(null, call.request),
    Refuse: (_call: unknown, reply: grpc.sendUnaryData<string>) => reply({ code: grpc.status.FAILED_PRECONDITION, details: 'no' }),
    Flaky: (_call: unknown, reply: grpc.sendUnaryData<string>) => {
      if (served++ % 2 === 0) reply({ code: grpc.status.UNAVAILABLE, details: 'once' });
      else reply(null, 'ok');
    },
  });
  const Client = grpc.makeClientConstructor(echo, 'demo.Echo');
  const client = new Client(`127.0.0.1:${await bind(server)}`, grpc.credentials.createInsecure(), mesh.client());
  const outcomes: string[] = [];
  let slowestMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    outcomes.push(...(await Promise.all(Array.from({ length: FAN_OUT }, (_, index) => outcome(client, 'Echo', `${round}.${index}`)))));
    outcomes.push(await outcome(client, 'Refuse', 'x'), await outcome(client, 'Flaky', 'x'));
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    await sleep(METRICS_MS / 2);
  }
  client.close();
  server.forceShutdown();
  return { outcomes, attempts: mesh.stats().client.attempts, slowestMs };
}

const meshOf = (): Mesh =>
  createMesh({
    coalesce: 'auto',
    services: { 'demo.Echo': { idempotent: true }, 'opentelemetry.proto.collector.trace.v1.TraceService': { idempotent: true } },
    defaults: { retryPolicy: { initialBackoff: '0.005s' } },
  });

/** Turns telemetry on; gives back what ends it. */
function record(exporter: SpanExporter, metricsUrl: string): () => Promise<void> {
  const provider = new TracerProvider({
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 20, exportTimeoutMillis: EXPORT_MS })],
  });
  const meters = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OtlpJsonMetricExporter(metricsUrl, METRICS_MS),
        exportIntervalMillis: METRICS_MS,
        exportTimeoutMillis: METRICS_MS,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(meters);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return async () => {
    await Promise.allSettled([provider.shutdown(), meters.shutdown()]);
    for (const api of [trace, metrics, context, propagation]) api.disable();
  };
}

const loose: unknown[] = [];
const note = (reason: unknown): number => loose.push(reason);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function listening(server: Server | HttpServer): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

/** Where no collector is, in three ways. */
const COLLECTORS: Readonly<Record<string, () => Promise<{ readonly url: string; readonly asked: () => number }>>> = {
  'is gone': async () => {
    const probe = createTcpServer();
    const url = await listening(probe);
    await new Promise((resolve) => probe.close(resolve));
    return { url, asked: () => 1 };
  },
  'accepts and stays silent': async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => sockets.add(socket.on('error', () => {}).resume()));
    const url = await listening(server);
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return { url, asked: () => sockets.size };
  },
  'refuses everything': async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      asked++;
      request.resume();
      response.writeHead(503).end();
    });
    const url = await listening(server);
    closers.push(
      () => server.closeAllConnections(),
      () => new Promise((resolve) => server.close(resolve)),
    );
    return { url, asked: () => asked };
  },
};

describe('calls while the collector', () => {
  test.each(Object.entries(COLLECTORS))('%s: they end as without telemetry, and nothing is left loose', async (_name, start) => {
    process.on('unhandledRejection', note);
    closers.push(() => process.off('unhandledRejection', note));
    const quiet = meshOf();
    const expected = await day(quiet);
    await quiet.close();
    expect(expected.outcomes.filter((word) => word === '9 no')).toHaveLength(ROUNDS);

    const { url, asked } = await start();
    const stop = record(new OTLPTraceExporter({ url: `${url}/v1/traces`, timeoutMillis: EXPORT_MS }), `${url}/v1/metrics`);
    const mesh = meshOf();
    const seen = await day(mesh);
    await mesh.close();
    await stop();
    expect(asked()).toBeGreaterThan(0);
    expect(seen.outcomes).toEqual(expected.outcomes);
    expect(seen.attempts).toBe(expected.attempts);
    expect(seen.slowestMs).toBeLessThan(expected.slowestMs + EXPORT_MS - 500);
    await sleep(0);
    expect(loose).toEqual([]);
  });
});

/** Exports by calls of its own through the app's mesh, as happens where all clients of a process are given it. */
class GrpcExporter implements SpanExporter {
  readonly outcomes: string[] = [];
  readonly names = new Set<string>();
  readonly #client: grpc.Client;

  constructor(client: grpc.Client) {
    this.#client = client;
  }
  export(spans: readonly ReadableSpan[], done: (result: ExportResult) => void): void {
    for (const { name } of spans) this.names.add(name);
    // Two at once: they could share a batch.
    Promise.all([outcome(this.#client, 'Export', 'a'), outcome(this.#client, 'Export', 'b')]).then((words) => {
      this.outcomes.push(...words);
      done({ code: ExportResultCode.FAILED });
    }, note);
  }
  forceFlush(): Promise<void> {
    return Promise.resolve();
  }
  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

describe("an exporter whose own calls go through the app's mesh", () => {
  test('they are not traced, not sent again and in no batch', async () => {
    let exportsServed = 0;
    // It would take batches, and shows no spans of its own.
    const peer = new MeshServer({ mesh: createMesh({ telemetry: { traces: false } }) });
    peer.addService(collectorService, {
      Export: (_call: unknown, reply: grpc.sendUnaryData<string>) => {
        exportsServed++;
        reply({ code: grpc.status.UNAVAILABLE, details: 'busy' });
      },
    });
    const port = await bind(peer);
    const mesh = meshOf();
    const Client = grpc.makeClientConstructor(collectorService, 'TraceService');
    const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), mesh.client());
    const exporter = new GrpcExporter(client);
    const stop = record(exporter, 'http://127.0.0.1:1/v1/metrics');
    const app = meshOf();
    await day(app);
    await app.close();
    await stop();
    client.close();
    const { client: counts, coalesce } = mesh.stats();
    await mesh.close();
    peer.forceShutdown();
    expect(exporter.outcomes.length).toBeGreaterThan(2);
    expect(new Set(exporter.outcomes)).toEqual(new Set(['14 busy']));
    expect([...exporter.names].filter((name) => name.includes('TraceService'))).toEqual([]);
    expect(exportsServed).toBe(exporter.outcomes.length);
    expect(counts.attempts).toBe(counts.calls);
    expect([coalesce.carriers, coalesce.items, coalesce.tunnels.items]).toEqual([0, 0, 0]);
  });
});
