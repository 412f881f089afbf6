/**
 * Sends metrics as OTLP over HTTP, in JSON: what `@opentelemetry/exporter-metrics-otlp-proto` does for an application that has it.
 * Cumulative, as Prometheus wants it. Exponential histograms are left out: nobody here makes any.
 */
import type { Attributes, AttributeValue, HrTime } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import {
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';

/** What `AGGREGATION_TEMPORALITY_CUMULATIVE` is on the wire. */
const CUMULATIVE = 2;

/** The exporter for a `PeriodicExportingMetricReader`. */
export class OtlpJsonMetricExporter implements PushMetricExporter {
  readonly #url: string;
  readonly #timeoutMs: number;
  #sending: Promise<void> = Promise.resolve();

  /** @param url - The whole URL: `http://127.0.0.1:4318/v1/metrics`. */
  constructor(url: string, timeoutMs = 10_000) {
    this.#url = url;
    this.#timeoutMs = timeoutMs;
  }

  export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    this.#sending = this.#send(JSON.stringify(otlpMetrics(metrics))).then(
      () => done({ code: ExportResultCode.SUCCESS }),
      (problem: unknown) => done({ code: ExportResultCode.FAILED, error: problem instanceof Error ? problem : new Error(String(problem)) }),
    );
  }
  forceFlush(): Promise<void> {
    return this.#sending;
  }
  shutdown(): Promise<void> {
    return this.#sending;
  }

  async #send(body: string): Promise<void> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const response = await fetch(this.#url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${this.#url} answered ${response.status}`);
  }
}

/** An `ExportMetricsServiceRequest` in the JSON of OTLP. 64-bit integers may be text or numbers; times don't fit in numbers, and rotel drops counts that are text. */
export function otlpMetrics({ resource, scopeMetrics }: ResourceMetrics): object {
  const scopes = scopeMetrics.map(({ scope, metrics }) => ({
    scope: { name: scope.name, version: scope.version },
    metrics: metrics.flatMap(metricOf),
  }));
  return { resourceMetrics: [{ resource: { attributes: keyValues(resource.attributes) }, scopeMetrics: scopes }] };
}

function metricOf(data: MetricData): object[] {
  const { name, description, unit } = data.descriptor;
  const named = { name, description, unit };
  if (data.dataPointType === DataPointType.HISTOGRAM) {
    return [{ ...named, histogram: { aggregationTemporality: CUMULATIVE, dataPoints: data.dataPoints.map(histogramPoint) } }];
  }
  if (data.dataPointType === DataPointType.SUM) {
    return [
      {
        ...named,
        sum: { aggregationTemporality: CUMULATIVE, isMonotonic: data.isMonotonic, dataPoints: data.dataPoints.map(numberPoint) },
      },
    ];
  }
  return data.dataPointType === DataPointType.GAUGE ? [{ ...named, gauge: { dataPoints: data.dataPoints.map(numberPoint) } }] : [];
}

const numberPoint = (point: DataPoint<number>): object => ({ ...placeOf(point), asDouble: point.value });

function histogramPoint(point: DataPoint<Histogram>): object {
  const { count, sum, min, max, buckets } = point.value;
  return {
    ...placeOf(point),
    count,
    sum,
    min,
    max,
    bucketCounts: buckets.counts,
    explicitBounds: buckets.boundaries,
  };
}

function placeOf({ attributes, startTime, endTime }: DataPoint<unknown>): object {
  return { attributes: keyValues(attributes), startTimeUnixNano: nanos(startTime), timeUnixNano: nanos(endTime) };
}

const nanos = ([seconds, nanoseconds]: HrTime): string => String(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));

function keyValues(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: anyValue(value) }]));
}

function anyValue(value: AttributeValue): object {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { stringValue: String(value) };
}
