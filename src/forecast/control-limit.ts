/**
 * When is waiting for company worth its price? Arrivals at rate `L`, a batch that costs `c0` whatever is in it, and callers
 * whose waiting is worth `w` of that cost for each unit of time. The best rule is a limit on the number that waits
 * (Deb and Serfozo 1973, "Optimal control of batch service queues"; Adv. Appl. Prob. 5). All times in ms.
 *
 * @packageDocumentation
 */

/** What a batch costs and what waiting costs. */
export interface BatchCosts {
  /** CPU of a batch beside that of its items, in ms. */
  readonly batchMs: number;
  /** CPU time that one caller's waiting time is worth, > 0: at 0.1, 10 ms of one caller's waiting equal 1 ms of CPU. */
  readonly waitWeight: number;
}

/** The limit for an even stream, `sqrt(2 L c0 / w)`: how many should wait before they go. */
export function controlLimit(perMs: number, { batchMs, waitWeight }: BatchCosts): number {
  return Math.sqrt((2 * Math.max(0, perMs) * batchMs) / waitWeight);
}

/** The best fixed linger from the first item, `(sqrt(2 rho - 1) - 1) / L` with `rho = L c0 / w`; 0 where none pays. */
export function bestLingerMs(perMs: number, { batchMs, waitWeight }: BatchCosts): number {
  const rho = (perMs * batchMs) / waitWeight;
  return rho > 1 ? (Math.sqrt(2 * rho - 1) - 1) / perMs : 0;
}

/**
 * The same rule where the rate changes: wait on while what the next arrivals are expected to save, `L g`, is more than what
 * those who wait lose, `n w`. `g` is the running cost of an item (its waiting and its share of the batch).
 *
 * @returns The number at which waiting stops to pay.
 */
export function stoppingCount(perMs: number, itemCostMs: number, waitWeight: number): number {
  return (Math.max(0, perMs) * itemCostMs) / waitWeight;
}
