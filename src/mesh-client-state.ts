/**
 * What one client half of a mesh keeps while policies come and go: limits with the calls that are in them, budgets, what was learned,
 * instruments that are made once.
 *
 * @packageDocumentation
 */
import { coalesceWatch } from '../interceptors/coalesce.ts';
import { type HedgeHome, hedgeHome } from '../interceptors/hedge.ts';
import { TUNNEL_WINDOW } from './batch/tunnel-rule.ts';
import { Breakers } from './breaker/breakers.ts';
import { KeyedBulkheads } from './bulkhead/keyed.ts';
import type { Clock } from './clock.ts';
import type { CallInfo, ClientInterceptor } from './grpc/client-call.ts';
import { PeersByDoor } from './grpc/coalesce-home.ts';
import type { CoalesceWatch } from './grpc/coalesce-watch.ts';
import { type RetryHome, retryHome } from './grpc/retry-home.ts';
import { tenantOf } from './grpc/traits.ts';
import { same } from './input/same.ts';
import { MeshLimits } from './mesh-limits.ts';
import { tellBudgets, tellTurnedAway } from './mesh-observer.ts';
import type { ClientCounts, StackSettings } from './mesh-stack.ts';
import { carrierSpans, type StartCarrierSpan } from './observe/carrier-span.ts';
import type { MetricsOptions, TracingOptions } from './observe/options.ts';
import { Recorder } from './observe/recorder.ts';
import type { AdaptiveThrottleRules, CoalesceRules } from './policy/resolve.ts';
import type { Random } from './random.ts';
import { AdaptiveThrottles } from './retry/adaptive-throttle.ts';
import { RetryBudgets } from './retry/budgets.ts';
import { MethodLatencies } from './retry/latencies.ts';

export class ClientState {
  readonly bulkheads: KeyedBulkheads<CallInfo>;
  readonly breakers: Breakers;
  readonly limits: MeshLimits;
  readonly budgets: RetryBudgets;
  readonly latencies: MethodLatencies;
  readonly hedges: HedgeHome;
  readonly retries: RetryHome;
  readonly peers: PeersByDoor;
  readonly watch: CoalesceWatch;
  readonly recorder: Recorder;
  readonly tracing: TracingOptions;
  readonly metering: MetricsOptions;
  readonly carrierSpan: StartCarrierSpan;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #once = new Map<string, ClientInterceptor>();
  #throttles: AdaptiveThrottles | undefined;
  #throttleRules: AdaptiveThrottleRules | undefined;
  #settings: StackSettings;

  constructor(settings: StackSettings, counts: ClientCounts) {
    const { table, clock, random, otel, warn } = settings;
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.bulkheads = new KeyedBulkheads((method) => table.method(method).bulkhead, clock, tenantOf);
    this.breakers = settings.breakers ?? new Breakers((method) => table.method(method).breaker, clock);
    this.limits = settings.limits ?? new MeshLimits(table, clock, random);
    this.recorder = settings.recorder ?? new Recorder({ clock });
    this.budgets = new RetryBudgets(table.retryBudget, clock, carriedBy(table.coalesce));
    this.latencies = new MethodLatencies(clock);
    this.hedges = hedgeHome(clock);
    this.retries = retryHome({ clock, warn, retryOnResponse: settings.retryOnResponse });
    this.peers = new PeersByDoor(clock, random);
    this.tracing = { otel, clock, baggage: settings.baggage, ...table.telemetry };
    this.metering = { otel, clock, ...table.telemetry, knows: (path) => this.#knows(path) };
    this.carrierSpan = table.telemetry.traces ? carrierSpans(this.tracing) : () => undefined;
    const { add } = this.recorder.events;
    const metrics = table.telemetry.metrics ? { otel, clock } : undefined;
    this.watch = coalesceWatch({ counts: counts.coalesce, clock, metrics, onTurnedAway: (path) => tellTurnedAway(add, path) });
    counts.budgets?.push(this.budgets);
    tellBudgets(this.budgets, add);
    settings.walls?.client.push(() => this.bulkheads.entries());
  }

  /** Takes another policy, with the calls that are out. Breakers and adaptive limits are the mesh's, which sees to them. */
  retune(settings: StackSettings): void {
    const before = this.#settings.table;
    const { table } = settings;
    this.#settings = settings;
    this.bulkheads.retune((method) => table.method(method).bulkhead);
    const carried = carriedBy(table.coalesce);
    if (!same(before.retryBudget, table.retryBudget) || carriedBy(before.coalesce) !== carried)
      this.budgets.retune(table.retryBudget, carried);
    const rules = table.adaptiveThrottle;
    if (rules !== undefined && !same(this.#throttleRules, rules)) this.#throttles?.retune(rules);
    this.#throttleRules = rules;
    if (rules === undefined) this.#throttles = undefined;
  }

  /** Methods that something is kept for. */
  *paths(): Generator<string> {
    for (const [key] of this.bulkheads.entries()) yield key.split('\n')[0] ?? '';
    for (const [path] of this.limits.client.entries()) yield path;
    yield* this.breakers.paths();
  }

  /** What refuses calls that their service would refuse; undefined: nothing does. */
  throttles(rules: AdaptiveThrottleRules | undefined): AdaptiveThrottles | undefined {
    if (rules === undefined) return undefined;
    if (this.#throttles === undefined) {
      this.#throttles = new AdaptiveThrottles(rules, this.#clock, this.#random);
      this.#throttleRules = rules;
    }
    return this.#throttles;
  }

  /** A stage that no policy changes; the same one each time. */
  once(stage: string, make: () => ClientInterceptor): ClientInterceptor {
    const known = this.#once.get(stage) ?? make();
    this.#once.set(stage, known);
    return known;
  }

  #knows(path: string): boolean {
    const { native, table } = this.#settings;
    return native?.knows(path) ?? table.names(path);
  }
}

/** Most calls that one lost connection may take along. */
function carriedBy({ maxItems, maxCarriers, tunnels }: CoalesceRules): number {
  return Math.max(maxItems * maxCarriers, tunnels === 'never' ? 0 : TUNNEL_WINDOW);
}
