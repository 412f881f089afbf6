/**
 * Finds a whole number that keeps a cost low while the world changes.
 *
 * Tries the number next to its present one, in short blocks that alternate with blocks of the present one (A B B A A B ...), so
 * that a load that rises or falls meanwhile weighs on both alike. A number that is clearly cheaper becomes the present one,
 * and the next in the same direction is tried; when neither neighbour is, it rests for a while, longer each time.
 *
 * @packageDocumentation
 */

/** Pairs of blocks after which a clear difference is believed, and after which none is expected any more. */
const FEW = 6;
const MANY = 24;
/** A mean difference so many standard errors from nothing is clear. */
const CLEAR = 3;
/** A smaller gain, as a share of the cost, is not worth a step. */
const MARGIN = 0.01;
/** Pairs of rest after the first two trials in vain; doubles up to the most. */
const REST = 4;
const MOST_REST = 64;

export class HillClimb {
  readonly #min: number;
  readonly #max: number;
  #value: number;
  #direction: 1 | -1 = -1;
  /** Blocks of the present trial, or of the rest. */
  #block = 0;
  #resting = 0;
  #nextRest = REST;
  /** Trials in vain since the last step. */
  #vain = 0;
  /** Whether the number made any difference in the present trial. */
  #tells = false;
  #baseCost = 0;
  #trialCost = 0;
  /** Welford's sums over the pairs of a trial. */
  #mean = 0;
  #squares = 0;

  /** @param min - Below max: there must be something to choose. */
  constructor(start: number, min: number, max: number) {
    this.#min = min;
    this.#max = max;
    this.#value = Math.min(max, Math.max(min, start));
  }

  /** The number to use for the next block. */
  get value(): number {
    return this.#trying ? this.#candidate : this.#value;
  }

  /**
   * A block is over.
   *
   * @param cost - What it cost, by item say, > 0.
   * @param tells - Whether the number made any difference in it. A trial of blocks that all tell nothing is in vain.
   */
  observe(cost: number, tells: boolean): void {
    if (this.#min === this.#max) return;
    if (this.#resting > 0) {
      this.#resting--;
      return;
    }
    this.#tells ||= tells;
    if (this.#trying) this.#trialCost = cost;
    else this.#baseCost = cost;
    if (++this.#block % 2 === 0) this.#pair(this.#block / 2);
  }

  /** The second block of the first pair is the candidate's, the first of the second, and so on. */
  get #trying(): boolean {
    return this.#resting === 0 && (this.#block % 4 === 1 || this.#block % 4 === 2);
  }

  get #candidate(): number {
    const next = this.#value + this.#direction;
    return next < this.#min || next > this.#max ? this.#value - this.#direction : next;
  }

  #pair(pairs: number): void {
    const gain = (this.#baseCost - this.#trialCost) / (this.#baseCost + this.#trialCost || 1);
    const off = gain - this.#mean;
    this.#mean += off / pairs;
    this.#squares += off * (gain - this.#mean);
    if (pairs < FEW) return;
    const error = Math.sqrt(this.#squares / (pairs - 1) / pairs);
    const clear = Math.abs(this.#mean) > CLEAR * error;
    // The gain is a share of both costs together.
    if (this.#tells && clear && 2 * this.#mean > MARGIN) this.#step();
    else if (clear || pairs >= MANY || !this.#tells) this.#reject();
  }

  #step(): void {
    const candidate = this.#candidate;
    this.#direction = candidate < this.#value ? -1 : 1;
    this.#value = candidate;
    this.#vain = 0;
    this.#nextRest = REST;
    this.#begin();
  }

  #reject(): void {
    this.#direction = this.#direction === 1 ? -1 : 1;
    this.#begin();
    if (++this.#vain < 2) return;
    this.#vain = 0;
    this.#resting = 2 * this.#nextRest;
    this.#nextRest = Math.min(MOST_REST, 2 * this.#nextRest);
  }

  #begin(): void {
    this.#block = this.#mean = this.#squares = 0;
    this.#tells = false;
  }
}
