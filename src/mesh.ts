/**
 * The mesh: one policy, and every way to put it around clients and servers.
 *
 * @packageDocumentation
 */
import type { Channel, ChannelCredentials, ClientOptions, Interceptor, Server, ServerInterceptor, ServerOptions } from '@grpc/grpc-js';
import { type CallCounts, noCounts, type OpenCall } from '../interceptors/count.ts';
import { Code } from './call.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Refusal } from './errors.ts';
import { ClientDoors } from './grpc/client-doors.ts';
import { type CoalesceCounts, emptyCounts } from './grpc/coalescer.ts';
import { localStatus } from './grpc/refuse.ts';
import { ServerDoors } from './grpc/server-doors.ts';
import { buildClientStack, buildServerLayer } from './mesh-stack.ts';
import type { Otel } from './observe/api.ts';
import { servedCarrierSpans } from './observe/carrier-span.ts';
import { parsePolicy } from './policy/parse.ts';
import type { Policy } from './policy/policy.gen.ts';
import { PolicyTable } from './policy/resolve.ts';
import { type Random, systemRandom } from './random.ts';

/** Things that a mesh uses and that tests or bundles may replace. */
export interface MeshDependencies {
  /** Default: the real clock. */
  readonly clock?: Clock;
  /** Default: `Math.random`. */
  readonly random?: Random;
  /** Takes the few lines that the mesh has to say (never metadata or messages). Default: `process.emitWarning`. */
  readonly warn?: (line: string) => void;
  /** The OpenTelemetry API, for bundles in which `@opentelemetry/api` can't be found at run time. Default: the installed one. */
  readonly otel?: Otel;
}

/** What `mesh.stats()` shows: plain numbers, ready for JSON. */
export interface MeshStats {
  readonly client: Readonly<CallCounts> & { readonly retries: number };
  readonly server: Readonly<CallCounts> & { readonly carriers: number; readonly items: number };
  readonly coalesce: Readonly<CoalesceCounts>;
  /** Endpoints by target, where the balancing is ours. */
  readonly endpoints: Readonly<Record<string, readonly EndpointStats[]>>;
}

/** One endpoint now. */
export interface EndpointStats {
  readonly address: string;
  readonly ready: boolean;
  /** Calls and items in flight. */
  readonly inFlight: number;
  /** Peak EWMA of its answers in ms; 0: unknown. */
  readonly latencyMs: number;
}

/** What `mesh.attach` can be told of a server that was not made with `mesh.server()`. */
export interface AttachOptions {
  /** Every server-wide interceptor of that server, in its order. */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Every interceptor in the credentials of its ports, in their order. */
  readonly credentialInterceptors?: readonly ServerInterceptor[];
}

/** One policy around clients and servers. Made by {@link createMesh} or {@link loadMesh}. */
export class Mesh {
  /** The policy in force, checked. */
  readonly policy: Policy;
  readonly #clock: Clock;
  readonly #counts = { client: noCounts(), server: noCounts(), coalesce: emptyCounts(), retries: 0 };
  readonly #clients: ClientDoors;
  readonly #servers: ServerDoors;
  readonly #open = new Set<OpenCall>();
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(policy: Policy, dependencies: MeshDependencies) {
    this.policy = policy;
    const { clock = systemClock, random = systemRandom } = dependencies;
    const said = dependencies.warn ?? warnProcess;
    const table = new PolicyTable(policy);
    this.#clock = clock;
    const settings = { table, clock, random, warn: said, otel: dependencies.otel };
    const stack = buildClientStack(settings, this.#counts, () => this.#idle?.(), this.#open);
    this.#clients = new ClientDoors({ table, policy, stack, clock, random, warn: said });
    this.#servers = new ServerDoors({
      layer: buildServerLayer(settings, this.#counts.server),
      carriers: table.server.carriers,
      limits: { maxItems: table.server.maxItems },
      carrierSpan: table.telemetry.traces ? servedCarrierSpans({ otel: dependencies.otel, clock }) : () => undefined,
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

  /** Counts since the mesh was made. */
  stats(): MeshStats {
    const { client, server, coalesce, retries } = this.#counts;
    return structuredClone({
      client: { ...client, retries },
      server: { ...server, ...this.#servers.stats() },
      coalesce,
      endpoints: this.#clients.endpoints(),
    });
  }

  /**
   * Takes no more calls, waits for those that are out, and closes the channels that the mesh made. Leaves no timer, no
   * socket. Servers are not touched. Never rejects; a second call gives the same end.
   *
   * @param drainMs - Longest wait for calls that are out; those that are out still end with UNAVAILABLE. Default 10,000.
   */
  close(drainMs = 10_000): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#clients.refuse();
    if (this.#counts.client.active > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimer(resolve, drainMs);
        this.#idle = () => {
          cancel();
          resolve();
        };
      });
      this.#idle = undefined;
      for (const call of [...this.#open]) call.end(localStatus(CLOSED_OVER_IT));
    }
    this.#clients.close();
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
  const { loadPolicy } = await import('./policy/load.ts');
  return new Mesh(await loadPolicy(path), dependencies);
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
