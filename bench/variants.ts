/**
 * What is compared: the same generated client and the same handler, with more and more of inmesh in between.
 *
 * @packageDocumentation
 */
import { type ClientOptions, Server } from '@grpc/grpc-js';

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
] as const;

/** Name of a variant: what runs, and at which door. */
export type VariantName = (typeof VARIANT_NAMES)[number];

/** What a mesh counts, as far as the bench reads it. */
export interface BatchCounts {
  /** Batch RPCs sent. */
  readonly carriers: number;
  /** Calls that travelled in them. */
  readonly items: number;
}

/** The client side of a variant. */
export interface ClientSetup {
  readonly options: ClientOptions;
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

/** A client of `createMesh()`, with coalescing or without, at a door. */
export async function meshClient(door: Door, coalesce: boolean): Promise<ClientSetup> {
  const { createMesh } = await inmesh();
  const mesh = createMesh(coalesce ? { coalesce: { mode: 'auto' } } : {});
  const options = door === 'channel' ? mesh.client() : { ...mesh.options(), interceptors: mesh.interceptors() };
  return { options, counts: () => mesh.stats().coalesce };
}

const bareClient = async (): Promise<ClientSetup> => ({ options: {}, counts: undefined });
const bareServer = async (): Promise<Server> => new Server();
const meshServer = async (): Promise<Server> => new (await inmesh()).MeshServer();
const emptyClient = async (door: Door): Promise<ClientSetup> => {
  const { emptyChannel, emptyInterceptors } = await import('./doors.ts');
  return { options: door === 'channel' ? emptyChannel() : emptyInterceptors(), counts: undefined };
};

/** Every variant by name. */
export const VARIANTS: Readonly<Record<VariantName, Variant>> = {
  bare: { about: 'grpc-js as it comes', client: bareClient, server: bareServer },
  'bare-again': { about: 'the same once more: how far bare strays from itself', client: bareClient, server: bareServer },
  'empty-interceptors': { about: 'door 1 without behaviours', client: () => emptyClient('interceptors'), server: bareServer },
  'empty-channel': { about: 'door 2 without behaviours', client: () => emptyClient('channel'), server: bareServer },
  'default-interceptors': { about: 'createMesh() at door 1', client: () => meshClient('interceptors', false), server: bareServer },
  'default-channel': { about: 'createMesh() at door 2', client: () => meshClient('channel', false), server: bareServer },
  'default-both': { about: 'createMesh() at door 2, MeshServer', client: () => meshClient('channel', false), server: meshServer },
  'coalesce-interceptors': {
    about: 'coalescing at door 1, MeshServer',
    client: () => meshClient('interceptors', true),
    server: meshServer,
  },
  'coalesce-channel': { about: 'coalescing at door 2, MeshServer', client: () => meshClient('channel', true), server: meshServer },
};
