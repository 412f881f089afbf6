/**
 * What has happened to the connections and endpoints of one target since the start, for metrics. All channels of a mesh to a
 * target share it, so that nothing is forgotten when one is closed.
 *
 * @packageDocumentation
 */

/** Why an endpoint was ejected: it failed in a row, fell silent, or is an outlier by one of gRFC A50's two rules. */
export type EjectionCause = 'failures' | 'silence' | 'success_rate' | 'failure_percentage';
/** The two rules of gRFC A50. */
export type OutlierRule = Extract<EjectionCause, 'success_rate' | 'failure_percentage'>;

/** Numbers of one target. */
export interface BalanceCounts {
  /** Connections open now. */
  open: number;
  /** Attempts to connect that came to a connection ready for calls. */
  connected: number;
  /** Attempts to connect that failed. */
  failed: number;
  /** Connections that were ready and are not any more, those that we let go included. */
  disconnected: number;
  /** Ejections, by cause. */
  readonly ejections: Record<EjectionCause, number>;
  /** Outliers that `enforcementPercentage` let go, by rule. */
  readonly unenforced: Record<OutlierRule, number>;
}

/** Nothing has happened yet. */
export function noBalanceCounts(): BalanceCounts {
  return {
    ...{ open: 0, connected: 0, failed: 0, disconnected: 0 },
    ejections: { failures: 0, silence: 0, success_rate: 0, failure_percentage: 0 },
    unenforced: { success_rate: 0, failure_percentage: 0 },
  };
}

/** Targets told apart; those of later channels share one. */
const MAX_TARGETS = 1000;

/** The counts of each target, bounded. */
export class BalanceTotals {
  readonly #byTarget = new Map<string, BalanceCounts>();
  #others: BalanceCounts | undefined;

  /** Those of one target. @param target - As its channel was given it. */
  of(target: string): BalanceCounts {
    const known = this.#byTarget.get(target);
    if (known !== undefined) return known;
    if (this.#byTarget.size >= MAX_TARGETS) {
      this.#others ??= noBalanceCounts();
      return this.#others;
    }
    const fresh = noBalanceCounts();
    this.#byTarget.set(target, fresh);
    return fresh;
  }
  /** All of them, by target; `_OTHER` has those beyond the cap. */
  all(): Record<string, BalanceCounts> {
    const all: Record<string, BalanceCounts> = Object.fromEntries(this.#byTarget);
    if (this.#others !== undefined) all['_OTHER'] = this.#others;
    return all;
  }
}
