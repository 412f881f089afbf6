/**
 * All numbers of one mesh that are read when somebody collects.
 *
 * @packageDocumentation
 */
import type { BalanceCounts } from '../balance/counts.ts';
import { readBalancer } from './a78.ts';
import type { Reading } from './metric-spec.ts';
import { type ReadOverview, type ReadStats, readOwn } from './own-metrics.ts';

/** @param balancer - Those of connections and outliers by gRPC's names, too. */
export function meshReadings(
  overview: ReadOverview,
  stats: ReadStats & { readonly balance: Readonly<Record<string, BalanceCounts>> },
  balancer: boolean,
): readonly Reading[] {
  const own = readOwn(overview, stats);
  return balancer ? [...own, ...readBalancer(stats.balance)] : own;
}
