/**
 * The interceptors in the credentials of a server's ports: whose items must meet what.
 *
 * grpc-js keeps such a list to itself, so it is known only of credentials that were made here, or that carry none.
 *
 * @packageDocumentation
 */
import { experimental, ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { isCarrierPath } from './metadata.ts';
import type { ServerCall } from './server-call.ts';
import { FusedServerCall } from './server-door.ts';

/** The interceptors of one port, in their order. */
export type PortList = readonly ServerInterceptor[];

/** Whoever serves batches behind credentials. */
export interface CarrierHost {
  /** True when items of a carrier that came to `path` at this port will meet `list` each for itself. */
  takesCarrier(path: string, port: number | undefined, list: PortList): boolean;
}

interface Known {
  readonly list: PortList;
  readonly inner: ServerCredentials;
  readonly hosts: Set<CarrierHost>;
}

const KNOWN = new WeakMap<ServerCredentials, Known>();
const NONE: PortList = [];

/**
 * grpc-js's `experimental.createServerCredentialsWithInterceptors`, with the list kept, so that the items of a batch meet it
 * too, each for itself; a batch as such passes it by.
 */
export function serverCredentialsWithInterceptors(
  credentials: ServerCredentials,
  interceptors: readonly ServerInterceptor[],
): ServerCredentials {
  const known: Known = { list: [...interceptors], inner: credentials, hosts: new Set() };
  const all: ServerInterceptor = (definition, call) => {
    if (isCarrierPath(definition.path)) {
      const { localPort } = call.getConnectionInfo();
      for (const host of known.hosts) {
        if (host.takesCarrier(definition.path, localPort, known.list)) return new FusedServerCall(call);
      }
    }
    let chain: ServerCall = call;
    for (const interceptor of known.list) chain = interceptor(definition, chain);
    return chain instanceof ServerInterceptingCall ? chain : new FusedServerCall(chain);
  };
  const out = experimental.createServerCredentialsWithInterceptors(credentials, [all]);
  KNOWN.set(out, known);
  return out;
}

/** The list behind credentials; undefined when they carry one that we were not told. */
export function listBehind(credentials: ServerCredentials, host: CarrierHost): PortList | undefined {
  const known = KNOWN.get(credentials);
  if (known !== undefined) {
    known.hosts.add(host);
    return known.list;
  }
  return carriesInterceptors(credentials) ? undefined : NONE;
}

function carriesInterceptors(credentials: ServerCredentials): boolean {
  const WithInterceptors = experimental.createServerCredentialsWithInterceptors(ServerCredentials.createInsecure(), []).constructor;
  return credentials instanceof WithInterceptors;
}

/** Whether these credentials mean TLS; undefined when interceptors that we were not told of hide it. */
export function isSecure(credentials: ServerCredentials): boolean | undefined {
  const known = KNOWN.get(credentials);
  if (known !== undefined) return isSecure(known.inner);
  if (carriesInterceptors(credentials)) return undefined;
  return !(credentials instanceof ServerCredentials.createInsecure().constructor);
}

const same = (a: PortList | undefined, b: PortList | undefined): boolean => a === b || (a?.length === 0 && b?.length === 0);

/** The lists of one server's ports. What is not known, or not certain, is undefined: no batches there. */
export class PortLists {
  /** Sockets without a port share the key undefined. */
  readonly #lists = new Map<number | undefined, PortList | undefined>();

  /** A port was bound. One number may stand for several sockets; if their lists differ, none is certain. */
  add(port: number | undefined, list: PortList | undefined): void {
    this.#lists.set(port, this.#lists.has(port) && !same(this.#lists.get(port), list) ? undefined : list);
  }
  has(port: number | undefined): boolean {
    return this.#lists.has(port);
  }
  at(port: number | undefined): PortList | undefined {
    return this.#lists.get(port);
  }
  get size(): number {
    return this.#lists.size;
  }
  /** True when at least one list is known. */
  get any(): boolean {
    for (const list of this.#lists.values()) if (list !== undefined) return true;
    return false;
  }
  /** The list that all ports have, where they have one. */
  get only(): PortList | undefined {
    const [first, ...others] = this.#lists.values();
    return others.every((list) => same(list, first)) ? first : undefined;
  }
}
