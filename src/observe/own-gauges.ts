/**
 * Readings as observable instruments: they are taken when the SDK collects, and over all meshes of the process, for two that observed
 * on their own would overwrite each other.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { BatchObservableResult, Meter, Observable } from '@opentelemetry/api';
import { A78 } from './a78.ts';
import type { MetricSpec, Reading } from './metric-spec.ts';
import { OWN } from './own-metrics.ts';

/** What has numbers to read. Kept weakly: a meter outlives every mesh. */
export interface ReadingSource {
  read(): readonly Reading[];
}

const SPECS: readonly MetricSpec[] = [...Object.values(OWN), ...Object.values(A78)];

const sourcesOf = new WeakMap<Meter, Set<WeakRef<ReadingSource>>>();

/** A meter is to show this source too. */
export function observeReadings(meter: Meter, source: ReadingSource): void {
  const sources = sourcesOf.get(meter) ?? observed(meter);
  for (const ref of sources) if (ref.deref() === source) return;
  sources.add(new WeakRef(source));
}

function observed(meter: Meter): Set<WeakRef<ReadingSource>> {
  const sources = new Set<WeakRef<ReadingSource>>();
  sourcesOf.set(meter, sources);
  const instruments = new Map(SPECS.map((metric): [MetricSpec, Observable] => [metric, instrumentOf(meter, metric)]));
  const observe = (result: BatchObservableResult): void => {
    for (const { metric, labels, value } of totals(sources)) {
      const instrument = instruments.get(metric);
      if (instrument !== undefined) result.observe(instrument, value, labels);
    }
  };
  meter.addBatchObservableCallback(observe, [...instruments.values()]);
  return sources;
}

function instrumentOf(meter: Meter, { name, type, unit, description }: MetricSpec): Observable {
  const options = { unit, description };
  return type === 'counter' ? meter.createObservableCounter(name, options) : meter.createObservableUpDownCounter(name, options);
}

/** One reading for each metric and set of labels. */
function totals(sources: Set<WeakRef<ReadingSource>>): Iterable<Reading> {
  const sums = new Map<string, Reading>();
  for (const ref of sources) {
    const source = ref.deref();
    if (source === undefined) sources.delete(ref);
    for (const reading of source?.read() ?? []) {
      const key = `${reading.metric.name}\n${JSON.stringify(reading.labels)}`;
      const before = sums.get(key);
      sums.set(key, before === undefined ? reading : { ...reading, value: before.value + reading.value });
    }
  }
  return sums.values();
}
