/**
 * Which ports of a mesh's servers are TLS.
 *
 * grpc-js shows a connection without client certificate the same way whether it is TLS or plaintext, so what a port is has to
 * be known from its credentials.
 *
 * @packageDocumentation
 */
import type { Server } from '@grpc/grpc-js';
import { isSecure } from './port-lists.ts';
import { watchPorts } from './server-shadow.ts';

export class PortSecurity {
  /** Undefined: not known. Sockets without a port share the key undefined. */
  readonly #ports = new Map<number | undefined, boolean | undefined>();

  /** Notes the ports that a server opens from now on. */
  watch(server: Server): void {
    watchPorts(server, isSecure, (port, secure) => this.#note(port, secure));
  }

  /** Whether a port is TLS; undefined: not known. */
  at(port: number | undefined): boolean | undefined {
    return this.#ports.get(port);
  }

  /** One number may stand for several sockets; if they differ, nothing is known. */
  #note(port: number | undefined, secure: boolean | undefined): void {
    this.#ports.set(port, this.#ports.has(port) && this.#ports.get(port) !== secure ? undefined : secure);
  }
}
