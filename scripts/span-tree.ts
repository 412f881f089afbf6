/** What came out of a collector, for people: spans and metrics by name, and a trace as a tree. */
import type { SunkPoint } from '../test/support/otlp-metrics.ts';
import type { SunkSpan } from '../test/support/otlp-sink.ts';

/** How many spans there were, and the spans of some traces: whole traces, one in `keepOneIn`, and all carriers of batches. */
export class SpanLog {
  readonly byName = new Map<string, number>();
  readonly #keepOneIn: number;
  readonly #traces = new Map<string, SunkSpan[]>();
  total = 0;

  constructor(keepOneIn: number) {
    this.#keepOneIn = keepOneIn;
  }

  add(spans: readonly SunkSpan[]): void {
    for (const span of spans) {
      const { traceId, service, name, kind } = span;
      const label = `${service}: ${name} (${kind})`;
      this.byName.set(label, (this.byName.get(label) ?? 0) + 1);
      this.total++;
      // Ids are random, so their first digits choose.
      if (Number.parseInt(traceId.slice(0, 6), 16) % this.#keepOneIn !== 0 && !isCarrier(span)) continue;
      const known = this.#traces.get(traceId);
      if (known === undefined) this.#traces.set(traceId, [span]);
      else known.push(span);
    }
  }

  /** Spans of all traces that were kept. */
  kept(): SunkSpan[] {
    return [...this.#traces.values()].flat();
  }

  trace(traceId: string): readonly SunkSpan[] {
    return this.#traces.get(traceId) ?? [];
  }

  /** The trace below `rootName` that has the most to show: retries, batches, kinds of calls. */
  richest(rootName: string): readonly SunkSpan[] {
    let best: readonly SunkSpan[] = [];
    let bestScore = 0;
    for (const spans of this.#traces.values()) {
      if (!spans.some(({ name, parentSpanId }) => name === rootName && parentSpanId === '')) continue;
      const names = new Set(spans.map(({ name, kind }) => `${name} ${kind}`));
      const batched = spans.some(({ attributes }) => attributes['inmesh.batch.size'] !== undefined);
      const linked = spans.some(({ links }) => links.some(({ traceId }) => this.#traces.has(traceId)));
      const score = names.size + (batched ? 100 : 0) + (linked ? 100 : 0);
      if (score > bestScore) [best, bestScore] = [spans, score];
    }
    return best;
  }
}

const isCarrier = ({ name }: SunkSpan): boolean => name.endsWith('InmeshBatch');

/** A trace as lines: below each span those that it caused, spans that look alike once, with how many they are. */
export function treeOf(spans: readonly SunkSpan[]): string[] {
  const below = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const known = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === '' || !known.has(parentSpanId));
  const shapeOf = (span: SunkSpan): string => {
    const inner = (below.get(span.spanId) ?? []).map(shapeOf).sort();
    return JSON.stringify([span.service, span.name, span.kind, span.attributes['rpc.status_code'], ...new Set(inner)]);
  };
  const lines: string[] = [];
  const print = (siblings: readonly SunkSpan[], indent: string, isRoot: boolean): void => {
    const groups = [...Map.groupBy(siblings, shapeOf).values()];
    for (const [index, group] of groups.entries()) {
      // The slowest stands for those like it.
      const span = group.reduce((slowest, one) => (durationMs(one) > durationMs(slowest) ? one : slowest));
      const last = index === groups.length - 1;
      const branch = isRoot ? '' : last ? '└─ ' : '├─ ';
      lines.push(`${indent}${branch}${lineOf(span)}${group.length > 1 ? `  ×${group.length}, this the slowest` : ''}`);
      print(below.get(span.spanId) ?? [], isRoot ? indent : `${indent}${last ? '   ' : '│  '}`, false);
    }
  };
  print(roots, '', true);
  return lines;
}

const durationMs = ({ startNs, endNs }: SunkSpan): number => Number(endNs - startNs) / 1e6;

const SHOWN: readonly (readonly [attribute: string, label: string])[] = [
  ['rpc.status_code', ''],
  ['previous-rpc-attempts', 'attempts before '],
  ['inmesh.reason', ''],
  ['inmesh.batch.size', 'batch of '],
  ['inmesh.batch.index', 'item '],
  ['inmesh.batch.flush_reason', 'sent at '],
  ['network.peer.port', 'peer :'],
];

function lineOf(span: SunkSpan): string {
  const shown = SHOWN.flatMap(([attribute, label]) => {
    const value = span.attributes[attribute];
    return value === undefined ? [] : [`${label}${value}`];
  });
  const kind = span.kind === 'internal' ? '' : ` ${span.kind}`;
  return `${span.name} [${span.service}${kind}] ${durationMs(span).toFixed(1)} ms${shown.length > 0 ? `  ${shown.join(', ')}` : ''}`;
}

/** One metric over all processes and attributes. */
export interface MetricSummary {
  readonly name: string;
  readonly unit: string;
  readonly kind: SunkPoint['kind'];
  /** Sets of attributes, processes told apart. */
  readonly series: number;
  /** Of a histogram: how many values. */
  readonly count: number;
  /** Of a histogram: their mean; else the sum over all series. */
  readonly value: number;
}

/** Each metric once, by name. */
export function metricsByName(points: readonly SunkPoint[]): MetricSummary[] {
  return [...Map.groupBy(points, ({ name }) => name)]
    .map(([name, series]) => {
      const { unit = '', kind = 'sum' } = series[0] ?? {};
      const count = series.reduce((sum, point) => sum + point.count, 0);
      const total = series.reduce((sum, point) => sum + point.value, 0);
      return { name, unit, kind, series: series.length, count, value: kind === 'histogram' ? total / Math.max(1, count) : total };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
