/** Preloaded into traced processes: sets OpenTelemetry up as any application would, before the mesh is made. */
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { TELEMETRY, type Telemetry } from './telemetry.ts';

const isApp = process.argv[1]?.endsWith('app.ts') ?? false;
const exporter = new OTLPTraceExporter({ url: `${process.env['ATLAS_OTLP']}/v1/traces` });
const provider = new TracerProvider({
  resource: resourceFromAttributes({ 'service.name': isApp ? 'atlas-app' : 'atlas-replica' }),
  // Every call is traced, so the queue is larger than usual.
  spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: 65_536, maxExportBatchSize: 2_048, scheduledDelayMillis: 500 })],
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(provider);

const tracer = trace.getTracer('atlas');
const offered: Telemetry = {
  inPage: (number, render) =>
    tracer.startActiveSpan('page', { attributes: { 'atlas.page': number } }, async (span) => {
      await render();
      span.end();
    }),
  flush: () => provider.forceFlush(),
};
Object.assign(globalThis, { [TELEMETRY]: offered });
