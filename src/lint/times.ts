/**
 * Times that must be in order: what is inside a call's time must be shorter than it.
 *
 * @packageDocumentation
 */
import { durationMs } from '../policy/duration.ts';
import type { MethodPolicy } from '../policy/policy.gen.ts';
import type { Keys, Layer, LintContext, LintRule } from './context.ts';

const seconds = (ms: number): string => `${ms / 1000}s`;

/** IM140 to IM144, IM146. A pair is told in the layer that has one of its halves, so that nothing is told twice. */
export const timeOrder: LintRule = (context) => {
  const { table } = context;
  for (const layer of context.layers) {
    const { timeoutMs, retry, hedge, bulkhead, limit } = table.method(layer.path);
    if (timeoutMs === undefined) continue;
    const check = (code: 'IM140' | 'IM141' | 'IM142' | 'IM143', field: Keys, ms: number | undefined, then: string, fix: string): void => {
      if (ms === undefined || ms < timeoutMs || !(ms < Number.POSITIVE_INFINITY)) return;
      const at = placeOf(layer, field);
      if (at !== undefined)
        context.report(code, at, `${field.at(-1)} is ${seconds(ms)}, and the call's timeout is ${seconds(timeoutMs)}: ${then}`, fix);
    };
    const shorter = `a shorter ${'{}'}, or a longer timeout`;
    const fix = (name: string): string => shorter.replace('{}', name);
    if (retry.perTryTimeoutMs !== 0)
      check(
        'IM140',
        ['retryPolicy', 'perTryTimeout'],
        retry.perTryTimeoutMs,
        'the call is over before the second try',
        fix('perTryTimeout'),
      );
    check('IM141', ['hedgingPolicy', 'hedgingDelay'], hedge?.delayMs, 'it is over before the first hedge', fix('hedgingDelay'));
    check('IM142', ['bulkhead', 'queueTimeout'], bulkhead?.queueTimeoutMs, 'it never runs out in the queue', fix('queueTimeout'));
    check('IM142', ['limit', 'queueTimeout'], limit?.queueTimeoutMs, 'it never runs out in the queue', fix('queueTimeout'));
    if (retry.maxAttempts > 1 && (layer.own.retryPolicy?.initialBackoff !== undefined || layer.own.timeout !== undefined))
      // A fifth may be taken off by chance.
      check(
        'IM143',
        ['retryPolicy', 'initialBackoff'],
        retry.initialBackoffMs * 0.8 >= timeoutMs ? retry.initialBackoffMs : undefined,
        'it is over before the first retry',
        fix('initialBackoff'),
      );
    hopMargin(context, layer, timeoutMs);
  }
  ejections(context);
};

/** IM146. gRFC A50 takes the longer of the two. */
function ejections({ policy: { outlierDetection = {} }, report }: LintContext): void {
  const { baseEjectionTime, maxEjectionTime } = outlierDetection;
  if (baseEjectionTime === undefined || maxEjectionTime === undefined || durationMs(maxEjectionTime) >= durationMs(baseEjectionTime))
    return;
  report(
    'IM146',
    ['outlierDetection', 'maxEjectionTime'],
    `maxEjectionTime is ${maxEjectionTime}, and the first ejection takes ${baseEjectionTime}: that is the longest then`,
    'a longer maxEjectionTime',
  );
}

/** Where in this layer to point: at the field, or at the timeout if only that stands here. */
function placeOf({ keys, own }: Layer, field: Keys): Keys | undefined {
  if (valueIn(own, field) !== undefined) return [...keys, ...field];
  return own.timeout === undefined ? undefined : [...keys, 'timeout'];
}

function valueIn(own: MethodPolicy, field: Keys): unknown {
  let at: unknown = own;
  for (const key of field) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  return at;
}

function hopMargin({ table, report }: LintContext, { keys, own }: Layer, timeoutMs: number): void {
  const { hopMarginMs } = table.deadline;
  if (own.timeout === undefined || hopMarginMs === 0 || hopMarginMs < timeoutMs) return;
  report(
    'IM144',
    [...keys, 'timeout'],
    `timeout is ${seconds(timeoutMs)}, and each hop keeps ${seconds(hopMarginMs)} back: calls made for it have no time at all`,
    'a smaller deadline.hopMargin',
  );
}
