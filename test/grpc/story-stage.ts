/**
 * Real ends whose records are tapped.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { TapFilter } from '../../src/observe/taps.ts';
import type { CallView } from '../../src/observe/views.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type ClientDoor, EchoClient, echoDefinition, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

export const SAY = 'loop.Echo/Say';

/** The calls of a mesh as a tap sees them, from now on. */
export function tap(mesh: Mesh, filter: TapFilter = {}): CallView[] {
  const calls: CallView[] = [];
  mesh.observer.taps.subscribe(filter, (call) => void calls.push(call));
  return calls;
}

/** Server, mesh and client, with a tap on both sides. */
export class Stage implements AsyncDisposable {
  readonly servers: RunningServer[];
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly serverMesh: Mesh;
  readonly calls: CallView[];
  readonly served: CallView[];

  constructor(servers: RunningServer[], mesh: Mesh, client: EchoClient, serverMesh: Mesh) {
    this.servers = servers;
    this.mesh = mesh;
    this.client = client;
    this.serverMesh = serverMesh;
    this.calls = tap(mesh);
    this.served = tap(serverMesh);
  }
  /** The last calls, the client's or the server's, once all of them have been seen. */
  async seen(count: number, calls: readonly CallView[] = this.calls): Promise<readonly CallView[]> {
    await expect.poll(() => calls.length).toBe(count);
    await turn();
    expect(calls.length).toBe(count);
    return calls;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    for (const server of this.servers) await server[Symbol.asyncDispose]();
    await this.mesh.close();
    // What the ledger says is the sum of what was told.
    const { methods } = this.mesh.overview();
    expect(methods.reduce((sum, { active }) => sum + active, 0)).toBe(0);
  }
}

export interface StageOptions {
  readonly policy?: Policy;
  readonly serverPolicy?: Policy;
  readonly handlers?: Partial<Handlers>;
  readonly replicas?: (replica: number) => Partial<Handlers>;
  readonly count?: number;
}

/** As many servers as asked for, on one mesh, and a client of another. */
export async function stage(door: ClientDoor, options: StageOptions = {}): Promise<Stage> {
  const { policy = {}, serverPolicy = {}, handlers = {}, replicas = () => handlers, count = 1 } = options;
  const serverMesh = createMesh(serverPolicy);
  const servers: RunningServer[] = [];
  for (let i = 0; i < count; i++) servers.push(await serve({ server: new MeshServer({ mesh: serverMesh }), handlers: replicas(i) }));
  const mesh = createMesh(policy, { services: [echoDefinition], warn: () => {} });
  const address = count === 1 ? (servers[0]?.address ?? '') : `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  return new Stage(servers, mesh, new EchoClient({ address, mesh, door }), serverMesh);
}

/** A `say` that fails so often. */
export const fails = (code: number, times: number): Partial<Handlers> => {
  let left = times;
  return {
    say: (call, callback) => (left-- > 0 ? callback({ code, details: 'no' }) : callback(null, { text: call.request.text })),
  };
};
