/**
 * What batches looked like: their sizes, how long their calls waited, and why those on tunnels went out.
 *
 * @packageDocumentation
 */
import type { FlushReason } from '../batch/partition.ts';
import { SIZE_BOUNDARIES } from './names.ts';
import { RecentLatencies } from './recent-latencies.ts';

/** One for a mesh. */
export class BatchDetail {
  /** Batches of at most each of `SIZE_BOUNDARIES` and larger than the one before; one place more for larger ones. */
  readonly sizes: number[] = Array<number>(SIZE_BOUNDARIES.length + 1).fill(0);
  /** How long calls waited before they went out, together or alone. */
  readonly waits: RecentLatencies = new RecentLatencies();
  /** Messages on tunnels, by reason. */
  readonly tunnelFlushes: Partial<Record<FlushReason, number>> = {};

  /** Calls go out together. */
  sent(size: number): void {
    let at = 0;
    while (size > (SIZE_BOUNDARIES[at] ?? Number.POSITIVE_INFINITY)) at++;
    this.sizes[at] = (this.sizes[at] ?? 0) + 1;
  }
  /** Calls go out on a tunnel. */
  framed(reason: FlushReason): void {
    this.tunnelFlushes[reason] = (this.tunnelFlushes[reason] ?? 0) + 1;
  }
}
