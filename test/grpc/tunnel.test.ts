/**
 * Tunnels: items of any method on one long-lived stream, each with its own answer; opened under load, let go when idle.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type ClientUnaryCall, Server } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { doors, EchoClient, Gate, metadataOf, serve } from '../support/loopback.ts';
import { coalesceIn, openTunnel, pair, tunnelPair } from './pair.ts';

/** HTTP/2 streams that this process opens from now on. */
function streams(): { count: number } {
  const seen = { count: 0 };
  const note = (): void => {
    seen.count++;
  };
  subscribe('http2.client.stream.created', note);
  onTestFinished(() => void unsubscribe('http2.client.stream.created', note));
  return seen;
}

describe.each(doors)('tunnel at door %s', (door) => {
  test('calls of every method go through one stream, and each has its own answer (K1)', async () => {
    await using all = await tunnelPair(door);
    const seen = streams();
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
    const says = all.client.burst(texts);
    const tells = all.client.burst(texts, { method: 'tell' });
    expect((await says).map(({ text }) => text)).toEqual(texts.map((text) => `say ${text}`));
    expect((await tells).map(({ text }) => text)).toEqual(texts.map((text) => `tell ${text}`));
    expect(seen.count).toBeLessThanOrEqual(1); // a second tunnel beside the busy one
    expect(all.serverMesh.stats().server.tunnels).toBeGreaterThan(0);
  });

  test('a sequential caller opens no stream at all', async () => {
    await using all = await tunnelPair(door);
    const seen = streams();
    for (let i = 0; i < 20; i++) expect((await all.client.say(`${i}`)).text).toBe(`say ${i}`);
    expect(seen.count).toBe(0);
  });

  test('calls that may not share a carrier share no tunnel (K3)', async () => {
    await using all = await tunnelPair(door);
    await openTunnel(all.mesh, all.client, { metadata: metadataOf({ tenant: 'one' }) });
    expect(all.mesh.stats().coalesce.tunnels.open).toBe(2);
  });

  test('policy can forbid tunnels: carrier, requireL7Visibility', async () => {
    for (const coalesce of [{ carrier: 'envelope' }, { requireL7Visibility: true }] as const) {
      await using all = await pair(door, {}, { coalesce: { mode: 'auto', ...coalesce } });
      for (let i = 0; i < 5; i++) await all.client.burst(Array(20).fill('a'));
      expect(all.mesh.stats().coalesce.tunnels.opened).toBe(0);
      expect(all.mesh.stats().coalesce.carriers).toBe(5);
    }
  });

  test('a cancelled call is cancelled at the server, its neighbours go on (C1, K7)', async () => {
    const gate = new Gate();
    const cancelled: string[] = [];
    await using all = await tunnelPair(door, {
      say: (call, callback) => {
        call.on('cancelled', () => cancelled.push(call.request.text));
        void gate.opened.then(() => callback(null, { text: `late ${call.request.text}` }));
      },
    });
    let cancel = (): void => {};
    const keep = (call: ClientUnaryCall): void => {
      cancel = () => call.cancel();
    };
    const calls = ['a', 'b', 'c'].map((text) => all.client.say(text, text === 'b' ? { onCall: keep } : {}));
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(3);
    cancel();
    expect((await calls[1])?.code).toBe('CANCELLED');
    await expect.poll(() => cancelled).toContain('b');
    gate.open();
    expect((await calls[0])?.text).toBe('late a');
    expect((await calls[2])?.text).toBe('late c');
  });

  test('a late call ends at its own time, its neighbours go on (K8)', async () => {
    const gate = new Gate();
    await using all = await tunnelPair(door, {
      say: (call, callback) => void gate.opened.then(() => callback(null, { text: call.request.text })),
    });
    const slow = all.client.say('slow');
    expect((await all.client.say('short', { deadline: Date.now() + 50 })).code).toBe('DEADLINE_EXCEEDED');
    gate.open();
    expect((await slow).code).toBe('OK');
  });

  test('an idle tunnel lets an unmodified tryShutdown() return at once', async () => {
    await using all = await tunnelPair(door);
    const started = performance.now();
    await new Promise<void>((resolve, reject) => all.running.server.tryShutdown((error) => (error ? reject(error) : resolve())));
    expect(performance.now() - started).toBeLessThan(200);
    expect(all.mesh.stats().coalesce.tunnels.open).toBe(0);
  });

  test('a loaded tunnel finishes what it took when the server shuts down (K19)', async () => {
    const gate = new Gate();
    await using all = await tunnelPair(door, {
      say: (call, callback) => void gate.opened.then(() => callback(null, { text: call.request.text })),
    });
    const burst = all.client.burst(Array(30).fill('a'));
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(30);
    const down = new Promise<void>((resolve, reject) => all.running.server.tryShutdown((error) => (error ? reject(error) : resolve())));
    setTimeout(() => gate.open(), 50);
    for (const { code } of await burst) expect(code).toBe('OK');
    await down;
  });

  test('an idle tunnel is let go, and opened again under load', async () => {
    await using all = await pair(door, {}, { coalesce: { mode: 'auto' } });
    expect(all.mesh.stats().coalesce.tunnels.opened).toBe(0); // not for a single call
    await openTunnel(all.mesh, all.client);
    await expect.poll(() => all.mesh.stats().coalesce.tunnels.open, { timeout: 6_000 }).toBe(0);
    await openTunnel(all.mesh, all.client);
  });

  test('closing the client ends its tunnels in peace', async () => {
    await using all = await tunnelPair(door);
    all.client[Symbol.dispose]();
    await expect.poll(() => all.mesh.stats().coalesce.tunnels.open).toBe(0);
  });

  test('a server that was rolled back to one without tunnels loses no call (K13)', async () => {
    await using all = await tunnelPair(door);
    const port = all.running.port;
    all.running.server.forceShutdown();
    await using _old = await serve({ server: new Server(), port });
    const outcomes = await all.client.burst(Array(20).fill('a'), { inmesh: { idempotent: true } });
    expect(outcomes.map(({ code }) => code)).toEqual(Array(20).fill('OK'));
  });
});

test('server policy can forbid tunnels', async () => {
  const { MeshServer } = await import('../../src/mesh-server.ts');
  await using running = await serve({ server: new MeshServer({ mesh: createMesh({ server: { tunnels: false } }) }) });
  const mesh = createMesh({ coalesce: coalesceIn('tunnel') });
  using client = new EchoClient({ address: running.address, mesh, door: 'channel' });
  for (let i = 0; i < 10; i++) await client.burst(Array(20).fill('a'));
  expect(mesh.stats().coalesce.tunnels.opened).toBe(0);
  expect(mesh.stats().coalesce.carriers).toBeGreaterThan(5);
});
