/**
 * A server of ours and a client that knows it takes batches.
 */
import { expect, onTestFinished } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type Door, EchoClient, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

export interface Pair extends AsyncDisposable {
  readonly running: RunningServer;
  readonly mesh: Mesh;
  readonly serverMesh: Mesh;
  readonly client: EchoClient;
}

/** A server of ours and a client that knows it. */
export async function pair(door: Door, handlers: Partial<Handlers> = {}, policy: Policy = { coalesce: 'auto' }): Promise<Pair> {
  const serverMesh = createMesh();
  const say: Handlers['say'] = (call, callback) => {
    if (call.request.text !== 'learn' && handlers.say !== undefined) return handlers.say(call, callback);
    callback(null, { text: `say ${call.request.text}` });
  };
  const running = await serve({ server: new MeshServer({ mesh: serverMesh }), handlers: { ...handlers, say } });
  const mesh = createMesh(policy);
  const client = new EchoClient({ address: running.address, mesh, door });
  await client.learn();
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
    // Nothing is left behind, whatever the test did.
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    await expect.poll(() => serverMesh.stats().server.active).toBe(0);
    for (const endpoint of Object.values(mesh.stats().endpoints).flat()) expect(endpoint.inFlight).toBe(0);
  };
  return { running, mesh, serverMesh, client, [Symbol.asyncDispose]: dispose };
}

/** The next error that nobody catches; until the test is over it is the test's business alone. */
export function nextUncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  return new Promise((resolve) => process.once('uncaughtException', resolve));
}
