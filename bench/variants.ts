/**
 * What is compared: the same generated client and the same handler, with more and more of inmesh in between.
 *
 * @packageDocumentation
 */
import { Server, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import type { Mesh } from '../src/index.ts';
import { type Call, type ClientRecipe, typedSay } from './echo.ts';

/** Variants, in the order of the tables. */
export const VARIANT_NAMES = [
  'bare',
  'bare-again',
  'empty-interceptors',
  'empty-channel',
  'default-interceptors',
  'default-channel',
  'default-both',
  'coalesce-interceptors',
  'coalesce-channel',
  'coalesce-stacks',
  'coalesce-wrap',
  'coalesce-typed',
  'tunnel-interceptors',
  'tunnel-channel',
  'tunnel-stacks',
  'tunnel-wrap',
  'tunnel-typed',
  'bare-three',
  'tunnel-three',
] as const;

/** Name of a variant: what runs, and at which door. */
export type VariantName = (typeof VARIANT_NAMES)[number];

/** What a mesh counts, as far as the bench reads it. */
export interface BatchCounts {
  /** Batches sent: RPCs, or messages of tunnels. */
  readonly carriers: number;
  /** Calls that travelled in them. */
  readonly items: number;
}

/** The client side of a variant. */
export interface ClientSetup extends ClientRecipe {
  /** Makes the calls, where no generated client class does. */
  readonly open?: (target: string) => Call;
  readonly counts: (() => BatchCounts) | undefined;
}

/** How each side of a variant is made. */
export interface Variant {
  /** What the variant is, in a few words. */
  readonly about: string;
  readonly client: () => Promise<ClientSetup>;
  readonly server: () => Promise<Server>;
}

type Door = 'interceptors' | 'channel';

// Everything of ours is loaded on use: a bare process loads none of it.
const inmesh = (): Promise<typeof import('../src/index.ts')> => import('../src/index.ts');

/** What calls are merged into; undefined: they are not. */
type Carrier = 'envelope' | 'tunnel' | undefined;

const meshOf = async (carrier: Carrier): Promise<Mesh> =>
  (await inmesh()).createMesh(carrier === undefined ? {} : { coalesce: { mode: 'auto', carrier } });

const countsOf = (mesh: Mesh) => (): BatchCounts => {
  const { carriers, items, tunnels } = mesh.stats().coalesce;
  return { carriers: carriers + tunnels.frames, items: items + tunnels.items };
};

/** A client of `createMesh()` at a door. */
async function meshClient(door: Door, carrier: Carrier): Promise<ClientSetup> {
  const mesh = await meshOf(carrier);
  const options = door === 'channel' ? mesh.client() : { ...mesh.options(), interceptors: mesh.interceptors() };
  return { options, counts: countsOf(mesh) };
}

/** A client at door 2 that keeps where each call was made, as grpc-js does. */
async function stackedClient(carrier: Carrier): Promise<ClientSetup> {
  const mesh = await meshOf(carrier);
  return { options: mesh.client({}, { callerStacks: true }), counts: countsOf(mesh) };
}

/** A client of `createMesh()` at door 3. */
async function wrappedClient(carrier: Carrier): Promise<ClientSetup> {
  const mesh = await meshOf(carrier);
  return { options: mesh.client(), wrap: (client) => mesh.wrap(client, { interceptors: 'none' }), counts: countsOf(mesh) };
}

/** A client of `mesh.typed()`. */
async function typedClient(carrier: Carrier): Promise<ClientSetup> {
  const mesh = await meshOf(carrier);
  return { options: {}, open: (target) => typedSay(mesh, target), counts: countsOf(mesh) };
}

/** Three interceptors as servers have them: each looks at the metadata of every call. */
const three: readonly ServerInterceptor[] = ['authorization', 'x-tenant', 'x-request-id'].map(
  (key) => (_definition, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            metadata.get(key);
            pass(metadata);
          },
        }),
    }),
);

const bareClient = async (): Promise<ClientSetup> => ({ options: {}, counts: undefined });
const bareServer = async (): Promise<Server> => new Server();
const meshServer = async (interceptors: readonly ServerInterceptor[] = []): Promise<Server> =>
  new (await inmesh()).MeshServer({ interceptors: [...interceptors] });
const emptyClient = async (door: Door): Promise<ClientSetup> => {
  const { emptyChannel, emptyInterceptors, withStacks } = await import('./doors.ts');
  return { options: door === 'channel' ? withStacks(emptyChannel(), 'auto') : emptyInterceptors(), counts: undefined };
};

/** Every variant by name. */
export const VARIANTS: Readonly<Record<VariantName, Variant>> = {
  bare: { about: 'grpc-js as it comes', client: bareClient, server: bareServer },
  'bare-again': { about: 'the same once more: how far bare strays from itself', client: bareClient, server: bareServer },
  'empty-interceptors': { about: 'door 1 without behaviours', client: () => emptyClient('interceptors'), server: bareServer },
  'empty-channel': { about: 'door 2 without behaviours', client: () => emptyClient('channel'), server: bareServer },
  'default-interceptors': { about: 'createMesh() at door 1', client: () => meshClient('interceptors', undefined), server: bareServer },
  'default-channel': { about: 'createMesh() at door 2', client: () => meshClient('channel', undefined), server: bareServer },
  'default-both': {
    about: 'createMesh() at door 2, MeshServer',
    client: () => meshClient('channel', undefined),
    server: () => meshServer(),
  },
  'coalesce-interceptors': {
    about: 'envelopes at door 1, MeshServer',
    client: () => meshClient('interceptors', 'envelope'),
    server: () => meshServer(),
  },
  'coalesce-channel': {
    about: 'envelopes at door 2, MeshServer',
    client: () => meshClient('channel', 'envelope'),
    server: () => meshServer(),
  },
  'coalesce-stacks': {
    about: 'envelopes at door 2 with callerStacks, MeshServer',
    client: () => stackedClient('envelope'),
    server: () => meshServer(),
  },
  'coalesce-wrap': { about: 'envelopes at door 3, MeshServer', client: () => wrappedClient('envelope'), server: () => meshServer() },
  'coalesce-typed': {
    about: 'envelopes through mesh.typed(), MeshServer',
    client: () => typedClient('envelope'),
    server: () => meshServer(),
  },
  'tunnel-interceptors': {
    about: 'tunnels at door 1, MeshServer',
    client: () => meshClient('interceptors', 'tunnel'),
    server: () => meshServer(),
  },
  'tunnel-channel': { about: 'tunnels at door 2, MeshServer', client: () => meshClient('channel', 'tunnel'), server: () => meshServer() },
  'tunnel-stacks': {
    about: 'tunnels at door 2 with callerStacks, MeshServer',
    client: () => stackedClient('tunnel'),
    server: () => meshServer(),
  },
  'tunnel-wrap': { about: 'tunnels at door 3, MeshServer', client: () => wrappedClient('tunnel'), server: () => meshServer() },
  'tunnel-typed': { about: 'tunnels through mesh.typed(), MeshServer', client: () => typedClient('tunnel'), server: () => meshServer() },
  'bare-three': {
    about: 'grpc-js, with three server interceptors',
    client: bareClient,
    server: async () => new Server({ interceptors: [...three] }),
  },
  'tunnel-three': {
    about: 'tunnels at door 2, MeshServer, with the same three',
    client: () => meshClient('channel', 'tunnel'),
    server: () => meshServer(three),
  },
};
