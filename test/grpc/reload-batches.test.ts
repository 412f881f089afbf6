import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { doors, EchoClient, Gate, serve } from '../support/loopback.ts';
import { coalesceIn, forms, openTunnel, pair, tunnelPair } from './pair.ts';

const TEXTS = Array.from({ length: 20 }, (_, i) => `${i}`);
const answers = TEXTS.map((text) => `say ${text}`);

describe.for(doors)('coalescing of a client behind %s, on reload', (door) => {
  test('is switched on and off for a client that is there, and keeps what it knows of the endpoint', async () => {
    await using made = await pair(door, {}, { coalesce: coalesceIn('envelope') });
    const { client, mesh } = made;
    const batched = async (): Promise<number> => {
      const before = mesh.stats().coalesce.items;
      expect((await client.burst(TEXTS)).map(({ text }) => text)).toEqual(answers);
      return mesh.stats().coalesce.items - before;
    };
    expect(await batched()).toBe(20);
    mesh.reload({ coalesce: 'never' });
    expect(await batched()).toBe(0);
    mesh.reload({ coalesce: { ...(coalesceIn('envelope') as object), maxItems: 4 } });
    const { carriers } = mesh.stats().coalesce;
    expect(await batched()).toBe(20); // at once: nothing had to be learned anew
    expect(mesh.stats().coalesce.carriers - carriers).toBeGreaterThanOrEqual(5);
    await mesh.close();
  });

  test('F4 calls in a batch that is out, and calls that wait for one, end by the options they began with', async () => {
    const gate = new Gate();
    const policy: Policy = { coalesce: { ...(coalesceIn('envelope') as object), maxCarriers: 1 } };
    await using made = await pair(door, { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) }, policy);
    const { client, mesh } = made;
    const first = client.burst(['a', 'b', 'c']);
    await expect.poll(() => mesh.stats().coalesce.carriers).toBe(1);
    const second = client.burst(['d', 'e', 'f']);
    mesh.reload({ coalesce: 'never' });
    mesh.reload({ coalesce: { ...(coalesceIn('envelope') as object), maxItems: 2 } });
    mesh.reload({});
    gate.open();
    expect([...(await first), ...(await second)].map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    await mesh.close();
  });

  test('a tunnel goes on where its options are equal, and ends in peace where they are not', async () => {
    await using made = await tunnelPair(door);
    const { client, mesh } = made;
    mesh.reload({ coalesce: coalesceIn('tunnel'), defaults: { timeout: '30s' } });
    await client.burst(TEXTS);
    expect(mesh.stats().coalesce.tunnels).toMatchObject({ opened: 1, open: 1 });
    mesh.reload({ coalesce: coalesceIn('envelope') });
    expect((await client.burst(TEXTS)).map(({ text }) => text)).toEqual(answers);
    await expect.poll(() => mesh.stats().coalesce.tunnels.open, { timeout: 5_000 }).toBe(0);
    mesh.reload({ coalesce: coalesceIn('tunnel') });
    await openTunnel(mesh, client);
    expect(mesh.stats().coalesce.tunnels).toMatchObject({ opened: 2, open: 1 });
    await mesh.close();
  });

  test('F4 items on a tunnel whose options go end on it', async () => {
    const gate = new Gate();
    await using made = await tunnelPair(door, { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) });
    const { client, mesh } = made;
    const { items } = mesh.stats().coalesce.tunnels;
    const out = client.burst(['a', 'b', 'c']);
    await expect.poll(() => mesh.stats().coalesce.tunnels.items - items).toBe(3);
    mesh.reload({});
    mesh.reload({ coalesce: { ...(coalesceIn('tunnel') as object), maxItems: 8 } });
    gate.open();
    expect((await out).map(({ code }) => code)).toEqual(['OK', 'OK', 'OK']);
    await mesh.close();
  });
});

describe.for(forms)('a server that serves %ss, on reload', (form) => {
  test('stops serving batches without losing a call, and serves them again', async () => {
    const serverMesh = createMesh({});
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
    const mesh = createMesh({ coalesce: coalesceIn(form) });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    for (const server of [{ carriers: false }, {}, { tunnels: false }, { maxItems: 2 }, {}, { carriers: false }] as const) {
      serverMesh.reload({ server });
      for (let i = 0; i < 5; i++) expect((await client.burst(TEXTS)).map(({ text }) => text)).toEqual(answers);
    }
    const { items } = serverMesh.stats().server;
    await client.burst(TEXTS);
    expect(serverMesh.stats().server.items).toBe(items); // off
    await expect.poll(() => mesh.stats().coalesce.tunnels.open).toBe(0);
    await mesh.close();
    await serverMesh.close();
  });

  test('F4 what clients were told holds: batches larger than is told now are served', async () => {
    const serverMesh = createMesh({});
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
    const mesh = createMesh({ coalesce: coalesceIn(form) });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    serverMesh.reload({ server: { maxItems: 2 } });
    const { items } = serverMesh.stats().server;
    expect((await client.burst(TEXTS)).map(({ text }) => text)).toEqual(answers);
    expect(serverMesh.stats().server.items - items).toBe(20);
    await mesh.close();
    await serverMesh.close();
  });

  test('F5 items meet the limit that is in force when they come, in a batch or on a tunnel that is older', async () => {
    const serverMesh = createMesh({});
    const held = new Gate();
    await using running = await serve({
      server: new MeshServer({ mesh: serverMesh }),
      handlers: {
        say: (call, callback) =>
          void (call.request.text === 'held' ? held.opened : Promise.resolve()).then(() => callback(null, call.request)),
      },
    });
    const mesh = createMesh({ coalesce: coalesceIn(form) });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    serverMesh.reload({ server: { bulkhead: { slots: 1 } } });
    const out = await new Promise<string[]>((resolve) => {
      void client.burst(['held', 'held', 'held']).then((ended) => resolve(ended.map(({ code }) => code).sort()));
      setTimeout(() => held.open(), 50);
    });
    expect(out).toEqual(['OK', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
    await mesh.close();
    await serverMesh.close();
  });
});
