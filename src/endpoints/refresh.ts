/**
 * When a name is to be resolved again.
 *
 * grpc-js asks only when a connection is lost, so new addresses stay unseen for as long as the old ones are well. Here it is a
 * matter of time, jittered so that the processes of a fleet do not ask together; and of how it went: a resolver that has
 * nothing more to say (a list of IP addresses) or fails is asked less and less.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';

/** Earlier by up to this share. */
const JITTER = 0.2;
/** So many may stay without an answer before the next one waits longer. */
const PATIENCE = 2;
/** Longest wait for a resolver that fails. */
const SLOWEST_MS = 10_000;

export class Refresh {
  readonly #everyMs: number;
  readonly #random: Random;
  #vain = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  /** @param everyMs - 0: never. */
  constructor(everyMs: number, random: Random) {
    this.#everyMs = everyMs;
    this.#random = random;
  }
  /** True when it is time to ask; counts as asked. */
  due(nowMs: number): boolean {
    if (nowMs < this.#nextMs) return false;
    this.#vain++;
    this.#plan(nowMs);
    return true;
  }
  /** The resolver has answered, on its own or because it was asked. */
  answered(nowMs: number, ok: boolean): void {
    if (ok) this.#vain = 0;
    // A failure that nobody asked for here is one all the same, and the first answer starts it all.
    else this.#vain = Math.max(1, this.#vain);
    this.#plan(nowMs);
  }

  #plan(nowMs: number): void {
    if (this.#everyMs === 0) return;
    const slower = 2 ** Math.min(20, Math.max(0, this.#vain - PATIENCE));
    const waitMs = Math.min(this.#everyMs * slower, Math.max(this.#everyMs, SLOWEST_MS));
    this.#nextMs = nowMs + waitMs * (1 - this.#random() * JITTER);
  }
}
