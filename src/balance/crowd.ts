/**
 * What the endpoints of one book share: the averages that an endpoint is compared with, and the end of the turn.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { OnEndpointChange } from './changes.ts';
import { type BalanceCounts, noBalanceCounts } from './counts.ts';

/** Weight of one answer in the average latency: about the last 32 answers count. */
const ANSWER_WEIGHT = 1 / 32;

/** Something that holds load only until the end of the event-loop turn. */
export interface Provisional {
  /** Gives back what was held. */
  turnEnded(): void;
}

/** Averages over the endpoints of one book. */
export class Crowd {
  /** Items in flight on all endpoints, and picks not yet started. */
  load = 0;
  /** Endpoints that can be picked. */
  ready = 0;
  /** When an endpoint answered last. */
  answeredAtMs: number = Number.NEGATIVE_INFINITY;
  /** Whether outlier detection wants to know how calls end. */
  counting = false;
  /** When the endpoints are to be looked at again; somebody whose state has changed brings it forward. */
  lookAtMs: number = Number.NEGATIVE_INFINITY;
  /** What has happened so far, for metrics. */
  readonly counts: BalanceCounts;
  /** Hears what happens to endpoints. Undefined: nobody. */
  changed: OnEndpointChange | undefined = undefined;
  readonly #clock: Clock;
  readonly #provisional: Provisional[] = [];
  #latencyMs = 0;

  constructor(clock: Clock, counts: BalanceCounts = noBalanceCounts()) {
    this.#clock = clock;
    this.counts = counts;
  }
  /** Average latency of answers in ms; 1 as long as there was none, so that products of it still order loads. */
  get latencyMs(): number {
    return this.#latencyMs === 0 ? 1 : this.#latencyMs;
  }
  /** What an average endpoint costs now: latency times the load it would have with one call more. */
  get cost(): number {
    return this.latencyMs * (this.load / Math.max(1, this.ready) + 1);
  }
  /** Takes a latency into the average. */
  learn(latencyMs: number): void {
    this.#latencyMs += this.#latencyMs === 0 ? latencyMs : (latencyMs - this.#latencyMs) * ANSWER_WEIGHT;
  }
  /** `holder.turnEnded` will be called at the end of this turn: one callback for all, however many picks. */
  holdUntilEndOfTurn(holder: Provisional): void {
    if (this.#provisional.length === 0) this.#clock.endOfTurn(this.#endTurn);
    this.#provisional.push(holder);
  }
  readonly #endTurn = (): void => {
    for (const holder of this.#provisional) holder.turnEnded();
    this.#provisional.length = 0;
  };
}
