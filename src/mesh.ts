/**
 * The mesh: one policy, and every way to put it around clients and servers.
 *
 * @packageDocumentation
 */
import type {
  Channel,
  ChannelCredentials,
  Client,
  ClientOptions,
  handleUnaryCall,
  Interceptor,
  Server,
  ServerOptions,
} from '@grpc/grpc-js';
import type { OpenCall } from '../interceptors/count.ts';
import { Bag } from './bag.ts';
import { type BreakerHandle, Breakers } from './breaker/breakers.ts';
import { Code } from './call.ts';
import { noCounts, noServerCounts } from './call-counts.ts';
import { type Clock, systemClock } from './clock.ts';
import { ConfigError, type Refusal } from './errors.ts';
import { type BatchHandler, type BatchHandlerOptions, BatchHandlers } from './grpc/batch-handler.ts';
import type { WrapOptions, WrappedClient } from './grpc/client-door-types.ts';
import { ClientDoors } from './grpc/client-doors.ts';
import { coalesceStats, emptyCounts } from './grpc/coalesce-stats.ts';
import type { Forward, ForwardOptions } from './grpc/forward.ts';
import { localStatus } from './grpc/refuse.ts';
import { ServerDoors } from './grpc/server-doors.ts';
import type { Workers } from './grpc/worker-service.ts';
import { WorkerSets } from './grpc/worker-sets.ts';
import { Answers } from './mesh-answers.ts';
import { MeshAuthorization } from './mesh-authorization.ts';
import { Forwards } from './mesh-forward.ts';
import { MeshLimits } from './mesh-limits.ts';
import { type NativeBatching, nativeBatching } from './mesh-native.ts';
import { buildClientStack, buildServerLayer } from './mesh-stack.ts';
import type { AttachOptions, MeshDependencies, MeshStats } from './mesh-types.ts';
import { serverBatchMetrics } from './observe/batch-metrics.ts';
import { servedCarrierSpans } from './observe/carrier-span.ts';
import { gatherSpans } from './observe/gather-span.ts';
import { nameProblem } from './policy/names.ts';
import { parsePolicy } from './policy/parse.ts';
import type { Policy } from './policy/policy.gen.ts';
import { systemRandom } from './random.ts';
import { ResetBudget } from './resets/reset-budget.ts';
import { balancesOf, type RetryBudgets } from './retry/budgets.ts';
import type { WorkersOptions } from './workers/options.ts';

/** One policy around clients and servers. Made by {@link createMesh} or {@link loadMesh}. */
export class Mesh {
  /** The policy in force, checked. */
  readonly policy: Policy;
  readonly #clock: Clock;
  readonly #counts = {
    client: noCounts(),
    server: noServerCounts(),
    coalesce: emptyCounts(),
    retries: 0,
    hedges: 0,
    budgets: [] as RetryBudgets[],
  };
  readonly #clients: ClientDoors;
  readonly #servers: ServerDoors;
  readonly #workers: WorkerSets;
  readonly #batchHandlers: BatchHandlers;
  readonly #forwards: Forwards;
  readonly #authorization: MeshAuthorization | undefined;
  readonly #native: NativeBatching;
  readonly #breakers: Breakers;
  readonly #limits: MeshLimits;
  readonly #answers: Answers;
  readonly #resets: ResetBudget;
  readonly #open = new Bag<OpenCall>();
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(policy: Policy, dependencies: MeshDependencies) {
    this.policy = policy;
    const { clock = systemClock, random = systemRandom } = dependencies;
    const said = dependencies.warn ?? warnProcess;
    this.#native = nativeBatching(policy, dependencies.descriptors);
    const { table } = this.#native;
    this.#clock = clock;
    this.#resets = new ResetBudget(undefined, clock);
    const resets = this.#resets;
    this.#breakers = new Breakers((method) => table.method(method).breaker, clock);
    this.#limits = new MeshLimits(table, clock, random);
    this.#answers = new Answers(policy, dependencies, table, clock, said);
    const settings = {
      answers: this.#answers,
      table,
      clock,
      random,
      warn: said,
      otel: dependencies.otel,
      native: this.#native,
      resets,
      breakers: this.#breakers,
      limits: this.#limits,
      retryOnResponse: dependencies.retryOnResponse,
    };
    const stack = buildClientStack(settings, this.#counts, () => this.#idle?.(), this.#open);
    this.#clients = new ClientDoors({ table, policy, stack, clock, random, warn: said, resets });
    this.#forwards = new Forwards(policy, (changed) => {
      const native = nativeBatching(changed, dependencies.descriptors);
      const own = { ...settings, native, table: native.table };
      const onward = buildClientStack(own, this.#counts, () => this.#idle?.(), this.#open);
      return new ClientDoors({ table: native.table, policy: changed, stack: onward, clock, random, warn: said, resets });
    });
    this.#batchHandlers = new BatchHandlers(clock, table.telemetry.traces ? gatherSpans({ otel: dependencies.otel, clock }) : undefined);
    this.#workers = new WorkerSets({ clock, random, warn: said, otel: dependencies.otel, traces: table.telemetry.traces });
    const { authorization } = table.server;
    if (authorization !== undefined) this.#authorization = new MeshAuthorization(authorization, settings, dependencies.auditLoggers);
    this.#servers = new ServerDoors({
      layer: buildServerLayer(settings, this.#counts.server, this.#authorization?.layer),
      ports: this.#authorization?.ports,
      carriers: table.server.carriers,
      tunnels: table.server.tunnels,
      limits: { maxItems: table.server.maxItems },
      carrierSpan: table.telemetry.traces ? servedCarrierSpans({ otel: dependencies.otel, clock }) : () => undefined,
      batchMetrics: table.telemetry.metrics ? serverBatchMetrics({ otel: dependencies.otel, clock }) : undefined,
      clock,
      warn: said,
    });
  }

  /**
   * Everything, for any client built on grpc-js: `new Greeter(target, credentials, mesh.client())`, or spread into your own options.
   *
   * @param own - The client's own options; a service config in it is read, its retry policies become the mesh's.
   */
  client(own: ClientOptions = {}): ClientOptions {
    return this.#clients.client(own);
  }

  /** What no interceptor can bring (balancing, batches): the options to use with {@link interceptors}. */
  options(own: ClientOptions = {}): ClientOptions {
    return this.#clients.options(own);
  }

  /** The stack as interceptors: `new Greeter(target, credentials, { ...mesh.options(), interceptors: mesh.interceptors() })`. */
  interceptors(): Interceptor[] {
    return this.#clients.interceptors();
  }

  /** A channel with the stack in front, for libraries that take one (nice-grpc). */
  channel(target: string, credentials: ChannelCredentials, options: ClientOptions = {}): Channel {
    // By shape it is one; libraries ask for the class, whose private field makes it nominal.
    return this.#clients.channel(target, credentials, options) as unknown as Channel;
  }

  /**
   * The same client with unary methods that enter the mesh directly, past most of grpc-js's cost for a call; and once more
   * as {@link WrappedClient.promises}. `client` itself stays as it is; streams, `close()` and the rest are its own.
   *
   * @param client - Made with {@link client}, or on a {@link channel} of this mesh.
   * @param options - Which interceptors the client has: `{ interceptors: 'none' }`, or the list.
   * @throws UsageError when its channel is another's, when the statement is missing, or known to be wrong.
   * @throws ConfigError naming the option that makes no sense.
   */
  wrap<C extends Client>(client: C, options: WrapOptions): WrappedClient<C> {
    return this.#clients.wrap(client, options);
  }

  /**
   * The options of a server with ours in front of its interceptors: `new Server(mesh.server({ interceptors }))`, then
   * {@link attach} before the first `addService`. `MeshServer` does both.
   */
  server(options: ServerOptions = {}): ServerOptions {
    return this.#servers.options(options);
  }

  /**
   * Guards a server's handlers and lets it take batches. Before the first `addService`.
   *
   * @param server - Made with {@link server}, or elsewhere.
   * @param options - The options that {@link server} gave for it (needed when there are several), or, for a server made
   * elsewhere, all of its interceptors. Without either no batches are served, for their calls could pass by an interceptor.
   * @throws UsageError when the server is attached already, or it can't be told which options it was made with.
   */
  attach(server: Server, options?: AttachOptions | ServerOptions): void {
    this.#servers.attach(server, options);
  }

  /**
   * A unary handler that gathers the calls of all clients and answers many at once:
   * `server.addService(Greeter.service, { sayHello: mesh.batchHandler(async (items) => items.map(answer)) })`.
   *
   * @param handler - Gives one reply for each item, in their order. Runs in nobody's asynchronous context.
   * @typeParam Response - From where the handler is put to use; name it where that says nothing.
   * @throws ConfigError on a bad option.
   */
  batchHandler<Request, Response>(
    handler: BatchHandler<Request, NoInfer<Response>>,
    options?: BatchHandlerOptions<Request>,
  ): handleUnaryCall<Request, Response> {
    return this.#batchHandlers.make(handler, options);
  }

  /**
   * Handlers that run in worker threads, off the main thread; {@link close} ends them.
   *
   * @throws ConfigError on a bad option. A module that does not load rejects `workers.ready`.
   */
  workers(options: WorkersOptions): Workers {
    return this.#workers.make(options);
  }

  /**
   * The way to back-end nodes: `mesh.forward({ target, credentials }).addTo(server, Greeter.service)` hands the unary calls of a
   * service on as bytes, each call and each item of a batch to the node that the balancer chooses for it.
   *
   * @throws ConfigError on a bad option.
   */
  forward(options: ForwardOptions): Forward {
    return this.#forwards.make(options);
  }

  /**
   * The circuit breaker of one method, by hand: `mesh.breaker('pkg.Service/Method').isolate()` refuses its calls until `release()`.
   *
   * @param method - `pkg.Service/Method`, as in policy, whether policy gives it a breaker or not.
   * @throws ConfigError when it is no such name.
   */
  breaker(method: string): BreakerHandle {
    const problem = nameProblem(method, { method: true, service: false, key: false });
    if (problem !== undefined) throw new ConfigError('breaker', problem);
    return this.#breakers.handle(`/${method}`);
  }

  /** Counts since the mesh was made. */
  stats(): MeshStats {
    const { client, server, coalesce, retries, hedges } = this.#counts;
    return structuredClone({
      ...this.#answers.stats(),
      client: { ...client, retries, hedges, resets: this.#resets.counts },
      server: { ...server, ...this.#servers.stats(), gathered: this.#batchHandlers.counts, ...this.#authorization?.stats() },
      budgets: balancesOf(this.#counts.budgets),
      coalesce: coalesceStats(coalesce),
      native: this.#native.counts,
      breakers: this.#breakers.stats(),
      limits: this.#limits.stats(),
      endpoints: this.#forwards.endpoints(this.#clients.endpoints()),
    });
  }

  /**
   * Takes no more calls, waits for those that are out, and closes the channels that the mesh made. Leaves no timer, no
   * socket. Worker threads end when they have answered; servers are not touched. Never rejects; a second call gives the same end.
   *
   * @param drainMs - Longest wait for calls that are out; those that are out still end with UNAVAILABLE. Default 10,000.
   */
  close(drainMs = 10_000): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#clients.refuse();
    this.#forwards.refuse();
    this.#authorization?.stop();
    const workers = this.#workers.close(drainMs);
    if (this.#counts.client.active > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimer(resolve, drainMs);
        this.#idle = () => {
          cancel();
          resolve();
        };
      });
      this.#idle = undefined;
      for (const call of this.#open.items()) call.end(localStatus(CLOSED_OVER_IT));
    }
    this.#clients.close();
    this.#forwards.close();
    await workers;
  }
}

/**
 * A mesh with this policy; without one, with the defaults (README says what they change).
 *
 * @throws ConfigError naming path, value and rule, with the nearest valid name.
 */
export function createMesh(policy: Policy = {}, dependencies: MeshDependencies = {}): Mesh {
  return new Mesh(parsePolicy(policy), dependencies);
}

/** A mesh with the policy of a YAML or JSON file. Rejects with ConfigError naming file, line and column. */
export async function loadMesh(path: string, dependencies: MeshDependencies = {}): Promise<Mesh> {
  const { inFile, loadPolicy } = await import('./policy/load.ts');
  const policy = await loadPolicy(path);
  try {
    return new Mesh(policy, dependencies);
  } catch (error) {
    throw await inFile(path, error);
  }
}

/** Whatever the call's server has done by then, nobody here knows. */
const CLOSED_OVER_IT: Refusal = {
  code: Code.UNAVAILABLE,
  details: 'inmesh: the mesh was closed before the call ended',
  reason: 'client.mesh/closed',
  unprocessed: false,
};

function warnProcess(line: string): void {
  process.emitWarning(line, 'InmeshWarning');
}
