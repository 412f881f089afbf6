/**
 * An OpenTelemetry SDK as applications set one up, but for its exporters: what they are given is let go.
 *
 * @packageDocumentation
 */
import { createRequire } from 'node:module';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { AlwaysOffSampler, AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';

/** What of the SDK is there. */
export interface SdkParts {
  /** Undefined: no tracer provider. */
  readonly traces: 'sampled' | 'unsampled' | undefined;
  readonly metrics: boolean;
}

const letGo: SpanExporter = {
  export: (_spans, done) => done({ code: 0 }),
  shutdown: () => Promise.resolve(),
};

/** Registers it, for the life of the process. */
export function startSdk({ traces, metrics: withMetrics }: SdkParts): void {
  if (traces !== undefined) {
    const sampler = traces === 'sampled' ? new AlwaysOnSampler() : new AlwaysOffSampler();
    // As deep as all calls of a turn, or it would drop spans, which is cheaper than keeping them.
    const processor = new BatchSpanProcessor({ exporter: letGo, maxQueueSize: 65_536, scheduledDelayMillis: 50 });
    trace.setGlobalTracerProvider(new TracerProvider({ sampler, spanProcessors: [processor] }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  }
  if (!withMetrics) return;
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  metrics.setGlobalMeterProvider(
    new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] }),
  );
}

/** Why {@link instrumentGrpc} can't; undefined: it can. */
export function whyNotInstrumented(): string | undefined {
  try {
    createRequire(import.meta.url).resolve('@opentelemetry/instrumentation-grpc');
    return undefined;
  } catch {
    return '@opentelemetry/instrumentation-grpc is not installed';
  }
}

/**
 * Has instrumentation-grpc patch grpc-js, which nobody may have loaded before. It sees what is required, not what is imported; the
 * copy that is imported later is the same.
 */
export function instrumentGrpc(): void {
  const require = createRequire(import.meta.url);
  const { registerInstrumentations } = require('@opentelemetry/instrumentation') as typeof import('@opentelemetry/instrumentation');
  const { GrpcInstrumentation } = require('@opentelemetry/instrumentation-grpc') as typeof import('@opentelemetry/instrumentation-grpc');
  registerInstrumentations({ instrumentations: [new GrpcInstrumentation()] });
  const { Server } = require('@grpc/grpc-js') as typeof import('@grpc/grpc-js');
  if (!('__wrapped' in Server.prototype.register)) throw new Error('instrumentation-grpc has not patched grpc-js');
}
