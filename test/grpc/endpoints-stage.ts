/** Clients of a mesh, and peers and networks that fail them. */
import { createServer, type Server as TcpServer } from 'node:net';
import { Client, type ClientOptions, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { EndpointStats } from '../../src/grpc/client-doors.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { MethodPolicy, Policy } from '../../src/policy/policy.gen.ts';
import { TcpProxy } from '../e2e/faults/tcp-proxy.ts';
import { type Handler, type Replica, SAY, startReplica } from '../src/grpc/replicas.ts';

/** A replica that is stopped with the test. */
export async function replica(handler?: Handler): Promise<Replica> {
  const made = await startReplica(handler);
  onTestFinished(() => made.stop());
  return made;
}

/** A network in front of a replica. */
export async function proxyTo({ port }: Replica): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A port that accepts TCP and never says a word; how many connections stand, and how many there were. */
export async function silentPort(): Promise<{ readonly address: string; readonly server: TcpServer; open: number; accepted: number }> {
  const server = createServer((socket) => {
    port.open++;
    port.accepted++;
    socket.on('error', () => {});
    socket.on('close', () => {
      port.open--;
    });
    socket.resume();
  });
  const port = { address: '', server, open: 0, accepted: 0 };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address === 'object' && address !== null) port.address = `127.0.0.1:${address.port}`;
  onTestFinished(() => void server.close());
  return port;
}

export type OptionsOf = (mesh: Mesh) => ClientOptions;
/** Both doors of a mesh. */
export const DOORS: readonly (readonly [string, OptionsOf])[] = [
  ['channel', (mesh) => mesh.client()],
  ['interceptors', (mesh) => ({ ...mesh.options(), interceptors: mesh.interceptors() })],
];

/** A client of a mesh. */
export interface Side {
  readonly mesh: Mesh;
  readonly client: Client;
  stats(address: string): EndpointStats | undefined;
}

export function clientOf(target: string, policy: Policy, optionsOf: OptionsOf = (mesh) => mesh.client(), clock: Clock = systemClock): Side {
  const mesh = createMesh({ telemetry: { traces: false, metrics: false }, ...policy }, { warn: () => {}, clock });
  const client = new Client(target, credentials.createInsecure(), optionsOf(mesh));
  onTestFinished(() => mesh.close(0));
  return { mesh, client, stats: (address) => mesh.stats().endpoints[target]?.find((endpoint) => endpoint.address === address) };
}

const same = (bytes: Buffer): Buffer => bytes;

/** How a call went. */
export interface Outcome {
  readonly error: ServiceError | undefined;
  readonly tookMs: number;
  readonly endedMs: number;
}

/** One call. */
export function say({ client }: Side, timeoutMs = 1_000, metadata: Metadata = new Metadata()): Promise<Outcome> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    client.makeUnaryRequest(SAY, same, same, Buffer.alloc(1), metadata, { deadline: Date.now() + timeoutMs }, (error) => {
      const endedMs = performance.now();
      resolve({ error: error ?? undefined, tookMs: endedMs - startMs, endedMs });
    });
  });
}

/** Waits. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls at a steady rate until `stop` is called, which gives them all. */
export function load(side: Side, everyMs: number, timeoutMs = 1_000): { stop(): Promise<Outcome[]> } {
  const calls: Promise<Outcome>[] = [];
  const timer = setInterval(() => calls.push(say(side, timeoutMs)), everyMs);
  onTestFinished(() => clearInterval(timer));
  return {
    stop() {
      clearInterval(timer);
      return Promise.all(calls);
    },
  };
}

/** The target of these addresses. */
export const ipv4 = (...at: readonly { readonly address: string }[]): string => `ipv4:${at.map(({ address }) => address).join(',')}`;
/** What is seen is what one attempt brings. */
export const ONCE: MethodPolicy = { retryPolicy: { maxAttempts: 1 } };
