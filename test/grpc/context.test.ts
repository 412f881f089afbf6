/**
 * A caller's context never leaks into another's: AsyncLocalStorage, coalesced, alone and on a cold channel.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { doors, EchoClient, type Handlers, serve } from '../support/loopback.ts';
import { forge } from './forged.ts';
import { coalesceIn, openTunnel } from './pair.ts';

const store = new AsyncLocalStorage<string>();
const CALLERS = ['one', 'two', 'three', undefined];

/** Makes a call in a context of its own, and gives the context of everything that it hears. */
function contextsOf(client: EchoClient, caller: string | undefined, text = 'a'): Promise<string> {
  return new Promise((resolve) => {
    const heard: string[] = [];
    const hear = (what: string): void => {
      heard.push(`${what} in ${store.getStore()}`);
      if (heard.length === 3) resolve(heard.toSorted().join(', '));
    };
    const start = (): void => {
      const call = client.stub.say({ text }, new Metadata(), {}, () => hear('callback'));
      call.on('metadata', () => hear('metadata'));
      call.on('status', () => hear('status'));
    };
    if (caller === undefined) store.exit(start);
    else store.run(caller, start);
  });
}
const expected = (callers: readonly (string | undefined)[]): string[] =>
  callers.map((caller) => `callback in ${caller}, metadata in ${caller}, status in ${caller}`);

describe.each(doors)('at door %s', (door) => {
  test('calls that travel together are each heard in their own context', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh({ coalesce: coalesceIn('envelope') });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    for (let round = 0; round < 3; round++) {
      expect(await Promise.all(CALLERS.map((caller) => contextsOf(client, caller)))).toEqual(expected(CALLERS));
    }
    expect(mesh.stats().coalesce).toMatchObject({ carriers: 3, items: 3 * CALLERS.length });
  });

  test('calls that go through one tunnel too (Q6)', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh, door });
    await store.run('who opens it', () => openTunnel(mesh, client));
    for (let round = 0; round < 3; round++) {
      expect(await Promise.all(CALLERS.map((caller) => contextsOf(client, caller)))).toEqual(expected(CALLERS));
    }
    expect(mesh.stats().coalesce.tunnels.items).toBe(3 * CALLERS.length);
  });

  test.for(['auto', 'never'] as const)('calls that wait for a cold channel too, coalescing %s', async (mode) => {
    await using running = await serve({ server: new MeshServer() });
    using client = new EchoClient({ address: running.address, mesh: createMesh({ coalesce: mode }), door });
    expect(await Promise.all(CALLERS.map((caller) => contextsOf(client, caller)))).toEqual(expected(CALLERS));
  });

  test('calls that are turned away and go alone too', async () => {
    await using forged = await forge((stream) => stream.emit('error', { code: status.UNIMPLEMENTED, details: 'no batches' }));
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: forged.address, mesh, door });
    await client.learn();
    expect(await Promise.all(CALLERS.map((caller) => contextsOf(client, caller)))).toEqual(expected(CALLERS));
    expect(mesh.stats().coalesce.turnedAway).toBe(1);
  });

  test('calls that end by their deadline in a batch too', async () => {
    const never: Handlers['say'] = (call, callback) => (call.request.text === 'learn' ? callback(null, { text: 'learned' }) : undefined);
    await using running = await serve({ server: new MeshServer(), handlers: { say: never } });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    const contexts = CALLERS.map(
      (caller) =>
        new Promise<string>((resolve) => {
          const start = (): void =>
            void client.stub.say({ text: 'a' }, new Metadata(), { deadline: Date.now() + 50 }, () => resolve(String(store.getStore())));
          if (caller === undefined) store.exit(start);
          else store.run(caller, start);
        }),
    );
    expect(await Promise.all(contexts)).toEqual(CALLERS.map(String));
    expect(mesh.stats().coalesce.items).toBe(CALLERS.length);
  });
});
