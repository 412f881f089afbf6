/**
 * Calls that are sent again: whether they may be, and how often in all.
 *
 * @packageDocumentation
 */
import { cachePlans } from '../cache/policy.ts';
import { ConfigError } from '../errors.ts';
import { checkHedging } from '../policy/hedging.ts';
import { covered, type LintContext, type LintRule } from './context.ts';

const MARK = 'if running it twice does no harm: idempotent: true, here or as idempotency_level in the .proto file';

/** IM120: half of what the retry policy says does not happen. */
export const unmarkedRetries: LintRule = (context) => {
  for (const layer of context.layers) {
    const { retryPolicy } = layer.own;
    const codes = (retryPolicy?.retryableStatusCodes ?? []).filter((code) => code !== 'UNAVAILABLE');
    const field = codes.length > 0 ? 'retryableStatusCodes' : retryPolicy?.perTryTimeout === undefined ? undefined : 'perTryTimeout';
    if (field === undefined || retryPolicy?.perTryTimeout === '0s') continue;
    const methods = covered(context, layer);
    const marked = [layer.path, ...methods].some((path) => context.table.method(path).idempotent);
    if (marked) continue;
    const what = field === 'perTryTimeout' ? 'a try that takes too long' : `a call that failed with ${codes.join(' or ')}`;
    context.report(
      'IM120',
      [...layer.keys, 'retryPolicy', field],
      `${what} may have run, so it is not sent again: no method here is marked idempotent`,
      MARK,
    );
  }
};

/** IM121, IM122: what `createMesh` refuses, said by the functions that it asks. */
export const unmarkedRepeats: LintRule = (context) => {
  const { policy, table, catalog } = context;
  const isMarked = (path: string): boolean => table.method(path).idempotent;
  told(context, 'IM121', () => checkHedging(policy, catalog !== undefined, isMarked));
  told(context, 'IM122', () => void cachePlans(policy, isMarked));
};

/** Reports what a check throws. */
export function told(context: LintContext, code: 'IM121' | 'IM122' | 'IM150' | 'IM102', check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    context.report(code, context.keysOf(error.path), error.message.slice(error.path.length + 2));
  }
}

/** Load in an outage that is more than that many times the usual one keeps the outage going. */
const MOST_LOAD = 2;

/** IM130 to IM133. */
export const amplification: LintRule = (context) => {
  const { policy, table } = context;
  const { ratio, minPerSecond, throttle } = table.retryBudget;
  // The throttle of gRFC A6 stops retries altogether in an outage.
  const paid = throttle === undefined ? 1 + ratio : 1;
  const never = throttle === undefined && ratio === 0 && minPerSecond === 0;
  for (const { keys, own, path } of context.layers) {
    const { retry, hedge } = table.method(path);
    const { retryPolicy, hedgingPolicy } = own;
    if (retryPolicy?.chainStop === false && retry.maxAttempts > 1)
      context.report(
        'IM132',
        [...keys, 'retryPolicy', 'chainStop'],
        `a call that serves a retry is retried too: ${retry.maxAttempts} attempts a hop, ${retry.maxAttempts ** 3} over three`,
        'leave chainStop out',
      );
    if (hedgingPolicy !== undefined && hedge?.delayMs === 0)
      context.report(
        'IM133',
        [...keys, 'hedgingPolicy', 'hedgingDelay'],
        `each call goes out ${hedge.maxAttempts} times at once, as long as the budget lasts`,
        'a delay near the p95, or none: it is learned then',
      );
    // Told where the number is said; a layer that says another thing of retries does not repeat it.
    const field = hedgingPolicy !== undefined ? 'hedgingPolicy' : retryPolicy?.maxAttempts !== undefined ? 'retryPolicy' : undefined;
    const attempts = hedgingPolicy !== undefined ? (hedge?.maxAttempts ?? 1) : retry.maxAttempts;
    if (field !== undefined && never && attempts > 1)
      context.report(
        'IM131',
        [...keys, field],
        `${attempts} attempts, and a budget that allows none`,
        'a ratio or minPerSecond above 0 in retryBudget',
      );
    if (field !== undefined && Math.min(attempts, paid) > MOST_LOAD)
      context.report(
        'IM130',
        [...keys, field],
        `${attempts} attempts, and a budget (ratio ${ratio}) that pays for ${Math.min(attempts - 1, ratio)} more on each call: in an outage ${Math.min(attempts, paid).toFixed(1)} times the load`,
        `retryBudget.ratio of ${MOST_LOAD - 1} at most; 0.2 is the default`,
      );
  }
  // Where nobody says a number, the budget alone decides.
  const said = context.layers.some(({ own }) => own.retryPolicy?.maxAttempts !== undefined || own.hedgingPolicy !== undefined);
  if (policy.retryBudget?.ratio !== undefined && !said) {
    const attempts = table.method('/-/-').retry.maxAttempts;
    if (Math.min(attempts, paid) > MOST_LOAD)
      context.report(
        'IM130',
        ['retryBudget', 'ratio'],
        `in an outage up to ${Math.min(attempts, paid).toFixed(1)} times the load`,
        `at most ${MOST_LOAD - 1}; 0.2 is the default`,
      );
  }
};
