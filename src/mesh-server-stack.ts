/**
 * The server half of a mesh: its layers, and what they keep while policies come and go.
 *
 * @packageDocumentation
 */
import { bulkheadServer } from '../interceptors/bulkhead.ts';
import { deadlineServer } from '../interceptors/deadline.ts';
import { limitServer } from '../interceptors/limit.ts';
import { metricsServerLayer } from '../interceptors/metrics.ts';
import { serverStack } from '../interceptors/pipeline.ts';
import { storyServer } from '../interceptors/story.ts';
import { tracingServerLayer } from '../interceptors/tracing.ts';
import { KeyedBulkheads } from './bulkhead/keyed.ts';
import type { ServerCounts } from './call-counts.ts';
import { servedTenant } from './grpc/bulkhead-call.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import { MeshLimits } from './mesh-limits.ts';
import type { StackSettings } from './mesh-stack.ts';
import { Recorder } from './observe/recorder.ts';
import { needsLayers } from './observe/story-durations.ts';
import { Kept } from './policy/kept.ts';
import type { PolicyTable } from './policy/resolve.ts';

/** What one limit for the whole server is kept under. */
const ALL_METHODS = { method: '' };

/** Limits with the calls that are in them, and layers that no policy changes. */
export class ServerState {
  readonly whole: KeyedBulkheads;
  readonly byMethod: KeyedBulkheads;
  readonly limits: MeshLimits;
  readonly story: ServerLayer;
  readonly metrics: ServerLayer | undefined;
  readonly tracing: ServerLayer | undefined;

  constructor(settings: StackSettings, counts: ServerCounts) {
    const { table, clock, otel, baggage } = settings;
    const { telemetry, server } = table;
    this.whole = new KeyedBulkheads(() => server.bulkhead, clock, servedTenant);
    this.byMethod = new KeyedBulkheads((method) => server.methodBulkheads.get(method), clock, servedTenant);
    this.limits = settings.limits ?? new MeshLimits(table, clock, settings.random);
    this.story = storyServer(counts, settings.recorder ?? new Recorder({ clock }));
    this.metrics = needsLayers(telemetry) ? metricsServerLayer({ otel, clock, ...telemetry }, settings.readings) : undefined;
    this.tracing = telemetry.traces ? tracingServerLayer({ otel, clock, baggage, ...telemetry }) : undefined;
    settings.walls?.server.push(
      () => this.whole.entries(),
      () => this.byMethod.entries(),
    );
  }

  /** Takes another policy, with the calls that are in. The adaptive limit is the mesh's, which sees to it. */
  retune({ server }: PolicyTable): void {
    this.whole.retune(() => server.bulkhead);
    this.byMethod.retune((method) => server.methodBulkheads.get(method));
  }
}

/** The server layer of a mesh. @param state - Default: one of its own. */
export function buildServerLayer(
  settings: StackSettings,
  counts: ServerCounts,
  authorization?: ServerLayer,
  state: ServerState = new ServerState(settings, counts),
): ServerLayer {
  const { table, clock } = settings;
  const { bulkhead, methodBulkheads, timeoutMs, methodTimeoutsMs, lateRejectFraction: rejectFraction, trustTraits, limit } = table.server;
  const { whole, byMethod, limits, story, metrics, tracing } = state;
  const kept = settings.kept ?? new Kept();
  // Two walls, the method's inside the server's: a call that waits for its method must not fill the server's slots.
  const layers = [
    methodBulkheads.size > 0
      ? bulkheadServer({ clock, bulkheadOf: (info) => byMethod.for(info), limits: (method) => methodBulkheads.has(method) })
      : undefined,
    bulkhead === undefined ? undefined : bulkheadServer({ clock, bulkheadOf: () => whole.for(ALL_METHODS) }),
  ].filter((layer) => layer !== undefined);
  const deadline = kept.take('server deadline', [timeoutMs, methodTimeoutsMs, rejectFraction, trustTraits], () =>
    deadlineServer({
      clock,
      timeoutMs: ({ method }) => (methodTimeoutsMs.has(method) ? methodTimeoutsMs.get(method) : timeoutMs),
      rejectFraction,
      trustTraits,
      onLate: () => {
        counts.late++;
      },
      onLateServed: () => {
        counts.lateServed++;
      },
    }),
  );
  return serverStack({
    story,
    ...(metrics === undefined ? {} : { metrics }),
    ...(tracing === undefined ? {} : { tracing }),
    deadline,
    ...(authorization === undefined ? {} : { authorization }),
    ...(limit === undefined ? {} : { limit: limitServer({ clock, limitOf: () => limits.server }) }),
    ...(layers.length > 0 ? { bulkhead: (info, call) => layers.reduce((wrapped, layer) => layer(info, wrapped), call) } : {}),
    ...(settings.traffic?.serverFault === undefined ? {} : { fault: settings.traffic.serverFault }),
  });
}
