/** Preloaded into traced processes: sets OpenTelemetry up as any application would, before the mesh is made. */
import { randomUUID } from 'node:crypto';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { TELEMETRY, type Telemetry } from './telemetry.ts';
import { OtlpJsonMetricExporter } from './telemetry-metrics.ts';

const isApp = process.argv[1]?.endsWith('app.ts') ?? false;
const otlp = process.env['ATLAS_OTLP'];
const exporter = new OTLPTraceExporter({ url: `${otlp}/v1/traces` });
// Replicas start again and again: without an id of its own each would go on with the sums of the one before.
const resource = resourceFromAttributes({
  'service.name': isApp ? 'atlas-app' : 'atlas-replica',
  'service.instance.id': randomUUID(),
});
const provider = new TracerProvider({
  resource,
  // Every call is traced, so the queue is larger than usual.
  spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: 65_536, maxExportBatchSize: 2_048, scheduledDelayMillis: 500 })],
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(provider);
const meters = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OtlpJsonMetricExporter(`${otlp}/v1/metrics`), exportIntervalMillis: 1_000 })],
});
metrics.setGlobalMeterProvider(meters);

const tracer = trace.getTracer('atlas');
const offered: Telemetry = {
  inPage: (number, render) =>
    tracer.startActiveSpan('page', { attributes: { 'atlas.page': number } }, async (span) => {
      await render();
      span.end();
    }),
  flush: async () => {
    await Promise.all([provider.forceFlush(), meters.forceFlush()]);
  },
};
Object.assign(globalThis, { [TELEMETRY]: offered });
