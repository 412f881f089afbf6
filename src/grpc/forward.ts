/**
 * A front node: unary calls of a service are handed on to back-end nodes, as the bytes that they are.
 *
 * Every call, and every item of a batch, is one call on a channel of the mesh. So the balancer spreads a batch over the nodes,
 * what goes to one node is coalesced again, and what fails is retried as policy says, each call for itself.
 *
 * @packageDocumentation
 */
import type {
  ChannelCredentials,
  ChannelInterface,
  ClientOptions,
  handleUnaryCall,
  Metadata,
  MethodDefinition,
  Server,
  ServerUnaryCall,
  ServiceDefinition,
  StatusObject,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Code, type MethodKind } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import { type CallListener, type ClientCall, NO_CONTEXT } from './client-call.ts';
import { endToEnd, isEmpty } from './forward-metadata.ts';

/** Where calls are handed on to. */
export interface ForwardOptions {
  /** The back-end nodes, as grpc-js names them, e.g. `dns:///workers:50051`. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Options of the channel to them. Default none. */
  readonly options?: ClientOptions;
  /** Methods that are handed on, `pkg.Service/Method` or `pkg.Service`. Default: every unary one that is not served here. */
  readonly methods?: readonly string[];
  /** Most calls that go to one node in one batch, 2 to 1024, so that a large batch is spread. Default 16, or the policy's if less. */
  readonly maxItems?: number;
}

/** The same with every value decided. */
export type ForwardRules = Required<ForwardOptions>;

const KEYS = ['target', 'credentials', 'options', 'methods', 'maxItems'] as const satisfies readonly (keyof ForwardOptions)[];

/** @throws ConfigError on a bad option. */
export function resolveForwardOptions(given: ForwardOptions): ForwardRules {
  checkedObject(given, KEYS, 'forward');
  const { target, credentials, options = {}, methods = [] } = given;
  if (typeof target !== 'string' || target === '')
    throw new ConfigError('forward.target', `expected the address of the nodes, got ${show(target)}`);
  if (!Array.isArray(methods)) throw new ConfigError('forward.methods', `expected a list of names, got ${show(methods)}`);
  const maxItems = checkedNumber(given.maxItems, 16, { min: 2, max: 1024, integer: true }, 'forward.maxItems');
  return { target, credentials, options, methods, maxItems };
}

/** A service of a front node, ready for `addService`. */
export interface ForwardedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type LooseDefinition = MethodDefinition<unknown, unknown>;
/** A channel that can be told what kind of call comes. */
export interface ForwardChannel extends ChannelInterface {
  describe(method: string, kind: MethodKind, options: undefined): ChannelInterface;
}

/** The way from a front node to its back-end nodes. Made by `mesh.forward()`; closed with the mesh. */
export class Forward {
  readonly #channel: ForwardChannel;
  readonly #methods: readonly string[];

  /** @internal */
  constructor(channel: ForwardChannel, methods: readonly string[]) {
    this.#channel = channel;
    this.#methods = methods;
  }

  /** Hands a service on: `addService` with {@link service}. @throws ConfigError when a name in `methods` is none of the service. */
  addTo(server: Server, service: ServiceDefinition, local: UntypedServiceImplementation = {}): void {
    const { definition, implementation } = this.service(service, local);
    server.addService(definition, implementation);
  }

  /**
   * The service for a front node's `addService`: its unary methods are handed on, and their messages are never decoded here.
   *
   * @param local - Handlers of methods that this node serves itself, streams among them: a stream without one is UNIMPLEMENTED.
   * @throws ConfigError when a name in `methods` is none of the service.
   */
  service(service: ServiceDefinition, local: UntypedServiceImplementation = {}): ForwardedService {
    this.#checkNames(service);
    const definition: Record<string, LooseDefinition> = {};
    const implementation: UntypedServiceImplementation = { ...local };
    for (const [name, method] of Object.entries(service) as [string, LooseDefinition & { originalName?: string }][]) {
      definition[name] = method;
      const isLocal = local[name] !== undefined || (method.originalName !== undefined && local[method.originalName] !== undefined);
      if (isLocal || method.requestStream || method.responseStream || !this.#isHandedOn(method.path)) continue;
      definition[name] = { ...method, requestDeserialize: identity, responseSerialize: identity } as LooseDefinition;
      implementation[name] = this.#handler(method.path) as handleUnaryCall<unknown, unknown>;
    }
    return { definition, implementation };
  }

  /** Closes the way to the nodes. Calls that are out end as those of a closed channel do. */
  close(): void {
    this.#channel.close();
  }

  #isHandedOn(path: string): boolean {
    if (this.#methods.length === 0) return true;
    const name = path.slice(1);
    return this.#methods.some((one) => one === name || one === name.slice(0, name.lastIndexOf('/')));
  }

  #checkNames(service: ServiceDefinition): void {
    const names = Object.values(service).map(({ path }) => path.slice(1));
    const services = new Set(names.map((name) => name.slice(0, name.lastIndexOf('/'))));
    this.#methods.forEach((one, index) => {
      if (!services.has(one.split('/')[0] ?? '') || services.has(one) || names.includes(one)) return;
      const meant = nearest(one, names);
      throw new ConfigError(`forward.methods[${index}]`, `no such method: ${show(one)}${meant ? `; did you mean ${meant}?` : ''}`);
    });
  }

  #handler(path: string): handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      if (call.cancelled) return; // while it waited for its turn
      new ForwardedCall(call, callback).begin(this.#channel.describe(path, 'unary', undefined), path);
    };
  }
}

/** One call between two hops: it listens to the node, and answers the caller. */
class ForwardedCall implements CallListener {
  readonly #call: ServerUnaryCall<Buffer, Buffer>;
  readonly #callback: sendUnaryData<Buffer>;
  #response: Buffer | undefined;
  #over = false;

  constructor(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
    this.#call = call;
    this.#callback = callback;
  }

  begin(channel: ChannelInterface, path: string): void {
    let onward: ClientCall;
    try {
      onward = channel.createCall(path, this.#call.getDeadline(), undefined, null, undefined) as ClientCall;
    } catch {
      this.#fail(Code.UNAVAILABLE, 'inmesh: the way to the back-end nodes was closed');
      return;
    }
    this.#call.once('cancelled', () => {
      // grpc-js says so after every call; this one may be over long since.
      if (!this.#over) onward.cancelWithStatus(Code.CANCELLED, 'Cancelled');
    });
    onward.start(endToEnd(this.#call.metadata), this);
    onward.startRead();
    onward.sendMessageWithContext(NO_CONTEXT, this.#call.request);
    onward.halfClose();
  }

  onReceiveMetadata(metadata: Metadata): void {
    const headers = endToEnd(metadata);
    if (!isEmpty(headers)) this.#call.sendMetadata(headers);
  }
  onReceiveMessage(message: unknown): void {
    this.#response = message as Buffer;
  }
  onReceiveStatus({ code, details, metadata }: StatusObject): void {
    this.#over = true;
    const trailers = endToEnd(metadata);
    if (code !== Code.OK) this.#callback({ code, details }, null, trailers);
    else if (this.#response === undefined) this.#fail(Code.INTERNAL, 'inmesh: the back-end node answered OK without a message');
    else this.#callback(null, this.#response, trailers);
  }

  #fail(code: number, details: string): void {
    this.#over = true;
    this.#callback({ code, details });
  }
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}
