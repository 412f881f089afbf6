/** Traces and metrics to a collector; a small server stands for it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createMesh, MeshServer } from 'inmesh';
import { OtlpJsonMetricExporter as OTLPMetricExporter } from '../atlas/telemetry-metrics.ts';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const taken = new Set<string>();
const collector = createServer((request, response) => {
  taken.add(request.url ?? '');
  request.resume().on('end', () => response.end());
});
await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
const OTLP = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

// #region setup
const resource = resourceFromAttributes({ 'service.name': 'shop', 'service.instance.id': String(process.pid) });
const spans = new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${OTLP}/v1/traces` }) });
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(`${OTLP}/v1/metrics`) });
const tracers = new TracerProvider({ resource, spanProcessors: [spans] });
const meters = new MeterProvider({ resource, readers: [reader] });
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(tracers);
metrics.setGlobalMeterProvider(meters);
// #endregion

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const mesh = createMesh();
const client = new Greeter(await listen(server), credentials.createInsecure(), mesh.client());
console.log(await hello(client, 'Ada')); // prints Hello Ada

client.close();
await mesh.close();
// #region end
await Promise.all([tracers.shutdown(), meters.shutdown()]); // sends the rest
// #endregion
console.log([...taken].sort().join(' ')); // prints /v1/metrics /v1/traces
server.forceShutdown();
collector.close();
