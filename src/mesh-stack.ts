/**
 * The behaviours of a mesh, told what its policy says, in the order of the pipeline.
 *
 * @packageDocumentation
 */
import { balanceClient } from '../interceptors/balance.ts';
import { breakerClient } from '../interceptors/breaker.ts';
import { bulkheadClient, bulkheadServer } from '../interceptors/bulkhead.ts';
import { coalesceClient } from '../interceptors/coalesce.ts';
import { countAttempts, countClient, countServer, type OpenCall } from '../interceptors/count.ts';
import { deadlineClient, deadlineServer } from '../interceptors/deadline.ts';
import { hedgeClient } from '../interceptors/hedge.ts';
import { limitClient, limitServer } from '../interceptors/limit.ts';
import { metricsClientInterceptor, metricsServerLayer } from '../interceptors/metrics.ts';
import { nativeBatchClient } from '../interceptors/native-batch.ts';
import { clientStack, serverStack } from '../interceptors/pipeline.ts';
import { retryClient } from '../interceptors/retry.ts';
import { attemptTracingInterceptor, tracingClientInterceptor, tracingServerLayer } from '../interceptors/tracing.ts';
import type { Bag } from './bag.ts';
import { resolveCoalesceOptions } from './batch/options.ts';
import { TUNNEL_WINDOW } from './batch/tunnel-rule.ts';
import { Breakers } from './breaker/breakers.ts';
import { KeyedBulkheads } from './bulkhead/keyed.ts';
import type { CallCounts, ServerCounts } from './call-counts.ts';
import type { Clock } from './clock.ts';
import { servedTenant } from './grpc/bulkhead-call.ts';
import type { CallInfo, ClientInterceptor } from './grpc/client-call.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import type { PlacedBehaviour } from './grpc/interceptor-door.ts';
import type { RetryOnResponse } from './grpc/retry-settings.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import { tenantOf } from './grpc/traits.ts';
import type { Answers } from './mesh-answers.ts';
import { MeshLimits } from './mesh-limits.ts';
import type { NativeBatching } from './mesh-native.ts';
import type { Otel } from './observe/api.ts';
import { carrierSpans } from './observe/carrier-span.ts';
import type { MethodRules } from './policy/method-rules.ts';
import type { PolicyTable } from './policy/resolve.ts';
import type { Random } from './random.ts';
import type { ResetBudget } from './resets/reset-budget.ts';
import { AdaptiveThrottles } from './retry/adaptive-throttle.ts';
import { RetryBudgets } from './retry/budgets.ts';
import { MethodLatencies } from './retry/latencies.ts';

/** What every behaviour needs. */
export interface StackSettings {
  readonly table: PolicyTable;
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  readonly otel: Otel | undefined;
  readonly native?: NativeBatching;
  /** Default: no cache, no fallback, no policies of the application's. */
  readonly answers?: Answers;
  readonly retryOnResponse?: RetryOnResponse | undefined;
  /** What streams may be reset. Default: all. */
  readonly resets?: ResetBudget;
  /** Default: some of its own. */
  readonly breakers?: Breakers;
  /** Default: some of its own. */
  readonly limits?: MeshLimits;
}

/** The client's numbers. */
export interface ClientCounts {
  readonly client: CallCounts;
  readonly coalesce: CoalesceCounts;
  retries: number;
  /** Attempts of hedged calls besides the first of each. */
  hedges?: number;
  /** Takes the budgets of each stack that is built. */
  readonly budgets?: RetryBudgets[];
}

/** The client stack of a mesh. Behaviours that policy switches off are not built. */
export function buildClientStack(settings: StackSettings, counts: ClientCounts, onIdle: () => void, open?: Bag<OpenCall>): PlacedBehaviour {
  const { table, clock, random, warn, otel, native } = settings;
  const { traces, metrics, attemptSpans } = table.telemetry;
  const { tunnels, ...coalesce } = table.coalesce;
  // A client may bring rules of its own (a service config with retry policies), below the policy's.
  const rules = (info: CallInfo): MethodRules => (info.door.rules ?? table).method(info.method);
  const bulkheads = new KeyedBulkheads((method) => table.method(method).bulkhead, clock, tenantOf);
  const breakers = settings.breakers ?? new Breakers((method) => table.method(method).breaker, clock);
  const limits = settings.limits ?? new MeshLimits(table, clock, random);
  const tracing = { otel, clock, attemptSpans };
  const attempts = countAttempts(counts.client);
  const attemptSpan = traces ? attemptTracingInterceptor(tracing) : undefined;
  const attempt: ClientInterceptor =
    attemptSpan === undefined ? attempts : (info, next) => attempts(info, (below) => attemptSpan(below, next));
  const options = resolveCoalesceOptions(coalesce);
  const carried = Math.max(coalesce.maxItems * coalesce.maxCarriers, tunnels === 'never' ? 0 : TUNNEL_WINDOW);
  const budgets = new RetryBudgets(table.retryBudget, clock, carried);
  counts.budgets?.push(budgets);
  const latencies = new MethodLatencies(clock);
  const onHedge = (): void => {
    counts.hedges = (counts.hedges ?? 0) + 1;
  };
  const hedge = hedgeClient({ clock, rules, budgets, latencies, onHedge, resets: settings.resets });
  const carrierSpan = traces ? carrierSpans(tracing) : () => undefined;
  return clientStack({
    count: countClient(counts.client, onIdle, open),
    ...(traces ? { tracing: tracingClientInterceptor(tracing) } : {}),
    ...(metrics ? { metrics: metricsClientInterceptor({ otel, clock }) } : {}),
    ...settings.answers?.stages,
    deadline: deadlineClient({
      clock,
      timeoutMs: (info) => rules(info).timeoutMs,
      idleTimeoutMs: (info) => rules(info).idleTimeoutMs,
      traits: table.traits,
      ...table.deadline,
    }),
    breaker: breakerClient({ clock, breakerOf: (method) => breakers.for(method) }),
    limit: limitClient({ clock, limitOf: ({ method }) => limits.client.for(method) }),
    bulkhead: bulkheadClient({ clock, bulkheadOf: (info) => bulkheads.for(info) }),
    retry: retryClient({
      clock,
      random,
      rules,
      budgets,
      latencies,
      hedge,
      throttles: table.adaptiveThrottle && new AdaptiveThrottles(table.adaptiveThrottle, clock, random),
      retryOnResponse: settings.retryOnResponse,
      warn,
      onRetry: () => {
        counts.retries++;
      },
    }),
    attempt,
    ...(native === undefined || native.plans.size === 0
      ? {}
      : { nativeBatch: nativeBatchClient({ ...native, options, clock, random, carrierSpan, warn }) }),
    coalesce: coalesceClient({
      options,
      tunnels,
      clock,
      random,
      isOn: (info) => rules(info).coalesce === 'auto',
      carrierSpan,
      counts: counts.coalesce,
      metrics: metrics ? { otel, clock } : undefined,
      warn,
    }),
    ...(table.balance.policy === 'off' ? {} : { balance: balanceClient({ warn }) }),
  });
}

/** What one limit for the whole server is kept under. */
const ALL_METHODS = { method: '' };

/** The server layer of a mesh. */
export function buildServerLayer(settings: StackSettings, counts: ServerCounts, authorization?: ServerLayer): ServerLayer {
  const { table, clock, otel } = settings;
  const { traces, metrics } = table.telemetry;
  const { bulkhead, methodBulkheads, timeoutMs, methodTimeoutsMs } = table.server;
  const { server: limiter } = settings.limits ?? new MeshLimits(table, clock, settings.random);
  const whole = bulkhead === undefined ? undefined : new KeyedBulkheads(() => bulkhead, clock, servedTenant);
  const byMethod = new KeyedBulkheads((method) => methodBulkheads.get(method), clock, servedTenant);
  // Two walls, the method's inside the server's: a call that waits for its method must not fill the server's slots.
  const layers = [
    methodBulkheads.size > 0
      ? bulkheadServer({ clock, bulkheadOf: (info) => byMethod.for(info), limits: (method) => byMethod.limits(method) })
      : undefined,
    whole === undefined ? undefined : bulkheadServer({ clock, bulkheadOf: () => whole.for(ALL_METHODS) }),
  ].filter((layer) => layer !== undefined);
  return serverStack({
    count: countServer(counts),
    ...(metrics ? { metrics: metricsServerLayer({ otel, clock }) } : {}),
    ...(traces ? { tracing: tracingServerLayer({ otel, clock }) } : {}),
    deadline: deadlineServer({
      clock,
      timeoutMs: ({ method }) => (methodTimeoutsMs.has(method) ? methodTimeoutsMs.get(method) : timeoutMs),
      rejectFraction: table.server.lateRejectFraction,
      trustTraits: table.server.trustTraits,
      onLate: () => {
        counts.late++;
      },
      onLateServed: () => {
        counts.lateServed++;
      },
    }),
    ...(authorization === undefined ? {} : { authorization }),
    ...(limiter === undefined ? {} : { limit: limitServer({ clock, limitOf: () => limiter }) }),
    ...(layers.length > 0 ? { bulkhead: (info, call) => layers.reduce((wrapped, layer) => layer(info, wrapped), call) } : {}),
  });
}
