/**
 * What a metric is called, in OpenTelemetry's words and in Prometheus's.
 *
 * @packageDocumentation
 */

/** A sum that only grows, a number that goes up and down, or a distribution. */
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One metric: its instrument, and its page in `docs/metrics.md`. */
export interface MetricSpec {
  readonly name: string;
  readonly type: MetricType;
  /** UCUM; `{call}` counts calls. */
  readonly unit: string;
  readonly description: string;
  /** Names of its attributes. */
  readonly attributes: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly boundaries?: readonly number[];
}

/** Values of a metric's attributes. */
export type Labels = Readonly<Record<string, string | number>>;

/** One number of one metric. */
export interface Reading {
  readonly metric: MetricSpec;
  readonly labels: Labels;
  readonly value: number;
}

/** Units that Prometheus writes out. Those in braces say what is counted, and are left out. */
const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

/** The name that Prometheus's own rules give it: `rpc.client.call.duration` in `s` is `rpc_client_call_duration_seconds`. */
export function prometheusName({ name, unit, type }: Pick<MetricSpec, 'name' | 'unit' | 'type'>): string {
  const base = name.replaceAll(/[^a-zA-Z0-9_]/g, '_');
  const suffix = UNITS[unit];
  const withUnit = suffix === undefined || base.endsWith(`_${suffix}`) ? base : `${base}_${suffix}`;
  return type === 'counter' ? `${withUnit}_total` : withUnit;
}

/** The label that stands for an attribute: `rpc.method` is `rpc_method`. */
export function prometheusLabel(attribute: string): string {
  return attribute.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}
