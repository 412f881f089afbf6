/** The dashboard and the table of queries ask for metrics and labels that there are. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type MetricType, prometheusLabel, prometheusName } from '../../../src/observe/metric-spec.ts';
import * as names from '../../../src/observe/names.ts';
import { OWN, QUEUE_TIME } from '../../../src/observe/own-metrics.ts';

const read = (path: string): string => readFileSync(new URL(`../../../docs/${path}`, import.meta.url), 'utf8');

const CALL = [names.RPC_METHOD, names.RPC_STATUS, names.ERROR_TYPE, names.SERVER_ADDRESS, names.SERVER_PORT];
const BATCH = [names.RPC_METHOD, names.BATCH_CARRIER];

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly type: MetricType;
  readonly attributes: readonly string[];
}

const metric = (name: string, unit: string, type: MetricType, attributes: readonly string[]): Metric => ({ name, unit, type, attributes });
const METRICS: readonly Metric[] = [
  metric(names.CLIENT_DURATION, 's', 'histogram', CALL),
  metric(names.SERVER_DURATION, 's', 'histogram', CALL),
  metric(names.CLIENT_BATCH_SIZE, '{item}', 'histogram', [...BATCH, names.BATCH_FLUSH_REASON]),
  metric(names.CLIENT_BATCH_QUEUE, 's', 'histogram', BATCH),
  metric(names.CLIENT_BATCH_CARRIER, 's', 'histogram', BATCH),
  metric(names.SERVER_BATCH_ITEM, 's', 'histogram', BATCH),
  metric(names.CLIENT_BATCH_BYPASSED, '{call}', 'counter', [names.RPC_METHOD, names.BATCH_BYPASS_REASON]),
  ...Object.values(OWN),
  QUEUE_TIME,
];

/** What Prometheus calls them: a histogram is three series. */
const labelsOf = new Map(
  METRICS.flatMap((one): [string, readonly string[]][] => {
    const endings = one.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    const labels = [...one.attributes, ...(one.type === 'histogram' ? ['le'] : [])].map(prometheusLabel);
    return endings.map((ending) => [prometheusName(one) + ending, labels]);
  }),
);

/** Metrics of a query, and labels that it wants of them. */
function partsOf(query: string): { readonly metrics: readonly string[]; readonly labels: readonly string[] } {
  const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim()));
  const matched = [...query.matchAll(/([a-z_]+)\s*(?:!=|=~|!~|=)\s*"/g)].map(([, label = '']) => label);
  const rest = query.replace(/\bby \([^)]*\)/g, '').replace(/\{[^}]*\}/g, '');
  return { metrics: [...rest.matchAll(/\b(?:rpc|inmesh|grpc)_\w+/g)].map(([name]) => name), labels: [...grouped, ...matched] };
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const text = read('grafana-dashboard.json');
const { panels }: { panels: readonly Panel[] } = JSON.parse(text);
const onDashboard = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, query: expr })));
const inTable = [...read('collector.md').matchAll(/^\| ([^|]+?) +\| `((?:sum|histogram_quantile)[^`]+)` *\|$/gm)].map(
  ([, title = '', query = '']) => ({
    title,
    query,
  }),
);

describe.each([
  ['dashboard', onDashboard],
  ['docs/collector.md', inTable],
])('queries of the %s', (_place, queries) => {
  test('are there', () => {
    expect(queries.length).toBeGreaterThan(14);
  });

  test.each(queries)('$title: $query', ({ query }) => {
    const { metrics, labels } = partsOf(query);
    expect(metrics.length).toBeGreaterThan(0);
    expect(metrics.filter((name) => !labelsOf.has(name))).toEqual([]);
    for (const name of metrics) {
      // A label of one metric in a query of two belongs to both, or to the one that names it.
      const known = [...new Set(metrics)].length === 1 ? (labelsOf.get(name) ?? []) : metrics.flatMap((one) => labelsOf.get(one) ?? []);
      expect(labels.filter((label) => !known.includes(label))).toEqual([]);
    }
    expect(query.split('(').length).toBe(query.split(')').length);
  });
});

test('the dashboard is JSON of at most 60 kB without a data source of its own', () => {
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(60_000);
  expect([...text.matchAll(/"uid": ?"([^"]+)"/g)].map(([, uid]) => uid).filter((uid) => uid !== 'inmesh')).toEqual(
    expect.arrayContaining([`\${datasource}`]),
  );
  expect(text).not.toMatch(/https?:\/\//);
});
