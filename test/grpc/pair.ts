/**
 * A server of ours and a client that knows it takes batches.
 */
import { expect, onTestFinished } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type Door, EchoClient, type Handlers, type RunningServer, type SayOptions, serve } from '../support/loopback.ts';

export interface Pair extends AsyncDisposable {
  readonly running: RunningServer;
  readonly mesh: Mesh;
  readonly serverMesh: Mesh;
  readonly client: EchoClient;
}

/** What the batches of a test travel in. */
export type Form = 'envelope' | 'tunnel';
export const forms: readonly Form[] = ['envelope', 'tunnel'];

/** Coalescing in one form only. */
export const coalesceIn = (form: Form): NonNullable<Policy['coalesce']> => ({
  mode: 'auto',
  carrier: form,
});

/** Calls until a tunnel is open for calls with this metadata. */
export async function openTunnel(mesh: Mesh, client: EchoClient, options: SayOptions = {}): Promise<void> {
  const { open } = mesh.stats().coalesce.tunnels;
  for (let i = 0; i < 200 && mesh.stats().coalesce.tunnels.open === open; i++) await client.burst(Array(10).fill('learn'), options);
  expect(mesh.stats().coalesce.tunnels.open).toBe(open + 1);
}

/** A server of ours and a client that knows it, with a tunnel open. */
export async function tunnelPair(door: Door, handlers: Partial<Handlers> = {}, policy: Policy = {}): Promise<Pair> {
  const made = await pair(door, handlers, { ...policy, coalesce: coalesceIn('tunnel') });
  await openTunnel(made.mesh, made.client);
  return made;
}

/** A server of ours and a client that knows it takes batches; they travel in envelopes unless the policy says otherwise. */
export async function pair(
  door: Door,
  handlers: Partial<Handlers> = {},
  policy: Policy = { coalesce: coalesceIn('envelope') },
): Promise<Pair> {
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
    // The balancer hears of a call's end from grpc-js, a moment after its caller.
    await expect
      .poll(() =>
        Object.values(mesh.stats().endpoints)
          .flat()
          .filter(({ inFlight }) => inFlight !== 0),
      )
      .toEqual([]);
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
