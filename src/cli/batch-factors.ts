/**
 * How many calls of each method share a batch, from the queues that `mesh.stats()` shows.
 *
 * @packageDocumentation
 */
import type { OverviewView } from '../observe/views.ts';
import { type AdminClient, isRecord } from './http.ts';

interface Queues {
  readonly coalesce: { readonly partitions: readonly Readonly<Record<string, unknown>>[] };
}

function hasQueues(value: unknown): value is Queues {
  if (!isRecord(value) || !isRecord(value['coalesce'])) return false;
  const { partitions } = value['coalesce'];
  return Array.isArray(partitions) && partitions.every(isRecord);
}

/** Calls of a batch on average, by `pkg.Service/Method`; the busiest 50 queues count. Asks for nothing where nothing was coalesced. */
export async function batchFactors(admin: AdminClient, { batches }: OverviewView): Promise<ReadonlyMap<string, number>> {
  if (batches.client.items === 0) return new Map();
  const { coalesce } = await admin.json('/metrics.json', hasQueues);
  const sums = new Map<string, { items: number; carriers: number }>();
  for (const { method, items, carriers } of coalesce.partitions) {
    if (typeof method !== 'string' || typeof items !== 'number' || typeof carriers !== 'number') continue;
    const name = method.replace(/^\//, '');
    const sum = sums.get(name) ?? { items: 0, carriers: 0 };
    sums.set(name, { items: sum.items + items, carriers: sum.carriers + carriers });
  }
  return new Map([...sums].filter(([, { carriers }]) => carriers > 0).map(([name, { items, carriers }]) => [name, items / carriers]));
}
