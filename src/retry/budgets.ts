/**
 * The budgets of one mesh, one for each service: retries, hedges and items that are sent again all draw from the same.
 *
 * @packageDocumentation
 */
import { splitMethod } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Budget, RetryBudget } from './budget.ts';
import type { RetryBudgetOptions } from './options.ts';
import { RetryThrottle } from './throttle.ts';

/** Services with a budget of their own; the rest share one, so that names can't fill the memory. */
const MAX_SERVICES = 1000;
const MAX_METHODS = 10 * MAX_SERVICES;

/** Budgets by service, bounded. */
export class RetryBudgets {
  #options: RetryBudgetOptions;
  readonly #clock: Clock;
  #carried: number;
  readonly #byMethod = new Map<string, Budget>();
  readonly #byService = new Map<string, Budget>();
  /** Told when something is not sent again for want of budget: must not throw. */
  onEmpty: ((service: string) => void) | undefined = undefined;

  /**
   * @param options - Of each of them; with `throttle` they are gRFC A6's.
   * @param carried - Most calls that one lost connection may take along in carriers.
   */
  constructor(options: RetryBudgetOptions, clock: Clock, carried = 0) {
    this.#options = options;
    this.#clock = clock;
    this.#carried = carried;
  }

  /** The budget of a method's service. @param method - `/pkg.Service/Method`. */
  of(method: string): Budget {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    const own = splitMethod(method).service;
    const service = this.#byService.has(own) || this.#byService.size < MAX_SERVICES ? own : '';
    const budget = this.#byService.get(service) ?? this.#make(service);
    this.#byService.set(service, budget);
    if (this.#byMethod.size < MAX_METHODS) this.#byMethod.set(method, budget);
    return budget;
  }

  /**
   * Takes other options: each budget stays as full as it was. Where a budget becomes a throttle or the other way round, it starts anew.
   * Parameters as for the constructor.
   */
  retune(options: RetryBudgetOptions, carried: number): void {
    this.#options = options;
    this.#carried = carried;
    const { throttle } = options;
    const anew = [...this.#byService.values()].some((budget) => (throttle === undefined) !== budget instanceof RetryBudget);
    if (anew) {
      this.#byMethod.clear();
      this.#byService.clear();
      return;
    }
    for (const budget of this.#byService.values()) {
      if (budget instanceof RetryBudget) budget.retune(options, carried);
      else if (budget instanceof RetryThrottle && throttle !== undefined) budget.retune(throttle);
    }
  }

  /** What could be sent again now, by service. */
  *balances(): Generator<readonly [service: string, balance: number]> {
    for (const [service, budget] of this.#byService) yield [service, budget.balance()];
  }

  /** Attempts paid for and not paid for, by service. */
  *counts(): Generator<readonly [service: string, counts: BudgetCounts]> {
    for (const [service, { drawn, refused }] of this.#byService) yield [service, { drawn, refused }];
  }

  #make(service: string): Budget {
    const { throttle } = this.#options;
    const onEmpty = (): void => this.onEmpty?.(service);
    return throttle === undefined
      ? new RetryBudget(this.#options, this.#clock, this.#carried, onEmpty)
      : new RetryThrottle(throttle, onEmpty);
  }
}

/** What a service's budget was asked for since the start. */
export interface BudgetCounts {
  /** Attempts that it has paid for. */
  readonly drawn: number;
  /** Attempts that were not made because it had nothing left. */
  readonly refused: number;
}

/** What was asked of the budgets of each service; of one that has several budgets, the sum. */
export function budgetCountsOf(budgets: readonly RetryBudgets[]): Record<string, BudgetCounts> {
  const sums = new Map<string, BudgetCounts>();
  for (const [service, { drawn, refused }] of budgets.flatMap((each) => [...each.counts()])) {
    const before = sums.get(service) ?? { drawn: 0, refused: 0 };
    sums.set(service, { drawn: before.drawn + drawn, refused: before.refused + refused });
  }
  return Object.fromEntries(sums);
}

/** The balance of each service; of one that has several budgets, the lowest. */
export function balancesOf(budgets: readonly RetryBudgets[]): Record<string, number> {
  const lowest = new Map<string, number>();
  for (const [service, balance] of budgets.flatMap((each) => [...each.balances()])) {
    lowest.set(service, Math.min(balance, lowest.get(service) ?? balance));
  }
  return Object.fromEntries(lowest);
}
