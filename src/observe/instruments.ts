/**
 * Instruments that exist only while somebody listens, and gauges that are read only when somebody collects.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { BatchObservableResult, Histogram, Meter, MeterProvider, Observable } from '@opentelemetry/api';
import { type Otel, SCOPE, scopeVersion } from './api.ts';

/** A set of instruments: made at the first use, and again when the application registers another provider. */
export class Instruments<T> {
  readonly #otel: Otel;
  readonly #make: (meter: Meter) => T;
  readonly #version = scopeVersion();
  #provider: MeterProvider | undefined;
  #made: T | undefined;

  constructor(otel: Otel, make: (meter: Meter) => T) {
    this.#otel = otel;
    this.#make = make;
  }

  /** The instruments; undefined while no meter provider is registered. */
  get now(): T | undefined {
    const provider = this.#otel.metrics.getMeterProvider();
    if (provider === this.#provider) return this.#made;
    this.#provider = provider;
    const meter = provider.getMeter(SCOPE, this.#version);
    this.#made = meter === this.#otel.createNoopMeter() ? undefined : this.#make(meter);
    return this.#made;
  }
}

/** A histogram with the boundaries that we advise. */
export function histogramOf(meter: Meter, name: string, unit: string, boundaries: readonly number[], description: string): Histogram {
  return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: [...boundaries] } });
}

/** What has a state worth a gauge. */
export interface GaugeSource<K extends string> {
  gauges(): Readonly<Record<K, number>>;
}

/** What a gauge is called. */
export interface GaugeSpec {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
}

/**
 * Gauges over all meshes of the process: two that observed on their own would overwrite each other. Sources are held weakly,
 * for a meter outlives every mesh.
 */
export class SharedGauges<K extends string> {
  readonly #specs: ReadonlyMap<K, GaugeSpec>;
  readonly #byMeter = new WeakMap<Meter, Set<WeakRef<GaugeSource<K>>>>();

  constructor(specs: Readonly<Record<K, GaugeSpec>>) {
    this.#specs = new Map(Object.entries(specs) as [K, GaugeSpec][]);
  }

  /** A meter is to show this source too. */
  add(meter: Meter, source: GaugeSource<K>): void {
    const known = this.#byMeter.get(meter);
    const sources = known ?? this.#observe(meter);
    for (const ref of sources) if (ref.deref() === source) return;
    sources.add(new WeakRef(source));
  }

  #observe(meter: Meter): Set<WeakRef<GaugeSource<K>>> {
    const sources = new Set<WeakRef<GaugeSource<K>>>();
    this.#byMeter.set(meter, sources);
    const gauges = [...this.#specs].map(([key, { name, ...options }]): [K, Observable] => [
      key,
      meter.createObservableUpDownCounter(name, options),
    ]);
    const observe = (result: BatchObservableResult): void => {
      const totals = totalOf(sources);
      for (const [key, gauge] of gauges) result.observe(gauge, totals.get(key) ?? 0);
    };
    meter.addBatchObservableCallback(
      observe,
      gauges.map(([, gauge]) => gauge),
    );
    return sources;
  }
}

function totalOf<K extends string>(sources: Set<WeakRef<GaugeSource<K>>>): ReadonlyMap<K, number> {
  const totals = new Map<K, number>();
  for (const ref of sources) {
    const source = ref.deref();
    if (source === undefined) {
      sources.delete(ref);
      continue;
    }
    for (const [key, value] of Object.entries(source.gauges()) as [K, number][]) totals.set(key, (totals.get(key) ?? 0) + value);
  }
  return totals;
}
