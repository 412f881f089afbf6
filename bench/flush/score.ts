/**
 * All policies under all workloads, and which is best where: the cost of an item is its CPU plus its latency at a price.
 *
 * @packageDocumentation
 */
import { ENTRIES, type Entry } from './policies.ts';
import { type Costs, ENVELOPE, type Figures, simulate, TUNNEL } from './simulate.ts';
import { type Workload, workloads } from './workloads.ts';

/** What batches travel in: the costs differ, and so does what wins. */
export const CARRIERS: Readonly<Record<'envelope' | 'tunnel', Costs>> = { envelope: ENVELOPE, tunnel: TUNNEL };
export type CarrierName = keyof typeof CARRIERS;

/** CPU time that a caller's waiting time is worth: 1 for a caller whose latency matters, a tenth for one whose does not much. */
export const WAIT_WEIGHTS: readonly number[] = [1, 0.1];

export interface Row extends Figures {
  readonly policy: string;
}
export interface Table {
  readonly carrier: CarrierName;
  readonly workload: string;
  readonly about: string;
  readonly rows: readonly Row[];
  /** The cheapest policy for each of {@link WAIT_WEIGHTS}; of those that can be chosen by name. */
  readonly best: readonly string[];
}
/** A policy over all workloads of a carrier. */
export interface Score {
  readonly carrier: CarrierName;
  readonly policy: string;
  /** Cost over the cheapest policy's, geometric mean over the workloads, for each of {@link WAIT_WEIGHTS}. */
  readonly mean: readonly number[];
  /** The same where it is worst. */
  readonly worst: readonly number[];
}

/** Microseconds of CPU that an item costs with its latency at this price. */
export const costUs = (row: Figures, waitWeight: number): number => row.cpuUs + waitWeight * row.meanMs * 1000;

/** Runs everything. Deterministic for a seed. */
export function compare(count: number, seed: number, carriers: readonly CarrierName[]): Table[] {
  return carriers.flatMap((carrier) => workloads(count, seed).map((workload) => tableOf(carrier, workload, seed)));
}

/** A tunnel has no plain calls to fall back to. */
const entriesOf = (carrier: CarrierName): readonly Entry[] => ENTRIES.filter(({ plain }) => carrier === 'envelope' || !plain);

function tableOf(carrier: CarrierName, workload: Workload, seed: number): Table {
  const rows = entriesOf(carrier).map((entry): Row => ({ policy: entry.name, ...simulate(workload, entry, CARRIERS[carrier], seed) }));
  const named = rows.filter(({ policy }) => ENTRIES.some(({ name, rule }) => name === policy && rule));
  const best = WAIT_WEIGHTS.map((weight) => named.toSorted((a, b) => costUs(a, weight) - costUs(b, weight))[0]?.policy ?? '');
  return { carrier, workload: workload.name, about: workload.about, rows, best };
}

/** Sums up, cheapest first by the first of {@link WAIT_WEIGHTS}. */
export function score(tables: readonly Table[], carrier: CarrierName): Score[] {
  const own = tables.filter((table) => table.carrier === carrier);
  const scores = entriesOf(carrier).map(({ name }): Score => {
    const ratios = WAIT_WEIGHTS.map((weight) =>
      own.map(({ rows }) => {
        const costs = rows.map((row) => costUs(row, weight));
        return (costs[rows.findIndex(({ policy }) => policy === name)] ?? Number.NaN) / Math.min(...costs);
      }),
    );
    return {
      carrier,
      policy: name,
      mean: ratios.map((all) => Math.exp(all.reduce((sum, ratio) => sum + Math.log(ratio), 0) / all.length)),
      worst: ratios.map((all) => Math.max(...all)),
    };
  });
  return scores.sort((a, b) => (a.mean[0] ?? 0) - (b.mean[0] ?? 0));
}
