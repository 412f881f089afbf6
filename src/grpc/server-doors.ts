/**
 * The servers of one mesh.
 *
 * @packageDocumentation
 */
import { Server, type ServerInterceptor, type ServerOptions } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { UsageError } from '../errors.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';
import type { StartServedCarrier } from '../observe/carrier-span.ts';
import type { BatchLimits } from './batch-service.ts';
import type { PortSecurity } from './port-security.ts';
import type { ServerLayer } from './server-call.ts';
import { ServerHost, type ServerHostOptions } from './server-host.ts';
import { watchPorts } from './server-shadow.ts';

export interface ServerDoorsOptions {
  readonly layer: ServerLayer;
  readonly carriers: boolean;
  readonly tunnels: boolean;
  readonly limits: BatchLimits;
  readonly carrierSpan: StartServedCarrier;
  readonly batchMetrics?: ServerBatchMetrics | undefined;
  readonly clock: Clock;
  readonly warn: (line: string) => void;
  /** Learns which ports are TLS. With it servers made elsewhere are refused: the guard that asks would not stand in front of them. */
  readonly ports?: PortSecurity | undefined;
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

  constructor(options: ServerDoorsOptions) {
    this.#options = options;
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
    this.#options.ports?.watch(server);
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
    if (!part.fused && this.#options.ports !== undefined) throw new UsageError(NOT_GUARDED);
    const host = new ServerHost({ ...this.#options, ...part });
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
