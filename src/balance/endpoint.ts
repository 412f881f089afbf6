/**
 * Load and latency of one endpoint, and what a further call on it would cost.
 *
 * Peak EWMA as in Finagle and Linkerd: the estimate jumps to a slower answer at once; faster ones pull it down step by step. Without
 * any it decays exponentially, so a shunned endpoint is tried again. Cost = latency x (load + 1). Beyond that:
 *
 * - *new*: until three answers came the endpoint is probed by one call at a time; the fastest of them counts, because the
 *   first calls on a connection measure its set-up.
 * - *stalled*: when calls were started and nothing came back since, the wait itself is the latency. Only the start of the
 *   silence is kept. A call that a younger one overtook (a stream) is no sign of a stall.
 * - *failing*: drops come back fast and would attract calls. They never improve the latency; their share, over about the last
 *   eight outcomes, adds `penalty` times the cost of an average endpoint, and fades with `penaltyMs`.
 * - *ejected*: what fails in a row or is silent for long gets no calls but probes ({@link EndpointHealth}). The answer that ends a silence
 *   took as long as the silence did: it is not learned, or the endpoint would be shunned for half a minute for what is over.
 * - *picked*: a pick is load from the first moment on, or all picks of a burst would see the same loads.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import type { ConnectionState, EndpointLoad } from './book.ts';
import type { Crowd, Provisional } from './crowd.ts';
import { type Ejection, EndpointHealth } from './health.ts';
import type { BalanceRules } from './options.ts';

/** Answers that make an endpoint known. */
const PROBES = 3;
/** How much of a peak one faster answer takes back. A hiccup of this process hits every endpoint: it must not hide the slow one for long. */
const ANSWER_WEIGHT = 1 / 8;
/** Weight of one outcome in the share of drops. */
const OUTCOME_WEIGHT = 1 / 8;
/** Cost of an unknown endpoint whose probe is out: dearer than any known one, but still ordered by load. */
const PROBING_COST = 2 ** 40;
/** How far back the picks are known that an endpoint's share is of. */
const PICKS_MS = 10_000;
/** No call was started since the last answer. */
const NOT_SILENT = -1;

/** One endpoint of a channel. */
export class Endpoint implements EndpointLoad, Provisional {
  readonly address: string;
  readonly health: EndpointHealth;
  /** When a call that it served came back, on the clock. */
  answeredAtMs: number = Number.NEGATIVE_INFINITY;
  rebuilds = 0;
  /** Calls and items that it was picked for, since the start. */
  picks = 0;
  /** What was last told of its being ejected. */
  told: Ejection | undefined = undefined;
  /** Picks of the last ten seconds; made with the first. */
  #lately: SlidingWindow | undefined = undefined;
  #state: ConnectionState = 'connecting';
  readonly #crowd: Crowd;
  #rules: BalanceRules;
  readonly #clock: Clock;
  #ready = false;
  #inFlight = 0;
  #streams = 0;
  #picked = 0;
  #held = false;
  #answers = 0;
  #peakMs = 0;
  #peakAtMs = 0;
  #drops = 0;
  #dropsAtMs = 0;
  #silentSinceMs = NOT_SILENT;
  /** When it came back from a silence. What began before has measured the silence, not what calls take now. */
  #backAtMs = Number.NEGATIVE_INFINITY;

  constructor(address: string, crowd: Crowd, rules: BalanceRules, clock: Clock) {
    this.address = address;
    this.health = new EndpointHealth(crowd, rules.outlierDetection.consecutiveFailures, clock);
    this.#crowd = crowd;
    this.#rules = rules;
    this.#clock = clock;
  }
  /** Takes other rules. What was learned stays. */
  retune(rules: BalanceRules): void {
    const { consecutiveFailures } = rules.outlierDetection;
    if (consecutiveFailures !== this.#rules.outlierDetection.consecutiveFailures) this.health.retune(consecutiveFailures, this.#clock);
    this.#rules = rules;
  }
  get ready(): boolean {
    return this.#ready;
  }
  get state(): ConnectionState {
    return this.#state;
  }
  set state(state: ConnectionState) {
    if (state === this.#state) return;
    this.#state = state;
    this.#crowd.changed?.({ what: 'state', address: this.address, state });
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get ejected(): boolean {
    return this.health.ejectedFor !== undefined;
  }
  get ejections(): number {
    return this.health.trips + this.health.host.ejections;
  }
  get ejectedFor(): Ejection | undefined {
    return this.health.ejectedFor;
  }
  /** When it may have calls again, on the clock; undefined: it is not ejected, or that is not known. */
  get ejectedUntilMs(): number | undefined {
    return this.health.ejectedUntilMs(this.#rules.outlierDetection);
  }
  /** Picks of the last ten seconds. */
  picksLately(nowMs: number): number {
    return this.#lately?.sum(nowMs) ?? 0;
  }
  /** Items in flight and picks of this turn that have not started. */
  get load(): number {
    return this.#inFlight + this.#picked;
  }
  /** Ready for calls or not. A connection that comes back starts without the drops and the silence of the one that broke. */
  setReady(ready: boolean): void {
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#crowd.ready += ready ? 1 : -1;
    this.#drops = 0;
    this.#silentSinceMs = NOT_SILENT;
  }
  /** Peak EWMA decayed to now, or the present silence if that is longer, in ms; 0: unknown. */
  latencyMs(nowMs: number): number {
    return Math.max(this.#decayedMs(nowMs), this.#silenceMs(nowMs));
  }
  /** What one more call would cost, in ms times calls. Lower is better. */
  cost(nowMs: number): number {
    return this.#costOfLoad(nowMs) + this.dropShare(nowMs) * this.#rules.penalty * this.#crowd.cost;
  }
  /**
   * Counts a pick as load until it starts, at most until the end of the turn: a pick may be abandoned without a word. `sure`: this one
   * will not, and no end of a turn need be waited for.
   */
  reserve(sure = false): void {
    this.#picked++;
    this.#crowd.load++;
    if (this.#held || sure) return;
    this.#held = true;
    this.#crowd.holdUntilEndOfTurn(this);
  }
  /** A pick came to nothing: it must not make the endpoint look busier than it is to what is picked next. */
  unreserve(): void {
    if (this.#picked === 0) return;
    this.#picked--;
    this.#crowd.load--;
    this.health.giveBack();
  }
  turnEnded(): void {
    this.#crowd.load -= this.#picked;
    if (this.#picked > 0) this.health.giveBack();
    this.#picked = 0;
    this.#held = false;
  }
  started(items: number, nowMs: number): void {
    this.#count(items);
    this.#countPicks(items, nowMs);
    if (this.#silentSinceMs === NOT_SILENT || nowMs - this.#silentSinceMs > this.#rules.patienceMs) this.#silentSinceMs = nowMs;
  }
  ended(nowMs: number, latencyMs: number | undefined, dropped: boolean, busy = false): void {
    this.#discount();
    const answered = latencyMs !== undefined && (!dropped || busy);
    const idle = this.#inFlight <= this.#streams;
    if (answered || idle) this.#silentSinceMs = NOT_SILENT;
    if (latencyMs === undefined) {
      if (idle) this.health.giveBack();
      return;
    }
    if (answered) {
      this.answeredAtMs = nowMs;
      this.#crowd.answeredAtMs = nowMs;
    } else this.health.failedAfter(latencyMs, this.#usualMs(nowMs), nowMs);
    this.#learnOutcome(nowMs, dropped);
    const startedMs = nowMs - latencyMs;
    // Who was only silent comes back without the drops of the calls that waited.
    if (this.health.ended(startedMs, nowMs, dropped, busy)) {
      this.#drops = 0;
      this.#backAtMs = nowMs;
    }
    if (!dropped && startedMs >= this.#backAtMs) this.#learnLatency(nowMs, latencyMs);
  }
  /** A stream is load, but neither its length nor its silence says how fast the endpoint answers. */
  startedStream(): void {
    this.#count(1);
    this.#countPicks(1, this.#clock.nowMs());
    this.#streams++;
  }
  /** `dropped` undefined: nothing was learned. */
  endedStream(nowMs: number, dropped: boolean | undefined): void {
    this.#discount();
    this.#streams = Math.max(0, this.#streams - 1);
    if (dropped === undefined) return;
    this.#learnOutcome(nowMs, dropped);
    this.health.ended(nowMs, nowMs, dropped);
  }
  /** A try was given up because it took too long. When it ends, nothing more is learned from it. */
  timedOut(nowMs: number): void {
    this.#learnOutcome(nowMs, true);
    this.health.timedOut(this.#silenceMs(nowMs), nowMs);
  }
  dropShare(nowMs: number): number {
    return this.#drops === 0 ? 0 : this.#drops * Math.exp((this.#dropsAtMs - nowMs) / this.#rules.penaltyMs);
  }
  silentForMs(nowMs: number): number {
    return this.#silenceMs(nowMs);
  }
  /** Ejects it when it has been silent for too long. */
  judge(nowMs: number): void {
    this.health.judgeSilence(this.#silenceMs(nowMs), this.#usualMs(nowMs), nowMs);
  }

  #count(items: number): void {
    this.#inFlight += items;
    this.#crowd.load += items;
    if (this.#picked === 0) return;
    this.#picked--;
    this.#crowd.load--;
  }
  #countPicks(items: number, nowMs: number): void {
    this.picks += items;
    this.#lately ??= new SlidingWindow(PICKS_MS, 10, nowMs);
    this.#lately.add(items, nowMs);
  }
  #discount(): void {
    if (this.#inFlight === 0) return;
    this.#inFlight--;
    this.#crowd.load--;
  }
  #costOfLoad(nowMs: number): number {
    if (this.#answers >= PROBES) return this.latencyMs(nowMs) * (this.load + 1);
    const probing = this.#picked > 0 || this.#waiting(nowMs);
    return probing ? PROBING_COST + this.load : this.load * this.#crowd.latencyMs;
  }
  #learnLatency(nowMs: number, latencyMs: number): void {
    if (latencyMs > this.#rules.patienceMs) return;
    this.#crowd.learn(latencyMs);
    const estimateMs = this.#decayedMs(nowMs);
    if (this.#answers === 0) this.#peakMs = latencyMs;
    else if (this.#answers < PROBES) this.#peakMs = Math.min(this.#peakMs, latencyMs);
    else this.#peakMs = latencyMs >= estimateMs ? latencyMs : estimateMs + (latencyMs - estimateMs) * ANSWER_WEIGHT;
    this.#peakAtMs = nowMs;
    this.#answers++;
  }
  #learnOutcome(nowMs: number, dropped: boolean): void {
    if (!dropped && this.#drops === 0) return;
    this.#drops = this.dropShare(nowMs) * (1 - OUTCOME_WEIGHT) + (dropped ? OUTCOME_WEIGHT : 0);
    this.#dropsAtMs = nowMs;
  }
  /** Not below half the average: after a pause all are forgotten, and the first to answer must not look the worst by far. */
  #decayedMs(nowMs: number): number {
    if (this.#peakMs === 0) return 0;
    const decayed = this.#peakMs * Math.exp((this.#peakAtMs - nowMs) / this.#rules.decayMs);
    return Math.max(decayed, Math.min(this.#peakMs, this.#crowd.latencyMs / 2));
  }
  #usualMs(nowMs: number): number {
    return Math.max(this.#decayedMs(nowMs), this.#crowd.latencyMs);
  }
  /** Calls were started, nothing came back since, and there is still hope. */
  #waiting(nowMs: number): boolean {
    return this.#silentSinceMs !== NOT_SILENT && nowMs - this.#silentSinceMs <= this.#rules.patienceMs;
  }
  #silenceMs(nowMs: number): number {
    return this.#waiting(nowMs) ? nowMs - this.#silentSinceMs : 0;
  }
}
