/** Clients and servers of this package for the cases, with every behaviour switched on, and bare ones to compare with. */
import * as grpc from '@grpc/grpc-js';
import { createMesh, type Mesh, MeshServer, type Policy } from '../../../src/index.ts';
import type { InteropCase } from './cases.ts';
import { type Clients, connect } from './contract.ts';
import { serve } from './service.ts';

/** Ways in which a client reaches a server. */
export type DoorName = 'bare grpc-js' | 'interceptors' | 'channel';
/** The ways through this package. */
export const DOORS: readonly DoorName[] = ['interceptors', 'channel'];

/** Everything on: nothing in it may change what a case sees. */
export const EVERYTHING_ON: Policy = {
  defaults: {
    timeout: '30s',
    idempotent: true,
    retryPolicy: { maxAttempts: 3 },
    bulkhead: { slots: 64, queue: 64 },
  },
  coalesce: 'auto',
  balance: 'peak_ewma',
  telemetry: { attemptSpans: 'always' },
  server: { bulkhead: { slots: 256, queue: 256 } },
};

/** Clients behind one door, and the mesh that they go through. */
export interface Peer extends Clients {
  /** Undefined where nothing of ours is in the way. */
  readonly mesh: Mesh | undefined;
  closeAll(): Promise<void>;
}

/** Connects the clients of the cases to a port of this machine through one door. */
export function connectThrough(door: DoorName, port: number): Peer {
  const mesh = door === 'bare grpc-js' ? undefined : createMesh(EVERYTHING_ON);
  const clients = connect(`127.0.0.1:${port}`, optionsOf(door, mesh));
  return {
    ...clients,
    mesh,
    closeAll: async () => {
      clients.close();
      await mesh?.close();
    },
  };
}

function optionsOf(door: DoorName, mesh: Mesh | undefined): grpc.ClientOptions {
  if (mesh === undefined) return {};
  return door === 'channel' ? mesh.client() : { ...mesh.options(), interceptors: mesh.interceptors() };
}

/** A running server of the cases. */
export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves the cases on our server with everything on, or on a bare one. */
export async function startServer(kind: 'bare grpc-js' | 'inmesh'): Promise<RunningServer> {
  const mesh = kind === 'inmesh' ? createMesh(EVERYTHING_ON) : undefined;
  const { port, close } = await serve(mesh ? new MeshServer({ mesh }) : new grpc.Server());
  return {
    port,
    close: async () => {
      close();
      await mesh?.close();
    },
  };
}

/** Calls made at once, so that a client that may coalesce does. */
const BURST = 32;

/** Runs the joinable part of a case {@link BURST} times at once; tells how many calls that were and how many carriers took them. */
export async function burst(peer: Peer, one: InteropCase): Promise<{ readonly asked: number; readonly carriers: number }> {
  const { joinable } = one;
  if (joinable === undefined) return { asked: 0, carriers: 0 };
  const before = peer.mesh?.stats().coalesce.carriers ?? 0;
  await Promise.all(Array.from({ length: BURST }, () => joinable(peer)));
  return { asked: BURST, carriers: (peer.mesh?.stats().coalesce.carriers ?? 0) - before };
}
