/**
 * Every behaviour on its own, as grpc-js interceptors. Put several into one list in the order of pipeline.ts: they fuse.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import { type CoalesceOptions, resolveCoalesceOptions } from '../src/batch/options.ts';
import { KeyedBulkheads } from '../src/bulkhead/keyed.ts';
import { type BulkheadOptions, resolveBulkheadOptions } from '../src/bulkhead/options.ts';
import { systemClock } from '../src/clock.ts';
import { ConfigError } from '../src/errors.ts';
import { RawChannel } from '../src/grpc/channel-door.ts';
import type { Door } from '../src/grpc/client-call.ts';
import { emptyCounts } from '../src/grpc/coalescer.ts';
import { asInterceptor } from '../src/grpc/interceptor-door.ts';
import { asServerInterceptor } from '../src/grpc/server-door.ts';
import { checkedNumber, checkedObject } from '../src/input/checks.ts';
import { show } from '../src/input/show.ts';
import { carrierSpans } from '../src/observe/carrier-span.ts';
import type { MetricsOptions, TracingOptions } from '../src/observe/options.ts';
import { systemRandom } from '../src/random.ts';
import { type RetryBudgetOptions, type RetryOptions, resolveRetryBudgetOptions, resolveRetryOptions } from '../src/retry/options.ts';
import { bulkheadClient, bulkheadServer } from './bulkhead.ts';
import { coalesceClient } from './coalesce.ts';
import { deadlineClient, deadlineServer } from './deadline.ts';
import { metricsClientInterceptor, metricsServerLayer } from './metrics.ts';
import { placed } from './pipeline.ts';
import { retryClient } from './retry.ts';
import { attemptTracingInterceptor, tracingClientInterceptor, tracingServerLayer } from './tracing.ts';

const warn = (line: string): void => process.emitWarning(line, 'InmeshWarning');

/** A span for each call. @throws ConfigError on a bad option. */
export function tracingInterceptor(options?: TracingOptions): Interceptor {
  return asInterceptor(placed('tracing', tracingClientInterceptor(options)));
}
/** A span for each attempt; below {@link retryInterceptor}. @throws ConfigError on a bad option. */
export function attemptInterceptor(options?: TracingOptions): Interceptor {
  return asInterceptor(placed('attempt', attemptTracingInterceptor(options)));
}
/** A span for each served call, in which its handler runs. @throws ConfigError on a bad option. */
export function tracingServerInterceptor(options?: TracingOptions): ServerInterceptor {
  return asServerInterceptor(tracingServerLayer(options));
}
/** Durations of calls. @throws ConfigError on a bad option. */
export function metricsInterceptor(options?: MetricsOptions): Interceptor {
  return asInterceptor(placed('metrics', metricsClientInterceptor(options)));
}
/** Durations of served calls. @throws ConfigError on a bad option. */
export function metricsServerInterceptor(options?: MetricsOptions): ServerInterceptor {
  return asServerInterceptor(metricsServerLayer(options));
}

/** Options of {@link deadlineInterceptor}. */
export interface DeadlineOptions {
  /** Timeout of calls that come without a deadline, in ms, > 0. Default: none is invented. */
  readonly timeoutMs?: number;
  /** Whether calls made while serving a call end no later than it. Default true. */
  readonly propagate?: boolean;
  /** Kept back at each hop for the way home, in ms, >= 0. Default 0. */
  readonly hopMarginMs?: number;
}
/** Default deadline, propagation, refusal of late calls. @throws ConfigError on a bad option. */
export function deadlineInterceptor(options: DeadlineOptions = {}): Interceptor {
  const given = checkedObject(options, ['timeoutMs', 'propagate', 'hopMarginMs'], 'deadline');
  const timeoutMs =
    given['timeoutMs'] === undefined
      ? undefined
      : checkedNumber(given['timeoutMs'], 0, { min: 0, above: true, ms: true }, 'deadline.timeoutMs');
  const hopMarginMs = checkedNumber(given['hopMarginMs'], 0, { min: 0, ms: true }, 'deadline.hopMarginMs');
  const { propagate = true } = options;
  if (typeof propagate !== 'boolean') throw new ConfigError('deadline.propagate', `expected true or false, got ${show(propagate)}`);
  return asInterceptor(placed('deadline', deadlineClient({ clock: systemClock, timeoutMs: () => timeoutMs, propagate, hopMarginMs })));
}
/** Refuses late calls, and lets the client calls of a handler inherit its deadline and its cancellation. */
export function deadlineServerInterceptor(): ServerInterceptor {
  return asServerInterceptor(deadlineServer({ clock: systemClock }));
}

/** Limits calls in flight, each method for itself. @throws ConfigError on a bad option. */
export function bulkheadInterceptor(options: BulkheadOptions): Interceptor {
  const bulkheads = ofEachMethod(options);
  return asInterceptor(placed('bulkhead', bulkheadClient({ clock: systemClock, bulkheadOf: (method) => bulkheads.for(method) })));
}
/** Limits calls being served, each method for itself. @throws ConfigError on a bad option. */
export function bulkheadServerInterceptor(options: BulkheadOptions): ServerInterceptor {
  const bulkheads = ofEachMethod(options);
  return asServerInterceptor(bulkheadServer({ clock: systemClock, bulkheadOf: (method) => bulkheads.for(method) }));
}
function ofEachMethod(options: BulkheadOptions): KeyedBulkheads {
  resolveBulkheadOptions(options, 'bulkhead');
  return new KeyedBulkheads(() => options, systemClock);
}

/** Options of {@link retryInterceptor}. */
export interface RetryInterceptorOptions extends RetryOptions {
  /** Paths (`/pkg.Service/Method`) of methods that may run twice without harm. Default none: only what never ran is re-sent. */
  readonly idempotentMethods?: readonly string[];
  /** How many calls may be re-sent. Default 20 % + 10/s for each service. */
  readonly budget?: RetryBudgetOptions;
}
/** Sends failed calls again where that is safe. @throws ConfigError on a bad option. */
export function retryInterceptor(options: RetryInterceptorOptions = {}): Interceptor {
  const { idempotentMethods = [], budget, ...own } = options;
  const retry = resolveRetryOptions(own, 'retry');
  const marked = pathSet(idempotentMethods, 'retry.idempotentMethods');
  const rules = { marked: { retry, idempotent: true }, unmarked: { retry, idempotent: false } };
  const intercept = retryClient({
    clock: systemClock,
    random: systemRandom,
    rules: ({ method }) => (marked.has(method) ? rules.marked : rules.unmarked),
    budget: resolveRetryBudgetOptions(budget, 'retry.budget'),
    warn,
  });
  return asInterceptor(placed('retry', intercept));
}

function pathSet(paths: unknown, name: string): ReadonlySet<string> {
  if (!Array.isArray(paths)) throw new ConfigError(name, `expected a list of paths, got ${show(paths)}`);
  for (const [index, path] of paths.entries()) {
    if (typeof path === 'string' && /^\/[^/]+\/[^/]+$/.test(path)) continue;
    const hint = typeof path === 'string' && /^[^/]+\/[^/]+$/.test(path) ? `; did you mean "/${path}"?` : '';
    throw new ConfigError(`${name}[${index}]`, `expected a path like "/pkg.Service/Method", got ${show(path)}${hint}`);
  }
  return new Set(paths);
}

/** Options of {@link coalesceInterceptor}. */
export interface CoalesceInterceptorOptions extends CoalesceOptions {
  /** The client's channel, which an interceptor can't know: `() => client.getChannel()`. Batches are opened on it. */
  readonly channel: () => ChannelInterface;
  /** Paths of the methods whose calls may travel together. Default: every unary method. */
  readonly methods?: readonly string[];
}
/** Merges unary calls into batches. Must be the last of the list. @throws ConfigError on a bad option. */
export function coalesceInterceptor(options: CoalesceInterceptorOptions): Interceptor {
  const { channel, methods, ...own } = options;
  if (typeof channel !== 'function') throw new ConfigError('coalesce.channel', `expected () => client.getChannel(), got ${show(channel)}`);
  const only = methods === undefined ? undefined : pathSet(methods, 'coalesce.methods');
  const coalesce = coalesceClient({
    options: resolveCoalesceOptions(own),
    clock: systemClock,
    random: systemRandom,
    isOn: ({ method }) => only?.has(method) ?? true,
    carrierSpan: carrierSpans(),
    counts: emptyCounts(),
    metrics: {},
    warn,
  });
  let door: Door | undefined;
  return asInterceptor(
    placed('coalesce', (info, next) => {
      if (info.door.channel !== undefined) return coalesce(info, next);
      door ??= { ...info.door, target: channel().getTarget(), channel: new RawChannel(channel(), systemClock) };
      return coalesce({ ...info, door }, next);
    }),
  );
}

export { balanceOptions } from './balance.ts';
