/**
 * The server half around one grpc-js `Server`: one fused interceptor, a record of the handlers, and carriers.
 *
 * Carriers are served only where the whole list of interceptors is known, for an item must meet every interceptor that a
 * call of its own meets. A `Server`'s lists can't be read, so they come from whoever made it: the options composed by
 * `mesh.server()`, or what `mesh.attach()` is told. In every other case no carrier is served or advertised, and a line says why.
 *
 * Only public members of grpc-js are used: `register`, `unregister`, `bindAsync` and `createConnectionInjector` are
 * shadowed on the instance.
 *
 * @packageDocumentation
 */
import {
  type handleUnaryCall,
  Metadata,
  type Server,
  type ServerCredentials,
  type ServerInterceptor,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { TUNNEL_WINDOW } from '../batch/tunnel-rule.ts';
import { Turns } from '../batch/turns.ts';
import { Code, type MethodKind, splitMethod } from '../call.ts';
import { UsageError } from '../errors.ts';
import { BatchService } from './batch-service.ts';
import { kindOf } from './door.ts';
import { AdvertisingCall, type AnyHandler, guardStream, guardUnary, type UnaryMethod, withCapability } from './handlers.ts';
import { type Chain, ItemRunner } from './item-runner.ts';
import { BATCH_SUFFIX, CAPABILITY_KEY, TUNNEL_PATH } from './metadata.ts';
import { type CarrierHost, listBehind, type PortList, PortLists } from './port-lists.ts';
import type { TunnelStream } from './served-tunnel.ts';
import type { ServerCall } from './server-call.ts';
import { FusedServerCall } from './server-door.ts';
import type { ServerForce, ServerHostOptions } from './server-host-options.ts';
import { onDrain, watchPorts } from './server-shadow.ts';
import { TunnelService } from './tunnel-service.ts';

/** Servers that have been attached, so that none is twice. */
const ATTACHED = new WeakSet<Server>();

type LooseSerialize = (value: unknown) => Buffer;
/** `Server.register` without its type parameters, which a recorder of every method can't name. */
type LooseRegister = (
  name: string,
  handler: AnyHandler,
  serialize: LooseSerialize,
  deserialize: (bytes: Buffer) => unknown,
  type: string,
) => boolean;

export class ServerHost implements CarrierHost {
  readonly #options: ServerHostOptions;
  readonly #methods = new Map<string, MethodKind>();
  readonly #ports = new PortLists();
  /** Carriers that came through our own fused interceptor, with the port they came by. */
  readonly #seen = new WeakMap<Metadata, ReturnType<ServerCall['getConnectionInfo']>>();
  readonly #said = new Set<string>();
  readonly #unary = new Map<string, UnaryMethod>();
  readonly #batches: BatchService;
  readonly #tunnels: TunnelService;
  readonly #force: ServerForce;
  #attached = false;
  #tunnelsServed = false;
  /** Why no carrier is served, whatever policy says. */
  readonly #never: string | undefined;
  /** The list for ports that were bound before we could see it; undefined: not told. */
  #told: readonly ServerInterceptor[] | undefined;

  constructor(options: ServerHostOptions) {
    this.#options = options;
    const { clock, force } = options;
    this.#force = force;
    const runner = new ItemRunner(clock);
    const limits = {
      get maxItems() {
        return force.limits.maxItems;
      },
      window: TUNNEL_WINDOW,
    };
    const turns = new Turns(clock);
    this.#batches = new BatchService(clock, limits, options.carrierSpan, runner, turns, options.batchMetrics);
    this.#tunnels = new TunnelService(clock, limits, runner, turns, options.batchMetrics);
    this.#told = options.credentialInterceptors;
    if (options.interceptors === undefined) this.#never = 'the interceptors of this server are not known';
  }

  get #off(): string | undefined {
    return this.#force.carriers ? this.#never : 'policy.server.carriers is false';
  }

  /** Whether our own layers stand in front of its handlers. */
  get guarded(): boolean {
    return this.#options.fused;
  }

  /** Policy has no tunnels any more: each ends once it has answered what it took. */
  endTunnels(): void {
    this.#tunnels.drain();
  }

  /** Why no carrier is served; undefined when they are. */
  get carriersOff(): string | undefined {
    return this.#attached ? this.#off : 'mesh.attach(server) was not called';
  }
  get stats(): { readonly carriers: number; readonly tunnels: number; readonly items: number } {
    const { carriers, items } = this.#batches;
    return { carriers, tunnels: this.#tunnels.tunnels, items: items + this.#tunnels.items };
  }

  /** The one interceptor of a server made with `mesh.server()`: our layers, then the user's, for every call but carriers. */
  readonly interceptor: ServerInterceptor = (definition, call) => {
    const { path } = definition;
    if (
      this.#attached &&
      (path === TUNNEL_PATH || (path.endsWith(BATCH_SUFFIX) && this.#methods.has(path.slice(0, -BATCH_SUFFIX.length))))
    ) {
      // The carrier itself meets nothing: each of its items meets everything.
      return new FusedServerCall(call, (metadata) => this.#seen.set(metadata, call.getConnectionInfo()));
    }
    if (this.#attached && !this.#methods.has(path)) {
      this.#say(`late:${path}`, `mesh.attach(server) came after addService for ${path}: it is served without batches`);
    }
    const kind = kindOf(definition.requestStream, definition.responseStream);
    const wire = this.#off === undefined && this.#methods.get(path) === 'unary' ? new AdvertisingCall(call, this.#advertise) : call;
    let chain: ServerCall = this.#force.layer({ method: path, kind, item: undefined, story: undefined }, wire);
    for (const interceptor of this.#options.interceptors ?? []) chain = interceptor(definition, chain);
    return new FusedServerCall(chain);
  };

  /** The list in the credentials of ports that are bound already. */
  tell(credentialInterceptors: readonly ServerInterceptor[] | undefined): void {
    this.#told ??= credentialInterceptors;
  }

  /** Shadows `register` and the rest. @throws UsageError when the server has been attached before. */
  attach(server: Server): void {
    if (ATTACHED.has(server)) throw new UsageError('mesh.attach(server): this server is attached already');
    ATTACHED.add(server);
    this.#attached = true;
    const register = server.register.bind(server) as LooseRegister;
    const unregister = server.unregister.bind(server);
    const record: LooseRegister = (name, handler, serialize, deserialize, type) => {
      const kind = type as MethodKind;
      if (splitMethod(name).method.endsWith(BATCH_SUFFIX)) {
        throw new UsageError(`${name}: method names that end in ${BATCH_SUFFIX} are inmesh's own`);
      }
      if (kind !== 'unary') {
        const done = register(name, guardStream(handler, kind), serialize, deserialize, type);
        if (done) this.#methods.set(name, kind);
        return done;
      }
      const guarded = guardUnary(handler as handleUnaryCall<unknown, unknown>, this.#advertise);
      if (!register(name, guarded as AnyHandler, serialize, deserialize, type)) return false;
      this.#methods.set(name, kind);
      this.#serveTunnels(register);
      const definition = {
        path: name,
        requestStream: false,
        responseStream: false,
        responseSerialize: serialize,
        requestDeserialize: deserialize,
      };
      const method: UnaryMethod = { path: name, handler: guarded, serialize, deserialize, definition };
      this.#unary.set(name, method);
      register(name + BATCH_SUFFIX, this.#carrierHandler(method) as AnyHandler, identity as LooseSerialize, identity, 'serverStream');
      return true;
    };
    server.register = record as Server['register'];
    server.unregister = (name: string): boolean => {
      if (this.#methods.get(name) === 'unary') unregister(name + BATCH_SUFFIX);
      this.#methods.delete(name);
      this.#unary.delete(name);
      return unregister(name);
    };
    watchPorts(
      server,
      (credentials, where) => this.#listOf(credentials, where),
      (port, list) => this.#ports.add(port, list),
    );
    onDrain(server, () => this.#tunnels.drain());
  }

  /** Carriers of a method of ours, at a port whose list is this one: the list has nothing to say to them, only to their items. */
  takesCarrier(path: string, port: number | undefined, list: PortList): boolean {
    const ours = path === TUNNEL_PATH || this.#methods.get(path.slice(0, -BATCH_SUFFIX.length)) === 'unary';
    return this.#off === undefined && ours && this.#ports.at(port) === list;
  }

  /** With the first method: a server that is only attached stays as it was. */
  #serveTunnels(register: LooseRegister): void {
    if (this.#tunnelsServed) return;
    this.#tunnelsServed = true;
    const handler = (stream: TunnelStream): void => {
      const { tunnels } = this.#force;
      const fromPort = tunnels ? this.#admit(stream, 'a tunnel') : undefined;
      if (fromPort === undefined) {
        if (!tunnels) stream.emit('error', { code: Code.UNIMPLEMENTED, details: 'inmesh: no tunnels here' });
        return;
      }
      this.#tunnels.serve(stream, {
        find: (path) => this.#unary.get(path),
        chain: this.#chain(fromPort.list),
        connection: fromPort.connection,
      });
    };
    register(TUNNEL_PATH, handler as AnyHandler, identity as LooseSerialize, identity, 'bidi');
  }

  #listOf(credentials: ServerCredentials, where: string): PortList | undefined {
    const list = listBehind(credentials, this) ?? this.#told;
    if (list === undefined) {
      this.#say(
        `port:${where}`,
        `${where}: no batches are served here, for its credentials carry interceptors that inmesh can't see; make them with inmesh's serverCredentialsWithInterceptors, or name them in mesh.attach(server, { credentialInterceptors })`,
      );
    }
    return list;
  }

  readonly #advertise = (trailers: Metadata | undefined): Metadata | undefined => {
    if (this.#off !== undefined) return trailers;
    if (this.#ports.size > 0 ? !this.#ports.any : this.#told === undefined) {
      if (this.#ports.size === 0)
        this.#say(
          'early',
          'no batches are served: the server was bound before mesh.attach(server), so what its credentials carry is not known; attach first, or say mesh.attach(server, { credentialInterceptors: [] })',
        );
      return trailers;
    }
    return withCapability(trailers, () => new Metadata(), this.#force.capability);
  };

  #carrierHandler(method: UnaryMethod): (stream: ServerWritableStream<Buffer, Buffer>) => void {
    return (stream) => {
      const admitted = this.#admit(stream, `a batch of ${method.path}`);
      if (admitted !== undefined) this.#batches.serve(stream, method, this.#chain(admitted.list), admitted.connection);
    };
  }

  /** The chain that a call of its own meets which comes by a port with this list. */
  #chain(fromPort: PortList): Chain {
    const { fused, interceptors = [] } = this.#options;
    return {
      ours: fromPort.length === 0 && interceptors.length === 0,
      above: ({ path, definition }, call, item) => {
        let chain: ServerCall = call;
        for (const interceptor of fromPort) chain = interceptor(definition, chain);
        if (fused) chain = this.#force.layer({ method: path, kind: 'unary', item, story: undefined }, chain);
        for (const interceptor of interceptors) chain = interceptor(definition, chain);
        return chain;
      },
    };
  }

  /** Ends a carrier that may not be served; else says what its items must meet. */
  #admit(
    stream: CarrierStream,
    what: string,
  ): { readonly list: PortList; readonly connection: ReturnType<ServerCall['getConnectionInfo']> } | undefined {
    const why = this.#off ?? this.#foreign(stream.metadata);
    if (why !== undefined) {
      this.#say(`off:${why}`, `${what} was turned away: ${why}`);
      stream.emit('error', { code: Code.UNIMPLEMENTED, details: `inmesh: no batches here: ${why}` });
      return undefined;
    }
    const connection = this.#seen.get(stream.metadata) ?? {};
    const list = this.#listFor(connection.localPort);
    if (list === undefined) {
      stream.emit('error', { code: Code.UNIMPLEMENTED, details: 'inmesh: no batches on this port' });
      return undefined;
    }
    stream.metadata.remove(CAPABILITY_KEY);
    return { list, connection };
  }

  /** A server whose interceptor is ours shows us every carrier first; one that did not belongs to another server. */
  #foreign(metadata: Metadata): string | undefined {
    if (!this.#options.fused || this.#seen.has(metadata)) return undefined;
    return 'the server was not made with the options of this mesh.server()';
  }

  /** What items must meet that came by this port. In a server built elsewhere the port is not known: then all must have the same. */
  #listFor(port: number | undefined): PortList | undefined {
    if (this.#options.fused) return this.#ports.has(port) ? this.#ports.at(port) : this.#told;
    return this.#ports.size > 0 ? this.#ports.only : this.#told;
  }

  #say(key: string, line: string): void {
    if (this.#said.has(key) || this.#said.size >= 100) return;
    this.#said.add(key);
    this.#options.warn(line);
  }
}

type CarrierStream = Pick<TunnelStream, 'metadata'> & { emit(event: 'error', error: object): unknown };

function identity(bytes: Buffer): Buffer {
  return bytes;
}
