/**
 * The behaviours of a mesh, told what its policy says, in the order of the pipeline.
 *
 * @packageDocumentation
 */
import { balanceClient } from '../interceptors/balance.ts';
import { breakerClient } from '../interceptors/breaker.ts';
import { bulkheadClient, bulkheadServer } from '../interceptors/bulkhead.ts';
import { coalesceClient } from '../interceptors/coalesce.ts';
import { deadlineClient, deadlineServer } from '../interceptors/deadline.ts';
import { hedgeClient } from '../interceptors/hedge.ts';
import { limitClient, limitServer } from '../interceptors/limit.ts';
import { metricsAttemptInterceptor, metricsClientInterceptor, metricsServerLayer } from '../interceptors/metrics.ts';
import { nativeBatchClient } from '../interceptors/native-batch.ts';
import { clientStack, serverStack } from '../interceptors/pipeline.ts';
import { retryClient } from '../interceptors/retry.ts';
import { storyAttempts, storyClient, storyServer } from '../interceptors/story.ts';
import { attemptTracingInterceptor, exporterCalls, tracingClientInterceptor, tracingServerLayer } from '../interceptors/tracing.ts';
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
import type { OpenCall } from './grpc/story-call.ts';
import { tenantOf } from './grpc/traits.ts';
import type { Answers } from './mesh-answers.ts';
import { MeshLimits } from './mesh-limits.ts';
import type { NativeBatching } from './mesh-native.ts';
import { tellBudgets, tellTurnedAway, type Walls } from './mesh-observer.ts';
import type { Traffic } from './mesh-traffic.ts';
import type { Otel } from './observe/api.ts';
import type { BaggageCounts } from './observe/baggage.ts';
import { carrierSpans } from './observe/carrier-span.ts';
import type { ReadingSource } from './observe/own-gauges.ts';
import { Recorder } from './observe/recorder.ts';
import { needsLayers } from './observe/story-durations.ts';
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
  /** Counts members of trace baggage that are dropped. */
  readonly baggage?: BaggageCounts;
  readonly native?: NativeBatching;
  /** Default: no cache, no fallback, no policies of the application's. */
  readonly answers?: Answers;
  /** Default: no routes, mirrors or faults. */
  readonly traffic?: Traffic;
  readonly retryOnResponse?: RetryOnResponse | undefined;
  /** What streams may be reset. Default: all. */
  readonly resets?: ResetBudget;
  /** Default: some of its own. */
  readonly breakers?: Breakers;
  /** Default: some of its own. */
  readonly limits?: MeshLimits;
  /** Keeps the stories of calls. Default: one that nobody reads. */
  readonly recorder?: Recorder;
  /** Takes the bulkheads of each stack that is built. */
  readonly walls?: Walls;
  /** The mesh's own numbers, for metrics. Default: they are not shown. */
  readonly readings?: ReadingSource;
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
  const { traces, metrics } = table.telemetry;
  const { tunnels, ...coalesce } = table.coalesce;
  // A client may bring rules of its own (a service config with retry policies), below the policy's.
  const rules = (info: CallInfo): MethodRules => (info.door.rules ?? table).method(info.method);
  const bulkheads = new KeyedBulkheads((method) => table.method(method).bulkhead, clock, tenantOf);
  const breakers = settings.breakers ?? new Breakers((method) => table.method(method).breaker, clock);
  const limits = settings.limits ?? new MeshLimits(table, clock, random);
  const tracing = { otel, clock, baggage: settings.baggage, ...table.telemetry };
  const recorder = settings.recorder ?? new Recorder({ clock });
  const attempts = storyAttempts(counts.client);
  const metering = { otel, clock, ...table.telemetry, knows: (path: string) => native?.knows(path) ?? table.names(path) };
  const layered = needsLayers(table.telemetry);
  const meter = layered ? metricsAttemptInterceptor(metering) : undefined;
  const metered: ClientInterceptor = meter === undefined ? attempts : (info, next) => attempts(info, (below) => meter(below, next));
  const attemptSpan = traces ? attemptTracingInterceptor(tracing) : undefined;
  const attempt = attemptSpan === undefined ? metered : stacked(metered, attemptSpan);
  const options = resolveCoalesceOptions(coalesce);
  const carried = Math.max(coalesce.maxItems * coalesce.maxCarriers, tunnels === 'never' ? 0 : TUNNEL_WINDOW);
  const budgets = new RetryBudgets(table.retryBudget, clock, carried);
  counts.budgets?.push(budgets);
  tellBudgets(budgets, recorder.events.add);
  settings.walls?.client.push(() => bulkheads.entries());
  const latencies = new MethodLatencies(clock);
  const onHedge = ({ story, tally }: CallInfo): void => {
    counts.hedges = (counts.hedges ?? 0) + 1;
    if (story !== undefined) story.hedges++;
    if (tally !== undefined) tally.hedges++;
  };
  const hedge = hedgeClient({ clock, rules, budgets, latencies, onHedge, resets: settings.resets });
  const carrierSpan = traces ? carrierSpans(tracing) : () => undefined;
  const story = storyClient(counts.client, recorder, onIdle, open);
  return clientStack({
    story: traces ? story : stacked(story, exporterCalls(tracing)), // by the name of tracing an interceptor of the user's would be refused
    ...(traces ? { tracing: tracingClientInterceptor(tracing) } : {}),
    ...(layered ? { metrics: metricsClientInterceptor(metering, settings.readings) } : {}),
    ...settings.answers?.stages,
    ...settings.traffic?.stages,
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
      onRetry: ({ story }) => {
        counts.retries++;
        if (story !== undefined) story.retries++;
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
      onTurnedAway: (path) => tellTurnedAway(recorder.events.add, path),
      metrics: metrics ? { otel, clock } : undefined,
      warn,
    }),
    ...(table.balance.policy === 'off' ? {} : { balance: balanceClient({ warn }) }),
  });
}

/** Two behaviours in one stage. */
function stacked(upper: ClientInterceptor, lower: ClientInterceptor): ClientInterceptor {
  return (info, next) => upper(info, (below) => lower(below, next));
}

/** What one limit for the whole server is kept under. */
const ALL_METHODS = { method: '' };

/** The server layer of a mesh. */
export function buildServerLayer(settings: StackSettings, counts: ServerCounts, authorization?: ServerLayer): ServerLayer {
  const { table, clock, otel } = settings;
  const { traces } = table.telemetry;
  const { bulkhead, methodBulkheads, timeoutMs, methodTimeoutsMs } = table.server;
  const { server: limiter } = settings.limits ?? new MeshLimits(table, clock, settings.random);
  const whole = bulkhead === undefined ? undefined : new KeyedBulkheads(() => bulkhead, clock, servedTenant);
  const byMethod = new KeyedBulkheads((method) => methodBulkheads.get(method), clock, servedTenant);
  if (whole !== undefined) settings.walls?.server.push(() => whole.entries());
  settings.walls?.server.push(() => byMethod.entries());
  // Two walls, the method's inside the server's: a call that waits for its method must not fill the server's slots.
  const layers = [
    methodBulkheads.size > 0
      ? bulkheadServer({ clock, bulkheadOf: (info) => byMethod.for(info), limits: (method) => byMethod.limits(method) })
      : undefined,
    whole === undefined ? undefined : bulkheadServer({ clock, bulkheadOf: () => whole.for(ALL_METHODS) }),
  ].filter((layer) => layer !== undefined);
  return serverStack({
    story: storyServer(counts, settings.recorder ?? new Recorder({ clock })),
    ...(needsLayers(table.telemetry) ? { metrics: metricsServerLayer({ otel, clock, ...table.telemetry }, settings.readings) } : {}),
    ...(traces ? { tracing: tracingServerLayer({ otel, clock, baggage: settings.baggage, ...table.telemetry }) } : {}),
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
    ...(settings.traffic?.serverFault === undefined ? {} : { fault: settings.traffic.serverFault }),
  });
}
