/**
 * What the best decisions would have cost, had the future been known.
 *
 * A decision costs `batchMs` of CPU for each batch and `waitWeight` CPU-milliseconds for each millisecond that an item waits
 * in the queue. Given all arrivals, the best batches are runs of neighbours that leave when their last one comes, so they are
 * found exactly, by dynamic programming. Regret is what a policy's decisions on the same arrivals cost more, for each item.
 *
 * @packageDocumentation
 */

/** Prices of a decision. */
export interface Prices {
  readonly batchMs: number;
  readonly waitWeight: number;
}

/** Least total cost for these arrivals (ms, ascending), with at most `maxItems` in a batch. */
export function oracleCost(arrivals: ArrayLike<number>, { batchMs, waitWeight }: Prices, maxItems: number): number {
  const best = new Float64Array(arrivals.length + 1);
  for (let end = 1; end <= arrivals.length; end++) {
    const leaveMs = arrivals[end - 1] as number;
    let waitedMs = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let begin = end - 1; begin >= 0 && end - begin <= maxItems; begin--) {
      waitedMs += leaveMs - (arrivals[begin] as number);
      const waiting = waitWeight * waitedMs;
      least = Math.min(least, (best[begin] as number) + batchMs + waiting);
      if (waiting > batchMs + least) break; // longer runs cost more than two batches
    }
    best[end] = least;
  }
  return best[arrivals.length] as number;
}
