/**
 * Node's HTTP/2 server closes a connection whose client resets too many streams (33 a second after a burst of 1000), and all
 * calls on it fail with it. These tests give up more than that, and look at the calls of others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientUnaryCall, Server } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, doors, EchoClient, type Handlers, metadataOf, serve } from '../support/loopback.ts';
import { coalesceIn, pair } from './pair.ts';

/** `slow` is answered when it is cancelled, or never; all else at once. */
const say: Handlers['say'] = (call, callback) => {
  if (call.request.text === 'slow') call.on('cancelled', () => callback(null, call.request));
  else callback(null, call.request);
};

/** What the budget gives one endpoint in the time since. */
const allowedSince = (startMs: number): number => 500 + Math.ceil((16 * (performance.now() - startMs)) / 1000);

type GiveUp = (client: EchoClient) => Promise<string>;

const cancelled: GiveUp = (client) =>
  client.say('slow', { onCall: (call) => void setTimeout(() => call.cancel(), 20) }).then((end) => end.code);
const expired: GiveUp = (client) => client.say('slow', { deadline: Date.now() + 20 }).then((end) => end.code);

/** So many a second for so long, with innocent calls among them; what they ended with. */
async function storm(client: EchoClient, giveUp: GiveUp, perSecond: number, seconds: number) {
  const given: Record<string, number> = {};
  const innocent: Record<string, number> = {};
  const all: Promise<void>[] = [];
  const note = async (into: Record<string, number>, end: Promise<string>): Promise<void> => {
    const code = await end;
    into[code] = (into[code] ?? 0) + 1;
  };
  for (let tick = 0; tick < seconds * 50; tick++) {
    for (let i = 0; i < perSecond / 50; i++) all.push(note(given, giveUp(client)));
    all.push(
      note(
        innocent,
        client.say('innocent').then(({ code }) => code),
      ),
    );
    await sleep(20);
  }
  await Promise.all(all);
  return { given, innocent };
}

async function withMesh(
  door: (typeof clientDoors)[number],
  policy: Policy,
  run: (client: EchoClient, mesh: Mesh, connections: () => number) => Promise<void>,
) {
  const running = await serve({ server: new Server(), handlers: { say } });
  const mesh = createMesh(policy);
  const client = new EchoClient({ address: running.address, mesh, door });
  await client.learn();
  let connections = 1;
  const watch = setInterval(() => {
    const [endpoint] = Object.values(mesh.stats().endpoints).flat();
    if (endpoint?.ready !== true) connections++;
  }, 5);
  try {
    await run(client, mesh, () => connections);
  } finally {
    clearInterval(watch);
    await mesh.close();
    running.kill();
  }
}

describe.for(clientDoors)('1200 calls given up in 1.2 seconds behind %s', (door) => {
  test('C7 X12: cancelled, they cost no innocent call and no connection', async () => {
    const startMs = performance.now();
    await withMesh(door, {}, async (client, mesh, connections) => {
      const { given, innocent } = await storm(client, cancelled, 1000, 1.2);
      expect(Object.keys(innocent)).toEqual(['OK']);
      expect(given).toEqual({ CANCELLED: 1200 });
      expect(connections()).toBe(1);
      const { resets } = mesh.stats().client;
      expect(resets.granted).toBeGreaterThanOrEqual(500);
      expect(resets.granted).toBeLessThanOrEqual(allowedSince(startMs));
      expect(resets.granted + resets.withheld).toBeGreaterThanOrEqual(1200);
    });
  });

  test('C7: late, they are left to their server, and cost as little', async () => {
    await withMesh(door, {}, async (client, mesh, connections) => {
      const { given, innocent } = await storm(client, expired, 1000, 1.2);
      expect(Object.keys(innocent)).toEqual(['OK']);
      expect(given).toEqual({ DEADLINE_EXCEEDED: 1200 });
      expect(connections()).toBe(1);
      expect(mesh.stats().client.resets.granted).toBeLessThan(300);
    });
  });
});

test('C7: 300 cancels a second for five seconds, default settings', async () => {
  const startMs = performance.now();
  await withMesh('channel', {}, async (client, mesh, connections) => {
    const { given, innocent } = await storm(client, cancelled, 300, 5);
    expect(innocent).toEqual({ OK: 250 });
    expect(given).toEqual({ CANCELLED: 1500 });
    expect(connections()).toBe(1);
    expect(mesh.stats().client.resets.granted).toBeLessThanOrEqual(allowedSince(startMs));
  });
});

test('M5: the trap is real: bare grpc-js loses its connection', async () => {
  await using running = await serve({ server: new Server(), handlers: { say } });
  using client = new EchoClient({ address: running.address });
  const { given } = await storm(client, cancelled, 1000, 1.2);
  // Calls that nobody had given up yet went down with it.
  expect(given['INTERNAL'] ?? 0).toBeGreaterThan(0);
});

describe.for(doors)('batches that are given up whole behind %s', (door) => {
  test('C7: their carriers are reset within the budget only, and calls of others are answered', async () => {
    await using made = await pair(door, { say }, { coalesce: coalesceIn('envelope') });
    const { client, mesh } = made;
    const startMs = performance.now();
    const others: string[] = [];
    const all: Promise<unknown>[] = [];
    const onCall = (call: ClientUnaryCall): void => void setTimeout(() => call.cancel(), 10);
    for (let tick = 0; tick < 50; tick++) {
      // Two calls of a lane make a carrier, which nobody waits for when both are given up.
      for (let lane = 0; lane < 24; lane++)
        all.push(client.burst(['slow', 'slow'], { metadata: metadataOf({ 'x-lane': `${lane}` }), onCall }));
      all.push(client.say('innocent').then(({ code }) => others.push(code)));
      await sleep(20);
    }
    await Promise.all(all);
    expect([...new Set(others)]).toEqual(['OK']);
    expect(mesh.stats().coalesce.carriers).toBeGreaterThan(1100);
    expect(mesh.stats().client.resets.granted).toBeLessThanOrEqual(allowedSince(startMs));
    await mesh.close();
  });
});
