/**
 * Waits while the arrivals that are expected save more than those who wait lose: the control-limit rule, fed by a forecast
 * of the arrival rate and by the running cost of an item. A batch goes when enough have come; a timer (1 ms at least, as
 * Node has none finer) ends the wait where fewer came than were forecast.
 *
 * @packageDocumentation
 */
import { type BatchCosts, controlLimit, stoppingCount } from '../../forecast/control-limit.ts';
import { HoltRate, type RateForecast } from '../../forecast/rate.ts';
import type { FlushPolicy, QueueView } from './flush-policy.ts';

/** Measured for a unary call of grpc-js on both sides, 0.17 + 0.075 ms, less what an item costs anyway; 1 ms of CPU is worth 10 ms of waiting. */
const COSTS: BatchCosts = { batchMs: 0.2, waitWeight: 0.1 };
/** Weight of the newest batch in the running cost of an item. */
const COST_WEIGHT = 0.1;

export class ForecastPolicy implements FlushPolicy {
  readonly limit: number;
  readonly #maxWaitMs: number;
  readonly #rate: RateForecast;
  readonly #costs: BatchCosts;
  /** Running cost of an item; NaN before the first batch. */
  #itemCostMs = Number.NaN;

  /** @param maxWaitMs - Longest wait of the first item, whatever is forecast, > 0. */
  constructor(maxWaitMs: number, limit: number, rate: RateForecast = new HoltRate(), costs: BatchCosts = COSTS) {
    this.#maxWaitMs = maxWaitMs;
    this.limit = limit;
    this.#rate = rate;
    this.#costs = costs;
  }

  arrived(nowMs: number): void {
    this.#rate.arrived(nowMs);
  }

  waitUntil(queue: QueueView, nowMs: number): number {
    const perMs = this.#rate.perMs(nowMs);
    // Even a perfect forecast brings nobody: the first item would wait for the timer alone.
    if (perMs * this.#maxWaitMs < 1) return Number.NEGATIVE_INFINITY;
    return queue.waiting < this.#enough(perMs) ? queue.sinceMs + this.#maxWaitMs : Number.NEGATIVE_INFINITY;
  }

  /** How many should wait before they go. The running cost lags behind a rate that jumps, so it moves the even stream's limit by half and twice at most. */
  #enough(perMs: number): number {
    const even = controlLimit(perMs, this.#costs);
    if (Number.isNaN(this.#itemCostMs)) return even;
    const now = stoppingCount(perMs, this.#itemCostMs, this.#costs.waitWeight);
    return Math.min(2 * even, Math.max(even / 2, now));
  }

  flushed(items: number, queue: QueueView, nowMs: number): void {
    // They came evenly, as far as is known: the mean wait is half of the first one's.
    const waitMs = Math.max(0, nowMs - queue.sinceMs) / 2;
    const cost = this.#costs.waitWeight * waitMs + this.#costs.batchMs / items;
    this.#itemCostMs = Number.isNaN(this.#itemCostMs) ? cost : this.#itemCostMs + COST_WEIGHT * (cost - this.#itemCostMs);
  }
}
