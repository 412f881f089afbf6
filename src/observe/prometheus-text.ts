/**
 * The text in which Prometheus reads metrics, exposition format 0.0.4.
 *
 * @packageDocumentation
 */
import { type Labels, type MetricSpec, prometheusLabel, prometheusName } from './metric-spec.ts';

/** What an HTTP answer with such a text says of it. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One series of a histogram. */
export interface HistogramPoint {
  readonly labels: Labels;
  /** How many values are at most each boundary, then how many there are. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Writes families one after the other; each has its name once, as the format wants it. */
export class PrometheusText {
  readonly #lines: string[] = [];

  /** A counter or a gauge. Without points nothing is written. */
  numbers(metric: MetricSpec, points: readonly { readonly labels: Labels; readonly value: number }[]): void {
    if (points.length === 0) return;
    const name = this.#head(metric);
    for (const { labels, value } of points) this.#lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
  }

  /** A histogram. Without points nothing is written. */
  histograms(metric: MetricSpec, points: readonly HistogramPoint[]): void {
    if (points.length === 0) return;
    const name = this.#head(metric);
    const bounds = [...(metric.boundaries ?? []), Number.POSITIVE_INFINITY];
    for (const { labels, counts, sum } of points) {
      bounds.forEach((bound, i) => {
        this.#lines.push(`${name}_bucket${labelText({ ...labels, le: numberText(bound) })} ${numberText(counts[i] ?? 0)}`);
      });
      const total = counts[bounds.length - 1] ?? 0;
      this.#lines.push(`${name}_sum${labelText(labels)} ${numberText(sum)}`, `${name}_count${labelText(labels)} ${numberText(total)}`);
    }
  }

  /** All of it. The last line has its end, too. */
  toString(): string {
    return this.#lines.length === 0 ? '' : `${this.#lines.join('\n')}\n`;
  }

  #head(metric: MetricSpec): string {
    const name = prometheusName(metric);
    this.#lines.push(
      `# HELP ${name} ${metric.description.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
      `# TYPE ${name} ${metric.type}`,
    );
    return name;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${prometheusLabel(name)}="${escaped(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
