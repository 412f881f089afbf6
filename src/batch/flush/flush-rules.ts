/**
 * The flush policies by name.
 *
 * @packageDocumentation
 */
import type { ResolvedCoalesceOptions } from '../options.ts';
import { CassandraPolicy } from './cassandra.ts';
import type { FlushPolicy } from './flush-policy.ts';
import { ForecastPolicy } from './forecast.ts';
import { NaturalPolicy } from './natural.ts';
import { TickPolicy } from './tick.ts';
import { TikvPolicy } from './tikv.ts';
import { WindowPolicy } from './window.ts';

/** The policy that the options name. One for each queue: what it learns is that queue's. */
export function flushPolicyOf({ flush, lingerMs, maxCarriers }: ResolvedCoalesceOptions): FlushPolicy {
  switch (flush) {
    case 'natural':
      return new NaturalPolicy(maxCarriers);
    case 'tick':
      return new TickPolicy();
    case 'window':
      return new WindowPolicy(lingerMs, maxCarriers);
    case 'tikv':
      return new TikvPolicy(lingerMs, maxCarriers);
    case 'cassandra':
      return new CassandraPolicy(lingerMs, maxCarriers);
    case 'forecast':
      return new ForecastPolicy(lingerMs, maxCarriers);
  }
}
