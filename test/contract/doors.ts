/**
 * The ways to make a client whose behaviour the contract compares with bare grpc-js.
 *
 * To put a door under the contract, add it to `doors`; nothing else has to change. Its stack is empty: what a behaviour
 * changes is that behaviour's own test. What the scenario asks for goes on: its channel options are merged, its
 * `interceptors` stand above ours, its `callInvocationTransformer` runs before ours.
 */
import {
  type ChannelCredentials,
  type ChannelInterface,
  type ClientOptions,
  InterceptingCall,
  type Interceptor,
  Server,
  type ServerOptions,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { type ChannelStack, createRawChannel, describeCalls, MeshChannel, RawChannel } from '../../src/grpc/channel-door.ts';
import type { ClientInterceptor } from '../../src/grpc/client-call.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Notes } from './service.ts';

/** How a client (and, for server halves, a server) is made. */
export interface Door {
  readonly name: string;
  makeClient(Ctor: ServiceClientConstructor, address: string, credentials: ChannelCredentials, options: ClientOptions): Notes;
  /** Default: a bare `Server`. */
  makeServer?(options: ServerOptions): Server;
}

/** Makes a client of the service with these options; the only place that gives the untyped class its type. */
function construct(Ctor: ServiceClientConstructor, address: string, credentials: ChannelCredentials, options: ClientOptions): Notes {
  return new Ctor(address, credentials, options) as unknown as Notes;
}

/** The yardstick. */
export const bare: Door = {
  name: 'bare',
  makeClient: construct,
  makeServer: (options) => new Server(options),
};

const passOn: ClientInterceptor = (info, next) => next(info);

/** `count` behaviours that do nothing, one below the other. */
function interceptorDoor(name: string, count: number): Door {
  const ours = Array.from({ length: count }, (_, i) => asInterceptor({ name: `empty ${i}`, from: i, to: i, intercept: passOn }));
  return {
    name,
    makeClient: (Ctor, address, credentials, options) =>
      construct(Ctor, address, credentials, { ...options, interceptors: [...(options.interceptors ?? []), ...ours] }),
  };
}

/** A channel of ours. `described`: the client tells it the kind of each method, as `mesh.client()` has it. */
function channelDoor(name: string, described: boolean): Door {
  const stack: ChannelStack = { behaviours: [], intercept: passOn, clock: systemClock, closed: () => undefined };
  const ourChannel = (lower: ChannelInterface): MeshChannel =>
    new MeshChannel(lower, stack, {
      kind: 'channel',
      target: lower.getTarget(),
      channel: new RawChannel(lower, systemClock),
      book: undefined,
    });
  return {
    name,
    makeClient: (Ctor, address, credentials, options) =>
      construct(Ctor, address, credentials, {
        ...options,
        ...(described ? { callInvocationTransformer: describeCalls(options.callInvocationTransformer) } : {}),
        channelFactoryOverride: (target, given, rest) => ourChannel(createRawChannel(target, given, rest)),
      }),
  };
}

/** A mesh with its defaults, client side. */
function meshDoor(name: string, optionsOf: (mesh: Mesh, own: ClientOptions) => ClientOptions): Door {
  return {
    name,
    makeClient: (Ctor, address, credentials, options) => construct(Ctor, address, credentials, optionsOf(createMesh(), options)),
  };
}

/**
 * A client wrapped by a mesh with its defaults. `above`: its list of interceptors where the scenario has none. A client with
 * a transformer of calls cannot be wrapped and stays as it is.
 */
function wrapDoor(name: string, above: readonly Interceptor[]): Door {
  return {
    name,
    makeClient: (Ctor, address, credentials, options) => {
      const mesh = createMesh();
      const interceptors = options.interceptors ?? above;
      const client = construct(Ctor, address, credentials, mesh.client(options));
      if (options.callInvocationTransformer !== undefined) return client;
      return mesh.wrap(client, { interceptors: interceptors.length === 0 ? 'none' : interceptors, callerStacks: true });
    },
  };
}

const passAlong: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));

/** A mesh with its defaults around the server; the client is bare. */
const meshServer: Door = { name: 'mesh server', makeClient: construct, makeServer: (options) => new MeshServer(options) };

/** Every door that must behave as bare does. `bare again` shows that the scenarios themselves are stable. */
export const doors: readonly Door[] = [
  { ...bare, name: 'bare again' },
  interceptorDoor('door 1', 1),
  interceptorDoor('door 1, fused', 2),
  channelDoor('door 2', true),
  channelDoor('door 2, kind unknown', false),
  meshDoor('mesh.client()', (mesh, own) => mesh.client(own)),
  meshDoor('mesh.interceptors()', (mesh, own) => ({
    ...mesh.options(own),
    interceptors: [...(own.interceptors ?? []), ...mesh.interceptors()],
  })),
  wrapDoor('wrap', []),
  wrapDoor('wrap, listed', [passAlong]),
  meshServer,
];
