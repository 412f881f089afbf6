/**
 * Settings that do nothing where they stand, because of what stands beside them.
 *
 * @packageDocumentation
 */
import type { Policy } from '../policy/policy.gen.ts';
import type { Keys, Layer, LintContext, LintRule } from './context.ts';

/** Rules of flushing that wait for a time. */
const LINGERS: ReadonlySet<string> = new Set(['window', 'tikv', 'cassandra', 'forecast']);

/** IM170. */
export const idleSettings: LintRule = (context) => {
  for (const layer of context.layers) ofMethods(context, layer);
  ofCoalescing(context);
  ofBalancing(context);
  ofServer(context);
};

/** Reports the fields of a message that are said. */
function idle({ report }: LintContext, keys: Keys, message: object | undefined, fields: readonly string[], why: string): void {
  for (const field of fields)
    if (message !== undefined && Object.hasOwn(message, field))
      report('IM170', [...keys, field], `${field} does nothing here: ${why}`, `remove ${field}`);
}

function ofMethods(context: LintContext, { keys, own }: Layer): void {
  const { breaker, bulkhead, limit, retryPolicy, hedgingPolicy } = own;
  if (breaker?.failureRatio === undefined)
    idle(context, [...keys, 'breaker'], breaker, ['window', 'minimumCalls'], 'it belongs to failureRatio, which is not set');
  const noQueue = 'nothing waits, for there is no queue';
  if ((bulkhead?.queue ?? 0) === 0) idle(context, [...keys, 'bulkhead'], bulkhead, ['queueTimeout'], noQueue);
  if (typeof limit === 'object' && (limit.queue ?? 0) === 0) idle(context, [...keys, 'limit'], limit, ['queueTimeout'], noQueue);
  const waits = ['initialBackoff', 'maxBackoff', 'backoffMultiplier', 'retryableStatusCodes', 'perTryTimeout', 'chainStop'];
  if (retryPolicy?.maxAttempts === 1) idle(context, [...keys, 'retryPolicy'], retryPolicy, waits, 'one attempt is no retry');
  if (hedgingPolicy?.hedgingDelay !== undefined)
    idle(
      context,
      [...keys, 'hedgingPolicy'],
      hedgingPolicy,
      ['percentile'],
      'it is for a delay that is learned, and hedgingDelay is given',
    );
}

function ofCoalescing(context: LintContext): void {
  const { coalesce } = context.policy;
  if (typeof coalesce !== 'object') return;
  const { flush = 'natural' } = coalesce;
  if (!LINGERS.has(flush)) idle(context, ['coalesce'], coalesce, ['linger'], `flush ${flush} waits for no time`);
  if (flush === 'tick') idle(context, ['coalesce'], coalesce, ['maxCarriers'], 'flush tick has no such limit');
}

function ofBalancing(context: LintContext): void {
  const { balance, telemetry } = context.policy;
  const policy = typeof balance === 'object' ? balance.policy : balance;
  if (policy === 'off') {
    const why = 'the balancing is not ours (balance: off)';
    idle(context, ['balance'], typeof balance === 'object' ? balance : undefined, ['decay', 'maxInFlight'], why);
    idle(context, [], context.policy, ['endpoints', 'outlierDetection'] satisfies (keyof Policy)[], why);
  }
  if ((telemetry?.accessLog ?? 'off') === 'off') idle(context, ['telemetry'], telemetry, ['accessLogPerSecond'], 'there is no access log');
}

function ofServer(context: LintContext): void {
  const { server, faults = [] } = context.policy;
  if (server?.carriers === false && server.tunnels === false)
    idle(context, ['server'], server, ['maxItems'], 'the server takes neither batches nor tunnels');
  const lists: readonly (readonly [Keys, typeof faults])[] = [
    [['faults'], faults],
    [['server', 'faults'], server?.faults ?? []],
  ];
  for (const [keys, list] of lists)
    for (const [index, fault] of list.entries())
      if (fault.delay === undefined) idle(context, [...keys, index], fault, ['maxActive'], 'nothing is held back, for there is no delay');
}
