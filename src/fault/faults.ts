/**
 * Which calls meet which fault. Every rule counts the calls that it matches and chooses its share of them, for itself.
 *
 * Source: Envoy's fault filter, gRFC A33; the share is exact here.
 *
 * @packageDocumentation
 */
import type { Headers } from '../route/match.ts';
import type { FaultRules } from './options.ts';
import { ExactShare } from './share.ts';

/** Numbers of one side. */
export interface FaultCounts {
  /** Calls held back. */
  delayed: number;
  /** Calls ended. */
  aborted: number;
  /** Calls that were chosen, and passed because too many were held back. */
  skipped: number;
  /** Calls held back now. */
  active: number;
}

/** Nothing has happened yet. */
export function noFaultCounts(): FaultCounts {
  return { delayed: 0, aborted: 0, skipped: 0, active: 0 };
}

/** What becomes of one call. {@link end} must be called once it is no longer held back. */
export interface Fault {
  readonly delayMs: number;
  /** Undefined: it goes on after the delay. */
  readonly abort: number | undefined;
  /** The wait is over, or given up. */
  end(): void;
}

/** The rules that calls of one method can meet. */
export interface FaultPlan {
  /** Counts a call; undefined: it passes. */
  meet(headers: Headers): Fault | undefined;
}

/** More paths than that are not one side's methods; the oldest is computed anew when it comes again. */
const MAX_CACHED = 10_000;

export class Faults {
  readonly counts: FaultCounts;
  readonly #rules: readonly ActiveRule[];
  readonly #plans = new Map<string, FaultPlan | undefined>();

  /** @param counts - Counts along. Default: some of its own. */
  constructor(rules: readonly FaultRules[], counts: FaultCounts = noFaultCounts()) {
    this.counts = counts;
    this.#rules = rules.filter(({ percent }) => percent > 0).map((rule) => new ActiveRule(rule, this.counts));
  }

  /** Undefined: no rule is for calls of the method, `/pkg.Service/Method`. */
  planOf(method: string): FaultPlan | undefined {
    const known = this.#plans.get(method);
    if (known !== undefined || this.#plans.has(method)) return known;
    if (this.#plans.size >= MAX_CACHED) for (const [oldest] of this.#plans) if (this.#plans.delete(oldest)) break;
    const rules = this.#rules.filter((rule) => rule.takes(method));
    const plan = rules.length === 0 ? undefined : { meet: (headers: Headers) => this.#meet(rules, headers) };
    this.#plans.set(method, plan);
    return plan;
  }

  #meet(rules: readonly ActiveRule[], headers: Headers): Fault | undefined {
    let met: ActiveRule[] | undefined;
    let delayMs = 0;
    let abort: number | undefined;
    for (const rule of rules) {
      if (!rule.chooses(headers)) continue;
      if (rule.delayMs > 0) {
        if (!rule.begin()) continue;
        delayMs += rule.delayMs;
        met ??= [];
        met.push(rule);
      }
      abort ??= rule.abort;
    }
    if (delayMs > 0) {
      this.counts.delayed++;
      this.counts.active++;
    }
    if (delayMs === 0 && abort === undefined) return undefined;
    let over = delayMs === 0;
    const end = (): void => {
      if (over) return;
      over = true;
      this.counts.active--;
      for (const rule of met ?? []) rule.end();
    };
    return { delayMs, abort, end };
  }
}

/** A rule with what it has counted. */
class ActiveRule {
  readonly delayMs: number;
  readonly abort: number | undefined;
  readonly #rules: FaultRules;
  readonly #share: ExactShare;
  readonly #counts: FaultCounts;
  #active = 0;

  constructor(rules: FaultRules, counts: FaultCounts) {
    this.delayMs = rules.delayMs;
    this.abort = rules.abort;
    this.#rules = rules;
    this.#share = new ExactShare(rules.percent);
    this.#counts = counts;
  }
  takes(method: string): boolean {
    return this.#rules.matcher.takes(method);
  }
  chooses(headers: Headers): boolean {
    return this.#rules.matcher.fits(headers) && this.#share.take();
  }
  /** False: too many are held back. */
  begin(): boolean {
    if (this.#active >= this.#rules.maxActive) {
      this.#counts.skipped++;
      return false;
    }
    this.#active++;
    return true;
  }
  end(): void {
    this.#active--;
  }
}
