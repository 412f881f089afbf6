/**
 * Whether the connection to an endpoint is suspected to be dead, from what became of its calls (M11: pings are not portable).
 *
 * Silence is: calls wait and nothing comes back, for much longer than usual. A half-open connection is silent, and so are a
 * process that was stopped and a method that takes long. So suspicion costs only a connection beside the first; if that one is
 * made at once the peer is well, and the next suspicion takes twice as long, for a while.
 *
 * @packageDocumentation
 */

const SILENT_MS = 1_000;
const TIMES_USUAL = 4;
/** Below that an endpoint is not silent, so its latency says what is usual. */
const USUAL_BELOW_MS = 250;
const MAX_FACTOR = 64;
/** After so long without a rebuild all is forgotten. */
const FORGET_MS = 300_000;

/** What is known of an endpoint's calls. */
export interface Quiet {
  /** How long calls have been waiting while nothing came back, in ms; 0: they do not. */
  readonly silentMs: number;
  /** Its latency, or its silence where that is longer. */
  readonly latencyMs: number;
  /** It was found silent, and so gets hardly any calls that could show it; tries that are given up soon hide it, too. */
  readonly ejected: boolean;
}

export class Suspicion {
  /** 0: not known, so nothing is unusual. */
  #usualMs = 0;
  #factor = 1;
  #ejectedAtMs: number | undefined;
  #rebuiltAtMs = Number.NEGATIVE_INFINITY;

  /** True when another connection should be tried. */
  rises({ silentMs, latencyMs, ejected }: Quiet, nowMs: number): boolean {
    if (!ejected) this.#ejectedAtMs = undefined;
    else this.#ejectedAtMs ??= nowMs;
    if (silentMs < USUAL_BELOW_MS && !ejected) {
      this.#usualMs = latencyMs;
      return false;
    }
    if (nowMs - this.#rebuiltAtMs > FORGET_MS) this.#factor = 1;
    if (ejected && this.#waited(nowMs)) return true;
    return this.#usualMs > 0 && silentMs >= Math.max(SILENT_MS, TIMES_USUAL * this.#usualMs) * this.#factor;
  }
  /** Another connection has taken the place of the suspected one. `attempts`: how many it took. */
  rebuilt(attempts: number, nowMs: number): void {
    this.#rebuiltAtMs = nowMs;
    this.#factor = attempts > 1 ? 1 : Math.min(MAX_FACTOR, this.#factor * 2);
  }

  /** A new connection is given time to show itself: the endpoint stays ejected until a probe has gone well. */
  #waited(nowMs: number): boolean {
    const ejectedMs = nowMs - (this.#ejectedAtMs ?? nowMs);
    return ejectedMs >= SILENT_MS * (this.#factor - 1) && nowMs - this.#rebuiltAtMs >= SILENT_MS * this.#factor;
  }
}
