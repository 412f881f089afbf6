/**
 * The behaviours of a mesh, told what its policy says, in the order of the pipeline.
 *
 * @packageDocumentation
 */
import { balanceClient } from '../interceptors/balance.ts';
import { breakerClient } from '../interceptors/breaker.ts';
import { bulkheadClient } from '../interceptors/bulkhead.ts';
import { coalesceClient, coalesceHome } from '../interceptors/coalesce.ts';
import { deadlineClient } from '../interceptors/deadline.ts';
import { hedgeClient } from '../interceptors/hedge.ts';
import { limitClient } from '../interceptors/limit.ts';
import { metricsAttemptInterceptor, metricsClientInterceptor } from '../interceptors/metrics.ts';
import { nativeBatchClient } from '../interceptors/native-batch.ts';
import { clientStack } from '../interceptors/pipeline.ts';
import { retryClient } from '../interceptors/retry.ts';
import { storyAttempts, storyClient } from '../interceptors/story.ts';
import { attemptTracingInterceptor, exporterCalls, tracingClientInterceptor } from '../interceptors/tracing.ts';
import type { Bag } from './bag.ts';
import { resolveCoalesceOptions } from './batch/options.ts';
import type { Breakers } from './breaker/breakers.ts';
import type { CallCounts } from './call-counts.ts';
import type { Clock } from './clock.ts';
import type { CallInfo, ClientInterceptor } from './grpc/client-call.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import type { PlacedBehaviour } from './grpc/interceptor-door.ts';
import type { RetryOnResponse } from './grpc/retry-settings.ts';
import type { OpenCall } from './grpc/story-call.ts';
import type { Answers } from './mesh-answers.ts';
import { ClientState } from './mesh-client-state.ts';
import type { MeshLimits } from './mesh-limits.ts';
import type { NativeBatching } from './mesh-native.ts';
import type { Walls } from './mesh-observer.ts';
import type { Traffic } from './mesh-traffic.ts';
import type { Otel } from './observe/api.ts';
import type { BaggageCounts } from './observe/baggage.ts';
import type { ReadingSource } from './observe/own-gauges.ts';
import type { Recorder } from './observe/recorder.ts';
import { needsLayers } from './observe/story-durations.ts';
import { tableOf } from './policy/client-table.ts';
import { type Keeps, Kept } from './policy/kept.ts';
import type { MethodRules } from './policy/method-rules.ts';
import type { PolicyTable } from './policy/resolve.ts';
import type { Random } from './random.ts';
import type { ResetBudget } from './resets/reset-budget.ts';
import type { RetryBudgets } from './retry/budgets.ts';

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
  /** What is taken over from the policy before. Default: nothing. */
  readonly kept?: Keeps;
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

/** The client stack of a mesh. Behaviours that policy switches off are not built. @param state - Default: one of its own. */
export function buildClientStack(
  settings: StackSettings,
  counts: ClientCounts,
  onIdle: () => void,
  open?: Bag<OpenCall>,
  state: ClientState = new ClientState(settings, counts),
): PlacedBehaviour {
  const { table, clock, random, warn, native } = settings;
  const { traces } = table.telemetry;
  const { tunnels, ...coalesce } = table.coalesce;
  const kept = settings.kept ?? new Kept();
  // A client may bring rules of its own (a service config with retry policies), below the policy's.
  const rules = ({ door, method }: CallInfo): MethodRules => tableOf(table, door).method(method);
  const { bulkheads, breakers, limits, budgets, latencies, recorder, tracing, metering, carrierSpan } = state;
  const layered = needsLayers(table.telemetry);
  const options = resolveCoalesceOptions(coalesce);
  const onHedge = ({ story, tally }: CallInfo): void => {
    counts.hedges = (counts.hedges ?? 0) + 1;
    if (story !== undefined) story.hedges++;
    if (tally !== undefined) tally.hedges++;
  };
  const hedge = hedgeClient({ clock, rules, budgets, latencies, onHedge, resets: settings.resets }, state.hedges);
  const story = storyClient(counts.client, recorder, onIdle, open);
  const batching = { clock, random, carrierSpan, warn, options };
  const home = kept.take('coalesce', [options, tunnels], () =>
    coalesceHome({ ...batching, tunnels, counts: counts.coalesce }, { watch: state.watch, learned: state.peers }),
  );
  return clientStack({
    story: traces ? story : stacked(story, exporterCalls(tracing)), // by the name of tracing an interceptor of the user's would be refused
    ...(traces ? { tracing: state.once('tracing', () => tracingClientInterceptor(tracing)) } : {}),
    ...(layered ? { metrics: state.once('metrics', () => metricsClientInterceptor(metering, settings.readings)) } : {}),
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
    retry: retryClient(
      {
        clock,
        random,
        rules,
        budgets,
        latencies,
        hedge,
        throttles: state.throttles(table.adaptiveThrottle),
        warn,
        onRetry: ({ story }) => {
          counts.retries++;
          if (story !== undefined) story.retries++;
        },
      },
      state.retries,
    ),
    attempt: state.once('attempt', () => attemptStage(state, counts, table.telemetry)),
    ...(native === undefined || native.plans.size === 0
      ? {}
      : { nativeBatch: kept.take('native', [native.facts, options], () => nativeBatchClient({ ...native, ...batching })) }),
    coalesce: coalesceClient({ ...batching, isOn: (info) => rules(info).coalesce === 'auto', counts: counts.coalesce }, home),
    ...(table.balance.policy === 'off' ? {} : { balance: state.once('balance', () => balanceClient({ warn })) }),
  });
}

/** What is done for each attempt: it is counted, measured and traced. */
function attemptStage({ metering, tracing }: ClientState, counts: ClientCounts, telemetry: PolicyTable['telemetry']): ClientInterceptor {
  const attempts = storyAttempts(counts.client);
  const meter = needsLayers(telemetry) ? metricsAttemptInterceptor(metering) : undefined;
  const metered = meter === undefined ? attempts : stacked(attempts, meter);
  return telemetry.traces ? stacked(metered, attemptTracingInterceptor(tracing)) : metered;
}

/** Two behaviours in one stage. */
function stacked(upper: ClientInterceptor, lower: ClientInterceptor): ClientInterceptor {
  return (info, next) => upper(info, (below) => lower(below, next));
}
