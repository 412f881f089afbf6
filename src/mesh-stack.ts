/**
 * The behaviours of a mesh, told what its policy says, in the order of the pipeline.
 *
 * @packageDocumentation
 */
import { balanceClient } from '../interceptors/balance.ts';
import { bulkheadClient, bulkheadServer } from '../interceptors/bulkhead.ts';
import { coalesceClient } from '../interceptors/coalesce.ts';
import { type CallCounts, countAttempts, countClient, countServer, type OpenCall } from '../interceptors/count.ts';
import { deadlineClient, deadlineServer } from '../interceptors/deadline.ts';
import { metricsClientInterceptor, metricsServerLayer } from '../interceptors/metrics.ts';
import { nativeBatchClient } from '../interceptors/native-batch.ts';
import { clientStack, serverStack } from '../interceptors/pipeline.ts';
import { retryClient } from '../interceptors/retry.ts';
import { attemptTracingInterceptor, tracingClientInterceptor, tracingServerLayer } from '../interceptors/tracing.ts';
import type { Bag } from './bag.ts';
import { resolveCoalesceOptions } from './batch/options.ts';
import { TUNNEL_WINDOW } from './batch/tunnel-rule.ts';
import { Bulkhead } from './bulkhead/bulkhead.ts';
import { KeyedBulkheads } from './bulkhead/keyed.ts';
import type { Clock } from './clock.ts';
import type { CallInfo, ClientInterceptor } from './grpc/client-call.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import type { PlacedBehaviour } from './grpc/interceptor-door.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import type { NativeBatching } from './mesh-native.ts';
import type { Otel } from './observe/api.ts';
import { carrierSpans } from './observe/carrier-span.ts';
import type { MethodRules } from './policy/method-rules.ts';
import type { PolicyTable } from './policy/resolve.ts';
import type { Random } from './random.ts';

/** What every behaviour needs. */
export interface StackSettings {
  readonly table: PolicyTable;
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  readonly otel: Otel | undefined;
  readonly native?: NativeBatching;
}

/** The client's numbers. */
export interface ClientCounts {
  readonly client: CallCounts;
  readonly coalesce: CoalesceCounts;
  retries: number;
}

/** The client stack of a mesh. Behaviours that policy switches off are not built. */
export function buildClientStack(settings: StackSettings, counts: ClientCounts, onIdle: () => void, open?: Bag<OpenCall>): PlacedBehaviour {
  const { table, clock, random, warn, otel, native } = settings;
  const { traces, metrics, attemptSpans } = table.telemetry;
  const { tunnels, ...coalesce } = table.coalesce;
  // A client may bring rules of its own (a service config with retry policies), below the policy's.
  const rules = (info: CallInfo): MethodRules => (info.door.rules ?? table).method(info.method);
  const bulkheads = new KeyedBulkheads((method) => table.method(method).bulkhead, clock);
  const tracing = { otel, clock, attemptSpans };
  const attempts = countAttempts(counts.client);
  const attemptSpan = traces ? attemptTracingInterceptor(tracing) : undefined;
  const attempt: ClientInterceptor =
    attemptSpan === undefined ? attempts : (info, next) => attempts(info, (below) => attemptSpan(below, next));
  const options = resolveCoalesceOptions(coalesce);
  const carrierSpan = traces ? carrierSpans(tracing) : () => undefined;
  return clientStack({
    count: countClient(counts.client, onIdle, open),
    ...(traces ? { tracing: tracingClientInterceptor(tracing) } : {}),
    ...(metrics ? { metrics: metricsClientInterceptor({ otel, clock }) } : {}),
    deadline: deadlineClient({ clock, timeoutMs: (info) => rules(info).timeoutMs, ...table.deadline }),
    bulkhead: bulkheadClient({ clock, bulkheadOf: (method) => bulkheads.for(method) }),
    retry: retryClient({
      clock,
      random,
      rules,
      budget: table.retryBudget,
      carried: Math.max(coalesce.maxItems * coalesce.maxCarriers, tunnels === 'never' ? 0 : TUNNEL_WINDOW),
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

/** The server layer of a mesh. */
export function buildServerLayer(settings: StackSettings, counts: CallCounts, authorization?: ServerLayer): ServerLayer {
  const { table, clock, otel } = settings;
  const { traces, metrics } = table.telemetry;
  const { bulkhead, methodBulkheads } = table.server;
  const whole = bulkhead === undefined ? undefined : new Bulkhead(bulkhead, clock);
  const byMethod = new KeyedBulkheads((method) => methodBulkheads.get(method), clock);
  // Two walls, the method's inside the server's: a call that waits for its method must not fill the server's slots.
  const layers = [
    methodBulkheads.size > 0 ? bulkheadServer({ clock, bulkheadOf: (method) => byMethod.for(method) }) : undefined,
    whole === undefined ? undefined : bulkheadServer({ clock, bulkheadOf: () => whole }),
  ].filter((layer) => layer !== undefined);
  return serverStack({
    count: countServer(counts),
    ...(metrics ? { metrics: metricsServerLayer({ otel, clock }) } : {}),
    ...(traces ? { tracing: tracingServerLayer({ otel, clock }) } : {}),
    deadline: deadlineServer({ clock }),
    ...(authorization === undefined ? {} : { authorization }),
    ...(layers.length > 0 ? { bulkhead: (info, call) => layers.reduce((wrapped, layer) => layer(info, wrapped), call) } : {}),
  });
}
