/**
 * One scenario's stage: a server, clients made through the door under test, and the log.
 */
import {
  type ClientOptions,
  type Metadata,
  Server,
  type ServerOptions,
  type ServerUnaryCall,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Door } from './doors.ts';
import { Log } from './log.ts';
import { echo, type Handlers, type Note, type Notes, NotesClient, notesDefinition } from './service.ts';
import type { Transport, TransportName } from './transports.ts';

/** One behaviour of grpc-js, told as the lines that an observer writes down. */
export interface Scenario {
  readonly name: string;
  /** Default: all. Name one where the transport cannot matter. */
  readonly transports?: readonly TransportName[];
  readonly clientOptions?: ClientOptions;
  readonly serverOptions?: ServerOptions;
  /** `false`: `run` starts the server itself. Default: true. */
  readonly serve?: boolean;
  handlers?(rig: Rig): Partial<Handlers>;
  run(rig: Rig): Promise<void>;
}

/** What the four kinds of server call have in common, as far as we look. */
type ServerSurfaceCall = Pick<ServerUnaryCall<Note, Note>, 'metadata' | 'getPath' | 'getHost' | 'getPeer' | 'getDeadline'> & {
  on(event: string, listener: (...values: unknown[]) => void): unknown;
};

/** The events of a call that an app can listen to. */
interface Observable {
  on(event: 'metadata', listener: (metadata: Metadata) => void): unknown;
  on(event: 'status', listener: (status: StatusObject) => void): unknown;
  on(event: string, listener: (...values: unknown[]) => void): unknown;
}

/** How long a scenario waits for something that ought to come, in ms. */
const PATIENCE_MS = 5_000;

/** How long a server may take to finish calls whose clients are closed, in ms. */
const SHUTDOWN_MS = 3_000;

function kindOfDeadline(call: ServerSurfaceCall): string {
  const deadline = call.getDeadline();
  return Number(deadline) === Number.POSITIVE_INFINITY ? 'none' : 'set';
}

/** Lets the event loop turn `count` times, so that late events are seen. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when `open` was called; holds a handler until the scenario says so. */
export class Gate {
  readonly #opened = Promise.withResolvers<void>();
  readonly opened: Promise<void> = this.#opened.promise;
  open(): void {
    this.#opened.resolve();
  }
}

export class Rig {
  readonly log: Log = new Log();
  readonly door: Door;
  readonly transport: Transport;
  address = '';
  readonly #scenario: Scenario;
  readonly #servers: Server[] = [];
  readonly #clients: Notes[] = [];
  #client: Notes | undefined;

  constructor(door: Door, transport: Transport, scenario: Scenario) {
    this.door = door;
    this.transport = transport;
    this.#scenario = scenario;
  }

  /** The client with the scenario's options, made on first use. */
  get client(): Notes {
    this.#client ??= this.makeClient();
    return this.#client;
  }

  /** Another client. */
  makeClient(options: ClientOptions = {}, address: string = this.address): Notes {
    const merged = { ...this.#scenario.clientOptions, ...options };
    const client = this.door.makeClient(NotesClient, address, this.transport.clientCredentials(), merged);
    this.#clients.push(client);
    return client;
  }

  /** Starts a server and gives its address. */
  async serve(handlers: Partial<Handlers> = {}, port = 0): Promise<string> {
    const server = this.door.makeServer?.(this.#scenario.serverOptions ?? {}) ?? new Server(this.#scenario.serverOptions);
    server.addService(notesDefinition, { ...echo, ...handlers });
    this.#servers.push(server);
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, this.transport.serverCredentials(), (error, got) => (error ? reject(error) : resolve(got)));
    });
    return `localhost:${bound}`;
  }

  /** Opens the client's connection, so that a scenario does not depend on how long that takes. */
  async warm(client: Notes = this.client): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + PATIENCE_MS, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Writes down all events of a call, in their order. Resolves when the call is over and nothing more comes. */
  async watch(call: Observable, lane = 'client'): Promise<void> {
    const ended = Promise.withResolvers<void>();
    call.on('metadata', (metadata: Metadata) => this.log.add(lane, 'metadata', metadata));
    call.on('status', (status: StatusObject) => {
      this.log.add(lane, 'status', { code: status.code, details: status.details, metadata: status.metadata });
      ended.resolve();
    });
    if ('read' in call) {
      call.on('data', (message) => this.log.add(lane, 'data', message));
      call.on('end', () => this.log.add(lane, 'end'));
    }
    if ('read' in call || 'write' in call) {
      call.on('error', (error) => this.log.add(lane, 'error', error));
    }
    await this.patiently(ended.promise, `the status in lane ${lane}`);
    await turns();
  }

  /** Writes down what a handler can see of its call, and all that happens to it. Server events come after the client's: own lane. */
  watchServer(call: ServerSurfaceCall, lane = 'server'): void {
    this.log.add(lane, 'called', call.getPath(), call.metadata, {
      host: call.getHost(),
      peer: call.getPeer(),
      deadline: kindOfDeadline(call),
    });
    call.on('cancelled', () => this.log.add(lane, 'cancelled'));
    call.on('error', (error: unknown) => this.log.add(lane, 'error', error));
  }

  /** A unary callback that writes itself down. */
  callback(lane = 'client'): (error: ServiceError | null, value?: Note) => void {
    return (error, value) => this.log.add(lane, 'callback', error, value);
  }

  /** Waits for something that ought to come soon; says what was missing when it does not. */
  async patiently<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.door.name}, ${this.#scenario.name}: waited in vain for ${what}`)), PATIENCE_MS);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the clients, then lets the servers finish what they do: only then is the log complete. */
  async close(): Promise<void> {
    for (const client of this.#clients) {
      client.close();
    }
    await Promise.all(this.#servers.map((server) => this.stop(server)));
    await turns();
  }

  /** Ends all connections at once, as a crash would; also the end for scenarios that leave a call open on the wire. */
  killServers(): void {
    for (const server of this.#servers) {
      server.forceShutdown();
    }
  }

  /** Lets a server finish its calls; one that cannot is forced, which is an observation too. */
  async stop(server: Server): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.log.add('server', 'had to be forced to shut down');
        server.forceShutdown();
        resolve();
      }, SHUTDOWN_MS);
      server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Plays one scenario and gives what was seen. */
export async function play(door: Door, transport: Transport, scenario: Scenario): Promise<ReturnType<Log['lanes']>> {
  const rig = new Rig(door, transport, scenario);
  try {
    if (scenario.serve !== false) {
      rig.address = await rig.serve(scenario.handlers?.(rig));
    }
    await scenario.run(rig);
  } finally {
    await rig.close();
  }
  return rig.log.lanes();
}
