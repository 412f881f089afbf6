/**
 * The parts of one mesh: made of its policy, and told of each other.
 *
 * @packageDocumentation
 */
import { Bag } from './bag.ts';
import type { EndpointChange } from './balance/changes.ts';
import { BalanceTotals } from './balance/counts.ts';
import { Breakers } from './breaker/breakers.ts';
import { type CallCounts, noCounts, noServerCounts, type ServerCounts } from './call-counts.ts';
import type { Clock } from './clock.ts';
import { BatchHandlers } from './grpc/batch-handler.ts';
import { ClientDoors } from './grpc/client-doors.ts';
import { coalesceStats, emptyCounts } from './grpc/coalesce-stats.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import { detachedClock } from './grpc/detached.ts';
import { ServerDoors } from './grpc/server-doors.ts';
import type { OpenCall } from './grpc/story-call.ts';
import { WorkerSets } from './grpc/worker-sets.ts';
import { Answers } from './mesh-answers.ts';
import { MeshAuthorization } from './mesh-authorization.ts';
import { Forwards } from './mesh-forward.ts';
import { MeshLimits } from './mesh-limits.ts';
import { type NativeBatching, nativeBatching } from './mesh-native.ts';
import { noWalls, observe, tellEndpoint } from './mesh-observer.ts';
import { buildClientStack, buildServerLayer } from './mesh-stack.ts';
import { Traffic } from './mesh-traffic.ts';
import type { MeshDependencies, MeshStats } from './mesh-types.ts';
import { type BaggageCounts, noBaggageCounts } from './observe/baggage.ts';
import { serverBatchMetrics } from './observe/batch-metrics.ts';
import { servedCarrierSpans } from './observe/carrier-span.ts';
import { gatherSpans } from './observe/gather-span.ts';
import { meshReadings } from './observe/mesh-readings.ts';
import type { Observer } from './observe/observer.ts';
import { Recorder } from './observe/recorder.ts';
import { storyDurations } from './observe/story-durations.ts';
import type { Policy } from './policy/policy.gen.ts';
import { systemRandom } from './random.ts';
import { ResetBudget } from './resets/reset-budget.ts';
import { balancesOf, budgetCountsOf, type RetryBudgets } from './retry/budgets.ts';

/** What is counted, and where from. */
interface MeshCounts {
  readonly client: CallCounts;
  readonly server: ServerCounts;
  readonly coalesce: CoalesceCounts;
  retries: number;
  hedges: number;
  readonly budgets: RetryBudgets[];
}

/** Everything that a mesh is made of. */
export class MeshParts {
  readonly counts: MeshCounts = {
    client: noCounts(),
    server: noServerCounts(),
    coalesce: emptyCounts(),
    retries: 0,
    hedges: 0,
    budgets: [],
  };
  readonly clients: ClientDoors;
  readonly servers: ServerDoors;
  readonly workers: WorkerSets;
  readonly batchHandlers: BatchHandlers;
  readonly forwards: Forwards;
  readonly authorization: MeshAuthorization | undefined;
  readonly native: NativeBatching;
  readonly breakers: Breakers;
  readonly limits: MeshLimits;
  readonly answers: Answers;
  readonly traffic: Traffic;
  readonly resets: ResetBudget;
  readonly baggage: BaggageCounts = noBaggageCounts();
  readonly totals: BalanceTotals = new BalanceTotals();
  /** Calls that have begun and not ended. */
  readonly open: Bag<OpenCall> = new Bag<OpenCall>();
  readonly observer: Observer;
  /** Told whenever the last call that was out has ended. */
  onIdle: (() => void) | undefined;

  /** @param draining - Whether the mesh sends its callers elsewhere, or takes no calls any more. */
  constructor(policy: Policy, dependencies: MeshDependencies, clock: Clock, draining: () => boolean) {
    const { random = systemRandom } = dependencies;
    const warn = dependencies.warn ?? warnProcess;
    this.native = nativeBatching(policy, dependencies.descriptors);
    const { table } = this.native;
    const write = dependencies.log ?? writeLine;
    const readings = { read: () => meshReadings(this.observer.overview(), this.stats(), table.telemetry.balancerMetrics) };
    const durations = storyDurations({ otel: dependencies.otel, clock, ...table.telemetry }, readings);
    const recorder = new Recorder({ clock, detachedClock: detachedClock(clock), write, durations, ...table.records });
    const { add } = recorder.events;
    const said = (line: string): void => {
      add({ kind: 'mesh.said', level: 'warn', subject: 'mesh', text: line });
      warn(line);
    };
    const walls = noWalls();
    const onChange = (target: string, change: EndpointChange): void => tellEndpoint(add, target, change);
    this.resets = new ResetBudget(undefined, clock);
    const resets = this.resets;
    this.breakers = new Breakers((method) => table.method(method).breaker, clock);
    this.limits = new MeshLimits(table, clock, random);
    this.answers = new Answers(policy, dependencies, table, clock, said);
    this.traffic = new Traffic(policy, { ...dependencies, catalog: this.native.catalog, clock, random, warn: said, tell: add });
    const { clusters } = this.traffic;
    const settings = {
      answers: this.answers,
      traffic: this.traffic,
      table,
      clock,
      random,
      warn: said,
      otel: dependencies.otel,
      baggage: this.baggage,
      native: this.native,
      resets,
      breakers: this.breakers,
      limits: this.limits,
      recorder,
      walls,
      readings,
      retryOnResponse: dependencies.retryOnResponse,
    };
    const stack = buildClientStack(settings, this.counts, () => this.onIdle?.(), this.open);
    this.clients = new ClientDoors({ table, stack, clock, random, warn: said, resets, clusters, totals: this.totals, onChange });
    this.forwards = new Forwards(policy, (changed) => {
      const native = nativeBatching(changed, dependencies.descriptors);
      const own = { ...settings, native, table: native.table };
      const onward = buildClientStack(own, this.counts, () => this.onIdle?.(), this.open);
      return new ClientDoors({
        table: native.table,
        stack: onward,
        clock,
        random,
        warn: said,
        resets,
        clusters,
        totals: this.totals,
        onChange,
      });
    });
    this.batchHandlers = new BatchHandlers(
      clock,
      table.telemetry.traces ? gatherSpans({ otel: dependencies.otel, clock, ...table.telemetry }) : undefined,
    );
    this.workers = new WorkerSets({ clock, random, warn: said, otel: dependencies.otel, traces: table.telemetry.traces });
    const { authorization } = table.server;
    if (authorization !== undefined) this.authorization = new MeshAuthorization(authorization, settings, dependencies.auditLoggers, add);
    this.servers = new ServerDoors({
      layer: buildServerLayer(settings, this.counts.server, this.authorization?.layer),
      ports: this.authorization?.ports,
      carriers: table.server.carriers,
      tunnels: table.server.tunnels,
      limits: { maxItems: table.server.maxItems },
      carrierSpan: table.telemetry.traces ? servedCarrierSpans({ otel: dependencies.otel, clock, ...table.telemetry }) : () => undefined,
      batchMetrics: table.telemetry.metrics ? serverBatchMetrics({ otel: dependencies.otel, clock }) : undefined,
      clock,
      warn: said,
    });
    this.observer = observe({
      recorder,
      walls,
      breakers: this.breakers,
      limits: this.limits,
      budgets: this.counts.budgets,
      coalesce: this.counts.coalesce,
      native: this.native.counts,
      endpoints: () => this.forwards.endpoints(this.clients.endpoints()),
      served: () => this.servers.stats(),
      draining,
    });
  }

  /** Counts since the mesh was made. */
  stats(): MeshStats {
    const { client, server, coalesce, retries, hedges } = this.counts;
    return structuredClone({
      ...this.answers.stats(),
      client: { ...client, retries, hedges, resets: this.resets.counts },
      server: { ...server, ...this.servers.stats(), gathered: this.batchHandlers.counts, ...this.authorization?.stats() },
      budgets: balancesOf(this.counts.budgets),
      budgetCounts: budgetCountsOf(this.counts.budgets),
      coalesce: coalesceStats(coalesce),
      native: this.native.counts,
      breakers: this.breakers.stats(),
      limits: this.limits.stats(),
      baggage: this.baggage,
      endpoints: this.forwards.endpoints(this.clients.endpoints()),
      balance: this.totals.all(),
      traffic: this.traffic.stats(),
    });
  }
}

function warnProcess(line: string): void {
  process.emitWarning(line, 'InmeshWarning');
}

function writeLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
