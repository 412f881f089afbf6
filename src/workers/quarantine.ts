/**
 * Calls that kill threads, known by what they ask for.
 *
 * When a thread dies, nobody knows which of its calls it was. All of them become suspects: the next time they run alone in a thread.
 * One that comes back from there is innocent. One that kills its thread alone as well is guilty, and after `afterCrashes` deaths it is
 * kept out for `forMs`, lest one request that somebody sends again and again keeps all threads dead (case K4).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';

/** Requests that are remembered; the oldest makes room. */
const MAX_KNOWN = 1000;

interface Record {
  /** Deaths of threads that it was in; the first one it may have shared with others. */
  crashes: number;
  /** Kept out until then, or remembered until then. */
  untilMs: number;
  out: boolean;
}

export class Quarantine {
  readonly #clock: Clock;
  readonly #afterCrashes: number;
  readonly #forMs: number;
  /** In the order of their last crash. */
  readonly #known = new Map<string, Record>();

  /** @param afterCrashes - >= 2: the first crash makes a suspect. Infinity: nothing is ever kept out, nor remembered. */
  constructor(afterCrashes: number, forMs: number, clock: Clock) {
    this.#clock = clock;
    this.#afterCrashes = afterCrashes;
    this.#forMs = forMs;
  }

  /** False: no request need be looked at. */
  get active(): boolean {
    return this.#known.size > 0;
  }
  /** False: whatever crashes, nothing is remembered. */
  get on(): boolean {
    return this.#afterCrashes !== Number.POSITIVE_INFINITY;
  }

  /** `out`: it must not run; `suspect`: it runs alone. */
  verdict(request: string): 'free' | 'suspect' | 'out' {
    const record = this.#known.get(request);
    if (record === undefined) return 'free';
    if (this.#clock.nowMs() < record.untilMs) return record.out ? 'out' : 'suspect';
    this.#known.delete(request);
    return 'free';
  }

  /** A thread died with this in it. `alone`: with nothing else in it. True: from now on it is kept out. */
  crashed(request: string, alone: boolean): boolean {
    const before = this.#known.get(request);
    // The crashes that it shared count once: of these others may be guilty.
    const crashes = alone ? (before?.crashes ?? 0) + 1 : Math.max(1, before?.crashes ?? 0);
    const out = crashes >= this.#afterCrashes;
    this.#known.delete(request);
    this.#known.set(request, { crashes, out, untilMs: this.#clock.nowMs() + this.#forMs });
    if (this.#known.size > MAX_KNOWN) for (const oldest of this.#known.keys()) return this.#known.delete(oldest) && out;
    return out;
  }

  /** It ran alone, and its thread lives. */
  survived(request: string): void {
    this.#known.delete(request);
  }
}
