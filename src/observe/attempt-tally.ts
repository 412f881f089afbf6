/**
 * What the attempts of one call came to, for gRFC A96. Made only where somebody asked for these metrics.
 *
 * @packageDocumentation
 */

/** One call's attempts. */
export class AttemptTally {
  /** Attempts begun, hedges included. */
  attempts = 0;
  /** Of those, hedges. */
  hedges = 0;
  /** Of those, attempts after one that no server had seen. */
  transparent = 0;
  /** How long the call had no attempt out, between two of them, in ms. */
  delayMs = 0;
  #out = 0;
  #idleSinceMs = 0;
  #unseen = false;

  /** Attempts after failed ones that a server may have seen. */
  get retries(): number {
    return Math.max(0, this.attempts - 1 - this.hedges - this.transparent);
  }
  /** An attempt begins. */
  began(nowMs: number): void {
    if (this.attempts > 0 && this.#out === 0) {
      this.delayMs += Math.max(0, nowMs - this.#idleSinceMs);
      if (this.#unseen) this.transparent++;
    }
    this.attempts++;
    this.#out++;
  }
  /** An attempt is over. `unseen`: the server provably never saw it. */
  ended(nowMs: number, unseen: boolean): void {
    this.#out--;
    this.#idleSinceMs = nowMs;
    this.#unseen = unseen;
  }
}
