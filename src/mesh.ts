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
import type { MeshState } from './admin/source.ts';
import type { BreakerHandle } from './breaker/breakers.ts';
import { type Clock, systemClock } from './clock.ts';
import { ConfigError, UsageError } from './errors.ts';
import type { BatchHandler, BatchHandlerOptions } from './grpc/batch-handler.ts';
import type { MeshClientOptions, WrapOptions, WrappedClient } from './grpc/client-door-types.ts';
import { detached } from './grpc/detached.ts';
import type { Forward, ForwardOptions } from './grpc/forward.ts';
import { type BatchHandled, type BatchHandlersOf, batchHandlersOf } from './grpc/typed-batches.ts';
import { type TypedClient, typedClient } from './grpc/typed-client.ts';
import type { Workers } from './grpc/worker-service.ts';
import { MeshAdmin } from './mesh-admin.ts';
import { callsEnd } from './mesh-closing.ts';
import type { FollowHome, LoadOptions } from './mesh-file.ts';
import { MeshParts } from './mesh-parts.ts';
import { PolicyInForce, type ReloadResult } from './mesh-policy.ts';
import type { AttachOptions, MeshDependencies, MeshStats } from './mesh-types.ts';
import type { Observer } from './observe/observer.ts';
import type { ExplainView, OverviewView } from './observe/views.ts';
import { explain } from './policy/explain.ts';
import { nameProblem } from './policy/names.ts';
import { parsePolicy } from './policy/parse.ts';
import type { Policy } from './policy/policy.gen.ts';
import type { WorkersOptions } from './workers/options.ts';

/** One policy around clients and servers. Made by {@link createMesh} or {@link loadMesh}. */
export class Mesh {
  readonly #inForce: PolicyInForce;
  readonly #clock: Clock;
  readonly #parts: MeshParts;
  /** What of the mesh the admin server may see. @internal */
  readonly observer: Observer;
  /** Shows the mesh over HTTP: `await mesh.admin.listen()`. */
  readonly admin: MeshAdmin;
  #stopFollowing: (() => void) | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(policy: Policy, dependencies: MeshDependencies) {
    this.#clock = dependencies.clock ?? systemClock;
    this.#inForce = new PolicyInForce(policy, this.#clock);
    this.#parts = new MeshParts(this.#inForce, dependencies, this.#clock, () => this.state !== 'open');
    const { observer, clients, forwards } = this.#parts;
    this.observer = observer;
    this.admin = new MeshAdmin(this, () => [...clients.targets(), ...forwards.targets()], this.#clock);
  }

  /** The policy in force, checked. */
  get policy(): Policy {
    return this.#inForce.policy;
  }

  /**
   * Puts another policy in force, in this turn and as a whole: calls that begin from now on see it, calls that are out end as they began.
   *
   * @param policy - The whole document, as `createMesh` takes it. What it says as before is not disturbed.
   * @throws ConfigError when it is wrong; then nothing has changed. @throws UsageError when the mesh is closed.
   */
  reload(policy: Policy): ReloadResult {
    if (this.state === 'closed') throw new UsageError('mesh.reload(): the mesh is closed');
    return this.#inForce.reload(policy, (next) => detached(() => this.#parts.reload(next)), this.observer.events.add);
  }

  /** Has `watch` follow a file for this mesh; what it gives ends that, with the mesh. @internal */
  follow(watch: (home: FollowHome) => () => void): void {
    const reload = (policy: Policy): void => void this.reload(policy);
    this.#stopFollowing = watch({ reload, inForce: this.#inForce, tell: this.observer.events.add, warn: this.#parts.warn });
  }

  /**
   * Everything, for any client built on grpc-js: `new Greeter(target, credentials, mesh.client())`, or spread into your own options.
   *
   * @param own - The client's own options; a service config in it is read, its retry policies become the mesh's. @throws ConfigError on a bad option.
   */
  client(own: ClientOptions = {}, options: MeshClientOptions = {}): ClientOptions {
    return this.#parts.clients.client(own, options);
  }

  /** What no interceptor can bring (balancing, batches): the options to use with {@link interceptors}. */
  options(own: ClientOptions = {}, options: MeshClientOptions = {}): ClientOptions {
    return this.#parts.clients.options(own, options);
  }

  /** The stack as interceptors: `new Greeter(target, credentials, { ...mesh.options(), interceptors: mesh.interceptors() })`. */
  interceptors(): Interceptor[] {
    return this.#parts.clients.interceptors();
  }

  /** A channel with the stack in front, for libraries that take one (nice-grpc). */
  channel(target: string, credentials: ChannelCredentials, options: ClientOptions = {}): Channel {
    // By shape it is one; libraries ask for the class, whose private field makes it nominal.
    return this.#parts.clients.channel(target, credentials, options) as unknown as Channel;
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
    return this.#parts.clients.wrap(client, options);
  }

  /**
   * A client of promises and async iterables, whose unary methods enter the mesh directly, typed by the service's definition:
   * `mesh.typed(GreeterService, target, credentials)`, with what ts-proto or grpc-tools generated, or `Greeter.service` of proto-loader.
   *
   * @param service - A service's definition. Methods are called by their names with a small first letter.
   * @param options - The client's own options, as {@link client} takes them; no interceptors.
   * @throws UsageError when it is no definition, or interceptors are given.
   */
  typed<Service extends object>(
    service: Service,
    target: string,
    credentials: ChannelCredentials,
    options: ClientOptions = {},
  ): TypedClient<Service> {
    return typedClient(this, service, target, credentials, options);
  }

  /**
   * The options of a server with ours in front of its interceptors: `new Server(mesh.server({ interceptors }))`, then
   * {@link attach} before the first `addService`. `MeshServer` does both.
   */
  server(options: ServerOptions = {}): ServerOptions {
    return this.#parts.servers.options(options);
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
    this.#parts.servers.attach(server, options);
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
    return this.#parts.batchHandlers.make(handler, options);
  }

  /** Handlers of a service, each a {@link batchHandler}; generated code has it typed. @throws ConfigError when one is for no unary method. */
  batchHandlers<Service extends object, Handlers extends BatchHandlersOf<Service>>(
    definition: Service,
    handlers: Handlers,
    options?: BatchHandlerOptions,
  ): BatchHandled<Service, Handlers> {
    return batchHandlersOf(this, definition, handlers, options);
  }

  /**
   * Handlers that run in worker threads, off the main thread; {@link close} ends them.
   *
   * @throws ConfigError on a bad option. A module that does not load rejects `workers.ready`.
   */
  workers(options: WorkersOptions): Workers {
    return this.#parts.workers.make(options);
  }

  /**
   * The way to back-end nodes: `mesh.forward({ target, credentials }).addTo(server, Greeter.service)` hands the unary calls of a
   * service on as bytes, each call and each item of a batch to the node that the balancer chooses for it.
   *
   * @throws ConfigError on a bad option.
   */
  forward(options: ForwardOptions): Forward {
    return this.#parts.forwards.make(options);
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
    return this.#parts.breakers.handle(`/${method}`);
  }

  /**
   * What holds for one method: every field of the policy, each with where its value comes from. A call's own options win over all of it.
   *
   * @param method - `pkg.Service/Method`, known or not.
   * @param target - As a client of this mesh was given it: with a service config of its own other rules may hold for its calls.
   * @throws ConfigError when it is no such name.
   */
  explain(method: string, target?: string): ExplainView {
    const own = target === undefined ? undefined : (this.#parts.clients.rulesFor(target) ?? this.#parts.forwards.rulesFor(target));
    return explain(own ?? this.#parts.table, method);
  }

  /** `draining` after {@link drain}, `closed` from {@link close} on. */
  get state(): MeshState {
    return this.#closing !== undefined ? 'closed' : this.#draining ? 'draining' : 'open';
  }

  /**
   * Sends those away who call its servers: `/readyz` says 503 from now on, tunnels end when they have answered, connections are told to
   * go elsewhere (GOAWAY). Servers go on listening, and calls are served and made as before, for others are slow to notice.
   *
   * @param graceMs - Connections with calls still on them after that time are cut off, in ms, >= 0. Default 10,000.
   */
  drain(graceMs = 10_000): void {
    if (this.state !== 'open') return;
    this.#draining = true;
    this.observer.events.add({ kind: 'mesh.drain', subject: 'mesh', text: 'sends its callers elsewhere' });
    this.#parts.servers.drain(graceMs);
  }

  /** Everything there is to see of the mesh at once, ready for JSON: what the live page shows. */
  overview(): OverviewView {
    return this.observer.overview();
  }

  /** Counts since the mesh was made. */
  stats(): MeshStats {
    return this.#parts.stats();
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
    this.observer.events.add({
      kind: 'mesh.drain',
      subject: 'mesh',
      text: `takes no more calls; ${this.#parts.counts.client.active} are out`,
    });
    this.#parts.clients.refuse();
    this.#parts.forwards.refuse();
    this.#stopFollowing?.();
    this.#parts.close();
    const workers = this.#parts.workers.close(drainMs);
    await callsEnd(this.#parts, this.#clock, drainMs);
    this.#parts.clients.close();
    this.#parts.forwards.close();
    await workers;
    await this.admin.close();
    this.observer.events.add({ kind: 'mesh.closed', subject: 'mesh', text: 'is closed' });
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

/** A mesh with the policy of a YAML or JSON file; `{ watch: true }` follows it. Rejects with ConfigError naming file, line and column. */
export async function loadMesh(path: string, options: LoadOptions = {}): Promise<Mesh> {
  const { openMesh } = await import('./mesh-file.ts');
  return openMesh(path, options, (policy, dependencies) => new Mesh(policy, dependencies));
}
