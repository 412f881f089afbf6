/**
 * The flush policies that are compared: those that can be chosen by name, and references that cannot.
 *
 * @packageDocumentation
 */
import { CassandraPolicy, MovingAverageGap } from '../../src/batch/flush/cassandra.ts';
import type { FlushPolicy, QueueView } from '../../src/batch/flush/flush-policy.ts';
import { flushPolicyOf } from '../../src/batch/flush/flush-rules.ts';
import { ForecastPolicy } from '../../src/batch/flush/forecast.ts';
import { WindowPolicy } from '../../src/batch/flush/window.ts';
import { FLUSH_RULES, type ResolvedCoalesceOptions } from '../../src/batch/options.ts';
import { EwmaRate } from '../../src/forecast/rate.ts';

/** Natural batching with a limit that is never moved. */
class FixedLimit implements FlushPolicy {
  readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  waitUntil(_queue: QueueView, nowMs: number): number {
    return nowMs;
  }
}

/** A policy of the table, made anew for each run. */
export interface Entry {
  readonly name: string;
  /** No batches at all. */
  readonly plain?: true;
  /** It can be chosen in a policy document. */
  readonly rule?: true;
  readonly make: (options: ResolvedCoalesceOptions) => FlushPolicy;
}

export const ENTRIES: readonly Entry[] = [
  { name: 'plain', plain: true, make: () => new FixedLimit(1) },
  ...FLUSH_RULES.map((flush): Entry => ({ name: flush, rule: true, make: (options) => flushPolicyOf({ ...options, flush }) })),
  ...[1, 2, 4, 8].map((limit): Entry => ({ name: `natural-${limit}`, make: () => new FixedLimit(limit) })),
  { name: 'window-5ms', make: (options) => new WindowPolicy(5, options.maxCarriers) },
  { name: 'cassandra-avg16', make: (options) => new CassandraPolicy(options.lingerMs, options.maxCarriers, new MovingAverageGap()) },
  { name: 'forecast-ewma', make: (options) => new ForecastPolicy(options.lingerMs, options.maxCarriers, new EwmaRate()) },
];
