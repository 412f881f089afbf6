/**
 * Whether an endpoint may be picked: its own breaker, and what outlier detection says of it.
 *
 * The breaker opens
 * - after so many failures in a row (those of tries that were given up count), and
 * - for *silence*: calls wait and nothing has come back for much longer than usual, while other endpoints answer. A pause of
 *   this process silences all, and the first to answer after it must not make suspects of the rest: so it takes two looks, and an
 *   answer of somebody else in between. Where calls don't wait because they are given up early, that is silence too.
 *
 * Then one call at a time is let out to probe, after half a second at first. A success closes it. So does any answer, however
 * late, to an endpoint that was only silent, and a new connection is probed at once.
 *
 * @packageDocumentation
 */
import { Breaker } from '../breaker/breaker.ts';
import { countersOf } from '../breaker/counters.ts';
import { resolveBreakerOptions } from '../breaker/options.ts';
import type { Clock } from '../clock.ts';
import { OutlierHost } from '../outlier/host.ts';
import type { Crowd } from './crowd.ts';

/** Shorter than that is no silence: a pause of the peer's or of the network. */
const SILENT_MS = 500;
/** Silence is so many times the usual latency. */
const TIMES_USUAL = 5;
/** So many times the usual latency makes a failure one for lateness. */
const TIMES_LATE = 4;
/** Calls that were given up late are silence as well, from the second on, for so long after the last. */
const LATE_ENOUGH = 2;
const LATELY_MS = 1_000;
/** Probes begin soon, and a healed endpoint has calls again within five seconds. */
const FIRST_PROBE_MS = 500;
const LAST_PROBE_MS = 4_000;
const NOBODY = Number.POSITIVE_INFINITY;

/** Why an endpoint is not picked. `outlier`: gRFC A50. */
export type Ejection = 'failures' | 'silence' | 'outlier';

export class EndpointHealth {
  /** What outlier detection counts. */
  readonly host: OutlierHost = new OutlierHost();
  /** How often the breaker has opened from closed. */
  trips = 0;
  readonly #crowd: Crowd;
  #breaker: Breaker | undefined;
  #why: 'failures' | 'silence' = 'failures';
  #suspectedAtMs = NOBODY;
  /** Calls given up for lateness since the last answer; when the first of them began to wait, when the last was given up. */
  #late = 0;
  #lateSinceMs = 0;
  #lateAtMs = 0;

  /** @param consecutiveFailures - 0: there is no breaker. */
  constructor(crowd: Crowd, consecutiveFailures: number, clock: Clock) {
    this.#crowd = crowd;
    this.retune(consecutiveFailures, clock);
  }

  /** Another number of failures; counted from here on. Without any, who is ejected for failures is back. Parameters as above. */
  retune(consecutiveFailures: number, clock: Clock): void {
    if (consecutiveFailures === 0) {
      this.#breaker = undefined;
      return;
    }
    const rules = resolveBreakerOptions({ consecutiveFailures, openMs: FIRST_PROBE_MS, maxOpenMs: LAST_PROBE_MS }, 'outlierDetection');
    if (this.#breaker === undefined) this.#breaker = new Breaker(rules, countersOf(rules, clock));
    else this.#breaker.retune(rules, countersOf(rules, clock));
  }

  /** Undefined: it is not ejected. */
  get ejectedFor(): Ejection | undefined {
    if (this.host.ejectedAtMs !== undefined) return 'outlier';
    return this.#breaker === undefined || this.#breaker.state === 'closed' ? undefined : this.#why;
  }
  /** When it may have calls again, on the clock: by time alone, or by a probe. Undefined: it is not ejected, or a probe is out. */
  ejectedUntilMs({
    baseEjectionMs,
    maxEjectionMs,
  }: {
    readonly baseEjectionMs: number;
    readonly maxEjectionMs: number;
  }): number | undefined {
    const { ejectedAtMs, multiplier } = this.host;
    if (ejectedAtMs !== undefined) return ejectedAtMs + Math.min(baseEjectionMs * multiplier, maxEjectionMs);
    const probeAtMs = this.#breaker?.probeAtMs ?? NOBODY;
    return probeAtMs === NOBODY ? undefined : probeAtMs;
  }
  /** An outlier is not probed: it comes back by time alone, or its detection would not be A50's. */
  canProbe(nowMs: number): boolean {
    return this.host.ejectedAtMs === undefined && this.#breaker?.state !== 'closed' && this.#breaker?.canProbe(nowMs) === true;
  }
  /** Takes the permit of a probe. */
  probe(nowMs: number): boolean {
    return this.#breaker?.enter(nowMs) === true;
  }
  /** A pick came to nothing. */
  giveBack(): void {
    this.#breaker?.giveBack();
  }
  /**
   * A call that began at `startedMs` has ended. `busy`: with an answer, though not the one that was wanted; to send the load of
   * an endpoint that sheds it to the others would help nobody. True: the endpoint is back, and was only silent.
   */
  ended(startedMs: number, nowMs: number, dropped: boolean, busy = false): boolean {
    if (this.#crowd.counting) this.host.count(dropped);
    const breaker = this.#breaker;
    if (breaker === undefined) return false;
    const before = breaker.state;
    const failed = dropped && !busy;
    if (!failed) this.#late = 0;
    if (busy && before === 'closed') return false;
    // Calls on an open one are those that nobody heeded it for (panic), or were there before.
    if (!failed && before !== 'closed' && (this.#why === 'silence' || startedMs >= breaker.sinceMs)) breaker.close(nowMs);
    else if (!breaker.ended(startedMs, nowMs, failed ? 'dropped' : 'success')) return false;
    if (before === 'closed') this.#tripped('failures');
    this.#crowd.lookAtMs = Number.NEGATIVE_INFINITY;
    return breaker.state === 'closed' && this.#why === 'silence';
  }
  /** A try was given up because it took too long; calls have been waiting for so many ms. When it ends, nothing more is learned. */
  timedOut(waitingMs: number, nowMs: number): void {
    this.#countLate(waitingMs, nowMs);
    const before = this.#breaker?.state;
    this.ended(nowMs, nowMs, true);
    if (before === 'closed' && this.#breaker?.state === 'open') this.#why = 'silence';
  }
  /** A call has failed after so many ms, where so many are usual. */
  failedAfter(latencyMs: number, usualMs: number, nowMs: number): void {
    if (latencyMs >= TIMES_LATE * usualMs) this.#countLate(latencyMs, nowMs);
  }
  /** Judges how long calls have been waiting, where so many ms are usual. */
  judgeSilence(waitingMs: number, usualMs: number, nowMs: number): void {
    const breaker = this.#breaker;
    if (breaker === undefined || breaker.state === 'open') return;
    const silentMs = Math.max(waitingMs, this.#lateForMs(nowMs));
    const ownMs = Math.min(silentMs, nowMs - breaker.sinceMs);
    if (ownMs < Math.max(SILENT_MS, TIMES_USUAL * usualMs)) {
      this.#suspectedAtMs = NOBODY;
      return;
    }
    const { answeredAtMs } = this.#crowd;
    if (this.#suspectedAtMs === NOBODY) {
      if (answeredAtMs > nowMs - ownMs) this.#suspectedAtMs = nowMs;
      return;
    }
    if (answeredAtMs <= this.#suspectedAtMs) return;
    if (breaker.state === 'closed') this.#tripped('silence');
    breaker.trip(nowMs);
    this.#suspectedAtMs = NOBODY;
  }
  /** What broke the old connection need not be true of the new one: it is probed at once. */
  reconnected(nowMs: number): void {
    this.#breaker?.probeSoon(nowMs);
  }
  /** The address has left name resolution: what it was ejected for is forgotten (O21). */
  forget(nowMs: number): void {
    this.host.reset();
    this.#breaker?.close(nowMs);
    this.#suspectedAtMs = NOBODY;
  }

  #countLate(waitingMs: number, nowMs: number): void {
    if (this.#late === 0 || nowMs - this.#lateAtMs > LATELY_MS) {
      this.#late = 0;
      this.#lateSinceMs = nowMs - waitingMs;
    }
    this.#late++;
    this.#lateAtMs = nowMs;
  }
  #lateForMs(nowMs: number): number {
    return this.#late >= LATE_ENOUGH && nowMs - this.#lateAtMs <= LATELY_MS ? nowMs - this.#lateSinceMs : 0;
  }
  #tripped(why: 'failures' | 'silence'): void {
    this.#why = why;
    this.trips++;
    this.#crowd.counts.ejections[why]++;
  }
}
