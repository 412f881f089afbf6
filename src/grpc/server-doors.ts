/**
 * The servers of one mesh.
 *
 * @packageDocumentation
 */
import { Server, type ServerInterceptor, type ServerOptions } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { ConfigError, UsageError } from '../errors.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';
import type { StartServedCarrier } from '../observe/carrier-span.ts';
import type { BatchLimits } from './batch-service.ts';
import type { PortSecurity } from './port-security.ts';
import type { ServerLayer } from './server-call.ts';
import { ServerHost } from './server-host.ts';
import type { ServerForce, ServerHostOptions } from './server-host-options.ts';
import { watchPorts } from './server-shadow.ts';

/** What policy says to servers, for calls that begin now. */
export interface ServerRulesInForce {
  readonly layer: ServerLayer;
  readonly carriers: boolean;
  readonly tunnels: boolean;
  readonly limits: BatchLimits;
  /** A guard is among the layers: servers made elsewhere, which it would not stand in front of, are refused. */
  readonly guarded: boolean;
}

export interface ServerDoorsOptions {
  readonly force: ServerRulesInForce;
  readonly carrierSpan: StartServedCarrier;
  readonly batchMetrics?: ServerBatchMetrics | undefined;
  readonly clock: Clock;
  readonly warn: (line: string) => void;
  /** Learns which ports are TLS. */
  readonly ports: PortSecurity;
}

/** Lists that a user names for a server made elsewhere. */
interface Lists {
  readonly interceptors?: readonly ServerInterceptor[];
  readonly credentialInterceptors?: readonly ServerInterceptor[];
}

const NOT_GUARDED =
  'mesh.attach(server): policy.server.authorization would not be in force on a server made elsewhere; make it with mesh.server(), or put authorizationServerInterceptor() into its list and leave the policy out here';

export class ServerDoors {
  readonly #options: ServerDoorsOptions;
  /** Options that were given out and not attached yet. */
  readonly #waiting = new Map<ServerOptions, ServerHost>();
  readonly #hosts = new Set<ServerHost>();

  /** Where they listen. */
  readonly #bound: { readonly server: Server; readonly address: string }[] = [];

  /** The same object for all hosts, which read it for every call. */
  readonly #force: { -readonly [Key in keyof ServerForce]: ServerForce[Key] };
  #guarded: boolean;

  constructor(options: ServerDoorsOptions) {
    const { force } = options;
    this.#options = options;
    this.#guarded = force.guarded;
    this.#force = { ...force, capability: capabilityOf(force) };
  }

  /** @throws ConfigError when these rules want a guard, and a server of this mesh can't have one. */
  check({ guarded }: ServerRulesInForce): void {
    if (guarded && [...this.#hosts].some((host) => !host.guarded))
      throw new ConfigError(
        'policy.server.authorization',
        'would not be in force on a server made elsewhere, which this mesh is attached to',
      );
  }

  /** From now on this is in force. Calls that have begun go on as they began, in their batches and on their tunnels. */
  take(force: ServerRulesInForce): void {
    const { layer, carriers, tunnels, limits } = force;
    const ends = this.#force.carriers && this.#force.tunnels && !(carriers && tunnels);
    this.#guarded = force.guarded;
    // Clients that were told of more send more until they hear otherwise: what they were told holds.
    const most = Math.max(limits.maxItems, this.#force.limits.maxItems);
    Object.assign(this.#force, { layer, carriers, tunnels, limits: { maxItems: most }, capability: capabilityOf(force) });
    if (ends) for (const host of this.#hosts) host.endTunnels();
  }

  /** Tells everybody who is connected to go elsewhere; what still runs after the grace time is cut off. They go on listening. */
  drain(graceMs: number): void {
    for (const { server, address } of this.#bound) {
      if (/:\d+$|^unix:/.test(address)) server.drain(address, graceMs); // no injector has an address
    }
  }

  options(given: ServerOptions): ServerOptions {
    const host = this.#host({ interceptors: given.interceptors ?? [], fused: true, credentialInterceptors: undefined });
    const options: ServerOptions = { ...given, interceptors: [host.interceptor] };
    this.#waiting.set(options, host);
    return options;
  }

  attach(server: Server, given?: ServerOptions | Lists): void {
    if (!(server instanceof Server)) {
      throw new UsageError(
        'mesh.attach(server): this is not a Server of the @grpc/grpc-js that inmesh uses; if it is one, two copies of it are installed (see `npm ls @grpc/grpc-js`)',
      );
    }
    const host = this.#hostFor(given);
    host.attach(server);
    this.#options.ports.watch(server);
    watchPorts(
      server,
      (_credentials, address) => address,
      (port, address) => this.#bound.push({ server, address: port === undefined ? address : address.replace(/:\d+$/, `:${port}`) }),
    );
    if (host.carriersOff !== undefined) this.#options.warn(`no batches are served: ${host.carriersOff}`);
  }

  #hostFor(given: ServerOptions | Lists | undefined): ServerHost {
    const known = given === undefined ? undefined : this.#waiting.get(given as ServerOptions);
    if (known !== undefined) {
      this.#waiting.delete(given as ServerOptions);
      return known;
    }
    const { interceptors, credentialInterceptors } = (given ?? {}) as Lists;
    if (interceptors !== undefined) return this.#host({ interceptors, fused: false, credentialInterceptors });
    const [only, another] = this.#waiting;
    if (another !== undefined) {
      throw new UsageError(
        'mesh.attach(server): several servers wait to be attached; say which: const options = mesh.server(...); const server = new Server(options); mesh.attach(server, options)',
      );
    }
    if (only === undefined) return this.#host({ interceptors: undefined, fused: false, credentialInterceptors });
    const [options, host] = only;
    this.#waiting.delete(options);
    host.tell(credentialInterceptors);
    return host;
  }

  #host(part: Pick<ServerHostOptions, 'interceptors' | 'fused' | 'credentialInterceptors'>): ServerHost {
    if (!part.fused && this.#guarded) throw new UsageError(NOT_GUARDED);
    const host = new ServerHost({ ...this.#options, force: this.#force, ...part });
    this.#hosts.add(host);
    return host;
  }

  stats(): { carriers: number; tunnels: number; items: number } {
    let carriers = 0;
    let tunnels = 0;
    let items = 0;
    for (const { stats } of this.#hosts) {
      carriers += stats.carriers;
      tunnels += stats.tunnels;
      items += stats.items;
    }
    return { carriers, tunnels, items };
  }
}

/** What servers tell of themselves with their answers. */
function capabilityOf({ limits, tunnels }: ServerRulesInForce): string {
  return `1;items=${limits.maxItems}${tunnels ? ';tunnels' : ''}`;
}
