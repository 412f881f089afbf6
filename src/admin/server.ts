/**
 * The admin server of a mesh: what it shows of itself, over HTTP.
 *
 * @packageDocumentation
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { UsageError } from '../errors.ts';
import { Guard } from './guard.ts';
import { Handler } from './handler.ts';
import type { AdminRules } from './options.ts';
import { PAGE } from './page.gen.ts';
import type { AdminSource } from './source.ts';
import { Streams } from './streams.ts';

/** Limits of what a caller may cost. */
const LIMITS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 5_000,
} as const;
const MAX_CONNECTIONS = 256;
/** A caller that reads nothing for so long is let go. Streams have a heartbeat. */
const IDLE_MS = 60_000;

/** An admin server that listens. Made by `mesh.admin.listen()`. */
export class AdminServer {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** Where this machine finds it: `http://127.0.0.1:9902`. */
  readonly url: string;
  readonly #server: Server;
  readonly #streams: Streams;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(server: Server, streams: Streams) {
    const { address, port } = server.address() as AddressInfo;
    this.host = address;
    this.port = port;
    // What listens everywhere is asked for at loopback: `0.0.0.0` is no Host.
    const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
    this.url = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
    this.#server = server;
    this.#streams = streams;
  }

  /** Ends streams and connections, and listens no more. Never rejects; a second call gives the same end. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#streams.close();
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }
}

/**
 * Opens an admin server.
 *
 * @throws UsageError when the port is taken, or the address is not this machine's.
 */
export async function openAdminServer(source: AdminSource, rules: AdminRules, clock: Clock): Promise<AdminServer> {
  const streams = new Streams(clock);
  const handler = new Handler({ source, guard: new Guard(rules), streams, page: PAGE });
  const server = createServer(LIMITS, (request, response) => handler.handle(request, response));
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  if (!rules.keepAlive) server.on('connection', (socket) => socket.unref());
  await listening(server, rules);
  if (!rules.keepAlive) server.unref();
  return new AdminServer(server, streams);
}

function listening(server: Server, { host, port }: AdminRules): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // of accepting a connection: the others go on
      resolve();
    });
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): UsageError {
  const where = `mesh.admin.listen(): port ${port} of ${host}`;
  const advice =
    error.code === 'EADDRINUSE'
      ? 'is taken, maybe by another process that is looked at; give another one, or { port: 0 } for any that is free'
      : error.code === 'EACCES'
        ? 'needs more rights than this process has; give one from 1024 on'
        : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
          ? "can't be opened, for this machine has no such address"
          : `can't be opened: ${error.message}`;
  return Object.assign(new UsageError(`${where} ${advice}`), { cause: error });
}
