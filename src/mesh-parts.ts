/**
 * The parts of one mesh: made of its policy, and told of each other.
 *
 * @packageDocumentation
 */
import type { EndpointChange } from './balance/changes.ts';
import { BalanceTotals } from './balance/counts.ts';
import { Breakers } from './breaker/breakers.ts';
import { type CallCounts, noCounts, noServerCounts, type ServerCounts } from './call-counts.ts';
import type { CancelTimer, Clock } from './clock.ts';
import { BatchHandlers } from './grpc/batch-handler.ts';
import type { ClientDoors } from './grpc/client-doors.ts';
import { coalesceStats, emptyCounts } from './grpc/coalesce-stats.ts';
import type { CoalesceCounts } from './grpc/coalescer.ts';
import { detachedClock } from './grpc/detached.ts';
import { noNativeCounts } from './grpc/native-batcher.ts';
import { PortSecurity } from './grpc/port-security.ts';
import { ServerDoors, type ServerRulesInForce } from './grpc/server-doors.ts';
import type { OpenCall } from './grpc/story-call.ts';
import { WorkerSets } from './grpc/worker-sets.ts';
import { answersHome } from './mesh-answers.ts';
import { ClientHalf, type ClientHome } from './mesh-client-half.ts';
import { Forwards } from './mesh-forward.ts';
import { MeshLimits } from './mesh-limits.ts';
import { readDeclared } from './mesh-native.ts';
import { noWalls, observe, tellEndpoint } from './mesh-observer.ts';
import type { PolicyInForce } from './mesh-policy.ts';
import { buildServerLayer, ServerState } from './mesh-server-stack.ts';
import { noTrafficCounts } from './mesh-traffic.ts';
import type { MeshDependencies, MeshStats } from './mesh-types.ts';
import { Version, type VersionHome } from './mesh-version.ts';
import { type BaggageCounts, noBaggageCounts } from './observe/baggage.ts';
import { serverBatchMetrics } from './observe/batch-metrics.ts';
import { servedCarrierSpans } from './observe/carrier-span.ts';
import { gatherSpans } from './observe/gather-span.ts';
import { meshReadings } from './observe/mesh-readings.ts';
import type { Observer } from './observe/observer.ts';
import { Recorder } from './observe/recorder.ts';
import { storyDurations } from './observe/story-durations.ts';
import type { Policy } from './policy/policy.gen.ts';
import { PolicyTable } from './policy/resolve.ts';
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

/** How often versions are looked at that calls may still be under way with, in ms; without such there is no timer. */
const LOOK_MS = 1_000;

/** Lines that are said once, at most. */
const MAX_LINES = 1_000;

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
  readonly servers: ServerDoors;
  readonly workers: WorkerSets;
  readonly batchHandlers: BatchHandlers;
  readonly forwards: Forwards;
  readonly breakers: Breakers;
  readonly limits: MeshLimits;
  readonly resets: ResetBudget;
  readonly baggage: BaggageCounts = noBaggageCounts();
  readonly totals: BalanceTotals = new BalanceTotals();
  readonly observer: Observer;
  /** Takes lines for the user. */
  readonly warn: (line: string) => void;
  /** Told whenever the last call that was out has ended. */
  onIdle: (() => void) | undefined;
  readonly #recorder: Recorder;
  readonly #inForce: PolicyInForce;
  readonly #home: VersionHome;
  readonly #clients: ClientHalf;
  readonly #serverState: ServerState;
  #version: Version;
  /** Versions before, that calls are still under way with. */
  #retired: readonly Version[] = [];
  #cancelLook: CancelTimer | undefined;

  /**
   * @param inForce - The policy to begin with, and what is shown of it.
   * @param draining - Whether the mesh sends its callers elsewhere, or takes no calls any more.
   */
  constructor(inForce: PolicyInForce, dependencies: MeshDependencies, clock: Clock, draining: () => boolean) {
    const { policy } = inForce;
    const { random = systemRandom, otel, auditLoggers } = dependencies;
    const { warn = warnProcess } = dependencies;
    this.warn = warn;
    const declared = readDeclared(dependencies.descriptors);
    const table = new PolicyTable(policy, declared.declared);
    const { telemetry } = table;
    const write = dependencies.log ?? writeLine;
    const readings = { read: () => meshReadings(this.observer.overview(), this.stats(), telemetry.balancerMetrics) };
    const durations = storyDurations({ otel, clock, ...telemetry }, readings);
    const recorder = new Recorder({ clock, detachedClock: detachedClock(clock), write, durations, ...table.records });
    this.#recorder = recorder;
    this.#inForce = inForce;
    const { add } = recorder.events;
    const said = (line: string): void => {
      add({ kind: 'mesh.said', level: 'warn', subject: 'mesh', text: line });
      warn(line);
    };
    const lines = new Set<string>();
    const warnOnce = (line: string): void => {
      if (lines.has(line) || lines.size >= MAX_LINES) return;
      lines.add(line);
      said(line);
    };
    const walls = noWalls();
    const ports = new PortSecurity();
    this.resets = new ResetBudget(undefined, clock);
    this.breakers = new Breakers((method) => table.method(method).breaker, clock);
    this.limits = new MeshLimits(table, clock, random);
    const { resets, breakers, limits, baggage } = this;
    const { retryOnResponse } = dependencies;
    this.#home = {
      dependencies,
      declared,
      settings: { clock, random, warn: said, otel, baggage, resets, breakers, limits, recorder, walls, readings, retryOnResponse },
      answers: answersHome(dependencies, clock, { warn: said, warnOnce }),
      traffic: noTrafficCounts(),
      native: noNativeCounts(),
      authorization: { clock, warn: said, ports, tell: add, ...(auditLoggers === undefined ? {} : { auditLoggers }) },
      tell: add,
      warnOnce,
    };
    const version = new Version(policy, this.#home);
    this.#version = version;
    const onChange = (target: string, change: EndpointChange): void => tellEndpoint(add, target, change);
    const home: ClientHome = { counts: this.counts, resets, totals: this.totals, onIdle: () => this.onIdle?.(), onChange };
    this.#clients = new ClientHalf(version.settings, version.open, home);
    this.forwards = new Forwards(version, home);
    const observed = { otel, clock, ...telemetry };
    this.batchHandlers = new BatchHandlers(clock, telemetry.traces ? gatherSpans(observed) : undefined);
    this.workers = new WorkerSets({ clock, random, warn: said, otel, traces: telemetry.traces });
    this.#serverState = new ServerState(version.settings, this.counts.server);
    this.servers = new ServerDoors({
      force: this.#serverRules(version),
      ports,
      carrierSpan: telemetry.traces ? servedCarrierSpans(observed) : () => undefined,
      batchMetrics: telemetry.metrics ? serverBatchMetrics({ otel, clock }) : undefined,
      clock,
      warn: said,
    });
    version.kept.complete();
    this.observer = observe({
      recorder,
      walls,
      breakers,
      limits,
      budgets: this.counts.budgets,
      coalesce: this.counts.coalesce,
      native: this.#home.native,
      endpoints: () => this.forwards.endpoints(this.clients.endpoints()),
      served: () => this.servers.stats(),
      draining,
      policy: () => inForce.view(),
    });
  }

  get clients(): ClientDoors {
    return this.#clients.doors;
  }
  /** The rules in force. */
  get table(): PolicyTable {
    return this.#version.native.table;
  }
  /** Calls that have begun and not ended, of all versions. */
  get open(): readonly OpenCall[] {
    return [...this.#retired, this.#version].flatMap(({ open }) => open.items());
  }

  /**
   * Puts another policy in force, at once and as a whole: calls that begin from now on see it, calls that are out end as they began. What is
   * counted in common (limits, budgets, breakers) takes the new numbers with the calls that are in it.
   *
   * @throws ConfigError when the policy does not fit the program; then nothing has changed.
   */
  reload(policy: Policy): void {
    const before = this.#version;
    const version = new Version(policy, this.#home, before);
    let commits: readonly (() => void)[];
    try {
      const rules = this.#serverRules(version);
      this.servers.check(rules);
      const { table } = version.native;
      commits = [
        this.#clients.prepare(version.settings, version.open),
        this.forwards.prepare(version),
        () => this.breakers.retune((method) => table.method(method).breaker),
        () => this.limits.retune(table),
        () => this.#serverState.retune(table),
        () => this.servers.take(rules),
        () => this.#recorder.retune({ accessLog: table.records.accessLog, shownMetadata: table.records.shownMetadata }),
      ];
    } catch (error) {
      version.kept.abandon();
      throw error;
    }
    for (const commit of commits) commit();
    version.kept.complete();
    this.#version = version;
    this.#retired = [...this.#retired, before];
    this.#look();
  }

  /** Leaves no timer, and follows no file. */
  close(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    for (const version of [...this.#retired, this.#version]) version.authorization?.close();
  }

  #serverRules(version: Version): ServerRulesInForce {
    const { settings, authorization, kept } = version;
    const own = { ...settings, kept: kept.of('server') };
    return version.serverRules(buildServerLayer(own, this.counts.server, authorization?.layer, this.#serverState));
  }

  /** Lets go of what only versions use that no call is under way with any more. */
  #look(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    const over = this.#retired.filter(({ open }) => open.size === 0);
    this.#retired = this.#retired.filter(({ open }) => open.size > 0);
    const live = [...this.#retired, this.#version];
    for (const { kept } of over) kept.close(live.map((version) => version.kept));
    const clusters = new Set(live.flatMap((version) => [...version.clusters]));
    for (const doors of [this.clients, this.forwards]) doors.retainClusters(clusters);
    if (this.#retired.length > 0) this.#cancelLook = detachedClock(this.#home.settings.clock).setTimer(() => this.#look(), LOOK_MS);
  }

  /** Counts since the mesh was made. */
  stats(): MeshStats {
    const { client, server, coalesce, retries, hedges } = this.counts;
    return structuredClone({
      ...this.#version.answers.stats(),
      client: { ...client, retries, hedges, resets: this.resets.counts },
      server: { ...server, ...this.servers.stats(), gathered: this.batchHandlers.counts, ...this.#version.authorization?.stats() },
      budgets: balancesOf(this.counts.budgets),
      budgetCounts: budgetCountsOf(this.counts.budgets),
      coalesce: coalesceStats(coalesce),
      native: this.#home.native,
      breakers: this.breakers.stats(),
      limits: this.limits.stats(),
      baggage: this.baggage,
      endpoints: this.forwards.endpoints(this.clients.endpoints()),
      balance: this.totals.all(),
      traffic: this.#version.traffic.stats(),
      policy: this.#inForce.view(),
    });
  }
}

function warnProcess(line: string): void {
  process.emitWarning(line, 'InmeshWarning');
}

function writeLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
