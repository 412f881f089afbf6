/**
 * How many hedges a learned delay may bring. The delay promises a share: with the 98th percentile two calls in a hundred are hedged. When
 * everything has just become slower, all of them are, until that has been learned, so the promise is kept by count as well: each call earns
 * the share and a quarter more (the same calls do not always come evenly), and a burst is there for an endpoint that falls silent.
 *
 * Source: Finagle's `BackupRequestFilter`, whose `maxExtraLoad` is both the percentile and the budget.
 *
 * @packageDocumentation
 */

/** Hedges that may come at once. */
const BURST = 20;
/** What calls earn, as a multiple of the share that is promised. */
const SLACK = 1.25;
/** As many as have latencies of their own: of the others nothing is learned, so no hedge of theirs asks. */
const MAX_METHODS = 1000;
/** Lets 40 calls at 0.025 make one hedge, though floating point may see a hair less. */
const ROUNDING = 1e-9;

/** Of one method. It starts full, and knows no time: after an idle hour a burst is there, and no more. */
export class HedgeShare {
  #tokens = BURST;

  /** A call was made. @param share - Of calls that are hedged, 0 to 1. */
  earn(share: number): void {
    this.#tokens = Math.min(BURST, this.#tokens + share * SLACK);
  }
  /** Takes one hedge; false: there is none now. */
  tryTake(): boolean {
    if (this.#tokens + ROUNDING < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** One for each method. */
export class HedgeShares {
  readonly #byMethod = new Map<string, HedgeShare>();
  readonly #others = new HedgeShare();

  of(method: string): HedgeShare {
    let share = this.#byMethod.get(method);
    if (share === undefined) {
      if (this.#byMethod.size >= MAX_METHODS) return this.#others;
      share = new HedgeShare();
      this.#byMethod.set(method, share);
    }
    return share;
  }
}
