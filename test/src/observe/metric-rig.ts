/** A meter provider in memory. */
import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

/** What one instrument has seen with one set of attributes. */
export interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Values of a histogram, or the value of a counter or gauge. */
  readonly count: number;
  /** Of a histogram. */
  readonly sum: number | undefined;
}

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly type: string;
  readonly boundaries: readonly number[] | undefined;
  readonly points: readonly Point[];
}

export interface Metrics {
  readonly provider: MeterProvider;
  all(): Promise<readonly Metric[]>;
  /** The points of one instrument; none when it does not exist. */
  points(name: string): Promise<readonly Point[]>;
}

interface HistogramValue {
  readonly count: number;
  readonly sum?: number;
  readonly buckets: { readonly boundaries: readonly number[] };
}

/** Registers a provider, unless told not to; `stopTelemetry` takes it away again. */
export function startMetrics({ register = true } = {}): Metrics {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  if (register) metrics.setGlobalMeterProvider(provider);
  const all = async (): Promise<Metric[]> => {
    const { resourceMetrics } = await reader.collect();
    return resourceMetrics.scopeMetrics
      .filter(({ scope }) => scope.name === 'inmesh')
      .flatMap((scope) => scope.metrics)
      .map(({ descriptor, dataPoints }) => {
        const { name, unit } = descriptor;
        const type = String(Reflect.get(descriptor, 'type')); // internal to the SDK's types, but there
        let boundaries: readonly number[] | undefined;
        const points = dataPoints.map(({ attributes, value }): Point => {
          if (typeof value === 'number') return { attributes, count: value, sum: undefined };
          const histogram = value as HistogramValue;
          boundaries = histogram.buckets.boundaries;
          return { attributes, count: histogram.count, sum: histogram.sum };
        });
        return { name, unit, type, boundaries, points };
      });
  };
  return { provider, all, points: async (name) => (await all()).find((metric) => metric.name === name)?.points ?? [] };
}
