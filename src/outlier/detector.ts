/**
 * Outlier detection as gRFC A50 has it: at the end of each interval, whose calls failed too often is ejected, and comes back
 * by time alone.
 *
 * Four points differ, on purpose:
 * - `minimumGap` (0 switches it off): A50's rule ejects one of five or more that is worse at all, be it 99 % among 100 %, for the
 *   distance of a single outlier to the mean is sqrt(n - 1) standard deviations whatever its size.
 * - Both rules together eject an endpoint once in an interval; grpc-js counts it twice.
 * - What counts as failure: an outcome `dropped`. A client's cancellation or mistake is none (case O26).
 * - Intervals end when somebody asks, not by a timer: judging is of use only to the next pick. Intervals in which
 *   nobody asked are made up for, each at its own time.
 *
 * @packageDocumentation
 */
import type { BalanceCounts, OutlierRule } from '../balance/counts.ts';
import type { Random } from '../random.ts';
import type { OutlierHost } from './host.ts';
import type { OutlierRules } from './options.ts';

/** After a pause, at most so many intervals are made up for: the longest ejection is thirty with the defaults. */
const MAX_CATCH_UP = 1_000;

export class OutlierDetector {
  readonly #random: Random;
  readonly #counts: Pick<BalanceCounts, 'ejections' | 'unenforced'> | undefined;
  #rules: OutlierRules | undefined;
  #startedMs = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #ejections = 0;
  #unenforced = 0;
  /** Of those that are being judged. */
  #ejected = 0;

  /** @param counts - Counts along, by rule. */
  constructor(random: Random, counts?: Pick<BalanceCounts, 'ejections' | 'unenforced'>) {
    this.#random = random;
    this.#counts = counts;
  }

  /** When the present interval ends; Infinity: nothing is to be judged. */
  get dueMs(): number {
    return this.#dueMs;
  }
  /** True while calls must be counted. */
  get counting(): boolean {
    return this.#rules !== undefined;
  }
  /** Ejections so far. */
  get ejections(): number {
    return this.#ejections;
  }
  /** Endpoints found out that `enforcementPercentage` let go. */
  get unenforced(): number {
    return this.#unenforced;
  }

  /**
   * Takes other rules. Without a rule that ejects everybody returns and is forgotten (O19); a changed interval counts from the
   * start of the present one, whose counts stay (O20).
   */
  configure(rules: OutlierRules | undefined, hosts: Iterable<OutlierHost>, nowMs: number): void {
    const before = this.#rules;
    const judges = rules?.successRateEjection !== undefined || rules?.failurePercentageEjection !== undefined;
    this.#rules = judges ? rules : undefined;
    if (rules === undefined || !judges) {
      this.#dueMs = Number.POSITIVE_INFINITY;
      for (const host of hosts) host.reset();
      return;
    }
    if (before === undefined) {
      this.#startedMs = nowMs;
      for (const host of hosts) host.reset();
    }
    this.#dueMs = Math.max(nowMs, this.#startedMs + rules.intervalMs);
  }
  /** Judges every interval that has ended by now. True: an endpoint was ejected, or has returned. */
  tick(hosts: ReadonlySet<OutlierHost>, nowMs: number): boolean {
    const rules = this.#rules;
    if (rules === undefined || nowMs < this.#dueMs) return false;
    let changed = false;
    const missed = Math.floor((nowMs - this.#dueMs) / rules.intervalMs);
    if (missed > MAX_CATCH_UP) this.#dueMs += (missed - MAX_CATCH_UP) * rules.intervalMs;
    while (this.#dueMs <= nowMs) {
      const endMs = this.#dueMs;
      this.#startedMs = endMs;
      this.#dueMs = endMs + rules.intervalMs;
      if (this.#judge(rules, hosts, endMs)) changed = true;
    }
    return changed;
  }

  #judge(rules: OutlierRules, hosts: ReadonlySet<OutlierHost>, nowMs: number): boolean {
    this.#ejected = 0;
    for (const host of hosts) {
      host.switchBuckets();
      if (host.ejectedAtMs !== undefined) this.#ejected++;
    }
    const before = this.#ejections;
    this.#judgeSuccessRate(rules, hosts, nowMs);
    this.#judgeFailurePercentage(rules, hosts, nowMs);
    let changed = this.#ejections > before;
    for (const host of hosts) {
      if (host.ejectedAtMs === undefined) host.multiplier = Math.max(0, host.multiplier - 1);
      else if (nowMs > host.ejectedAtMs + Math.min(rules.baseEjectionMs * host.multiplier, rules.maxEjectionMs)) {
        host.ejectedAtMs = undefined;
        changed = true;
      }
    }
    return changed;
  }
  #judgeSuccessRate(rules: OutlierRules, hosts: ReadonlySet<OutlierHost>, nowMs: number): void {
    const rule = rules.successRateEjection;
    if (rule === undefined) return;
    const judged = [...hosts].filter((host) => host.volume > 0 && host.volume >= rule.requestVolume);
    if (judged.length === 0 || judged.length < rule.minimumHosts) return;
    const rates = judged.map((host) => host.successRate);
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const deviation = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
    const threshold = mean - Math.max((deviation * rule.stdevFactor) / 1000, rules.minimumGap);
    for (const host of judged) {
      if (this.#isFull(rules, hosts)) return;
      if (host.successRate < threshold) this.#eject(host, rule.enforcementPercentage, 'success_rate', nowMs);
    }
  }
  #judgeFailurePercentage(rules: OutlierRules, hosts: ReadonlySet<OutlierHost>, nowMs: number): void {
    const rule = rules.failurePercentageEjection;
    if (rule === undefined) return;
    const judged = [...hosts].filter((host) => host.volume > 0 && host.volume >= rule.requestVolume);
    if (judged.length < rule.minimumHosts) return;
    for (const host of judged) {
      if (this.#isFull(rules, hosts)) return;
      // A50's comment says "at least", its algorithm "more than" (O9): the algorithm holds, there and here.
      if (host.failurePercentage > rule.threshold) this.#eject(host, rule.enforcementPercentage, 'failure_percentage', nowMs);
    }
  }
  /** Asked before each ejection, as in A50: with ten percent of three, one may go. */
  #isFull(rules: OutlierRules, hosts: ReadonlySet<OutlierHost>): boolean {
    return this.#ejected * 100 >= rules.maxEjectionPercent * hosts.size;
  }
  #eject(host: OutlierHost, enforcementPercentage: number, rule: OutlierRule, nowMs: number): void {
    if (host.ejectedAtMs !== undefined) return;
    if (this.#random() * 100 >= enforcementPercentage) {
      this.#unenforced++;
      if (this.#counts !== undefined) this.#counts.unenforced[rule]++;
      return;
    }
    this.#ejections++;
    if (this.#counts !== undefined) this.#counts.ejections[rule]++;
    this.#ejected++;
    host.eject(nowMs);
  }
}
