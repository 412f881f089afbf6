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

/** What the batches of a client travel in. */
export type CarrierName = 'envelope' | 'tunnel';
export const CARRIERS: readonly CarrierName[] = ['envelope', 'tunnel'];

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
  /** Calls so far that travelled with others in the carrier that was asked for, in any if none was. */
  carried(): number;
  closeAll(): Promise<void>;
}

/** Connects the clients of the cases to a port of this machine through one door, with batches in one carrier or as they come. */
export function connectThrough(door: DoorName, port: number, carrier?: CarrierName): Peer {
  const policy: Policy = carrier === undefined ? EVERYTHING_ON : { ...EVERYTHING_ON, coalesce: { mode: 'auto', carrier } };
  const mesh = door === 'bare grpc-js' ? undefined : createMesh(policy);
  const clients = connect(`127.0.0.1:${port}`, optionsOf(door, mesh));
  return {
    ...clients,
    mesh,
    carried: () => {
      const { items = 0, tunnels } = mesh?.stats().coalesce ?? {};
      return (carrier === 'tunnel' ? 0 : items) + (carrier === 'envelope' ? 0 : (tunnels?.items ?? 0));
    },
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

/** A tunnel opens while the first calls with its key go another way. */
const MOST_BURSTS = 50;

/** Runs the joinable part of a case {@link BURST} times at once. */
export async function burst(peer: Peer, { joinable }: InteropCase): Promise<void> {
  if (joinable !== undefined) await Promise.all(Array.from({ length: BURST }, () => joinable(peer)));
}

/**
 * A case against a server that takes batches: twice at once, then its joinable part many times at once. Tells how many of
 * those calls there were, and how many travelled in the peer's carrier.
 */
export async function runInCarriers(peer: Peer, one: InteropCase): Promise<{ readonly asked: number; readonly carried: number }> {
  const before = peer.carried();
  await Promise.all([one.run(peer), one.run(peer)]);
  if (one.joinable === undefined) return { asked: 0, carried: peer.carried() - before };
  let asked = 0;
  do {
    await burst(peer, one);
    asked += BURST;
  } while (peer.carried() === before && asked < MOST_BURSTS * BURST);
  return { asked, carried: peer.carried() - before };
}
