import { ChannelCredentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Mirror, Policy } from '../../src/policy/policy.gen.ts';
import {
  type ClientDoor,
  clientDoors,
  EchoClient,
  echoDefinition,
  Gate,
  type Handlers,
  metadataOf,
  type RunningServer,
  serve,
} from '../support/loopback.ts';

interface Copy {
  readonly text: string;
  readonly metadata: Metadata;
  readonly leftMs: number;
}

interface Stage extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly shadow: RunningServer;
  /** What the shadow has seen. */
  readonly copies: Copy[];
  readonly warnings: string[];
  settled(): Promise<void>;
}

interface Given {
  readonly policy?: Policy;
  readonly own?: Partial<Handlers>;
  /** What the shadow answers; default: what the client's own server does. */
  readonly shadow?: Partial<Handlers>;
}

async function stage(door: ClientDoor, mirror: Partial<Mirror>, { policy = {}, own = {}, shadow = {} }: Given = {}): Promise<Stage> {
  const copies: Copy[] = [];
  const noting: Handlers['say'] = (call, callback) => {
    const deadline = call.getDeadline();
    copies.push({ text: call.request.text, metadata: call.metadata, leftMs: Number(deadline) - Date.now() });
    if (shadow.say === undefined) callback(null, { text: `say ${call.request.text}` });
    else shadow.say(call, callback);
  };
  const servers = [await serve({ handlers: own }), await serve({ handlers: { ...shadow, say: noting } })];
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error('no servers');
  const warnings: string[] = [];
  const mesh = createMesh(
    { ...policy, clusters: { shadow: { target: second.address } }, mirrors: [{ cluster: 'shadow', ...mirror }] },
    { services: [echoDefinition], warn: (line) => warnings.push(line) },
  );
  const client = new EchoClient({ address: first.address, mesh, door });
  const settled = async (): Promise<void> => {
    await expect.poll(() => mesh.stats().traffic.mirrors[0]?.inFlight, { timeout: 10_000 }).toBe(0);
    await new Promise(setImmediate);
  };
  const dispose = async (): Promise<void> => {
    await settled();
    client[Symbol.dispose]();
    for (const server of servers) server.kill();
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    await mesh.close();
  };
  return { mesh, client, shadow: second, copies, warnings, settled, [Symbol.asyncDispose]: dispose };
}

const stats = (mesh: Mesh): unknown => mesh.stats().traffic.mirrors[0];

describe.for(clientDoors)('mirror behind %s', (door) => {
  test('TM3: a copy of each call goes to the cluster, with its metadata and a mark; the app hears of its own alone', async () => {
    await using at = await stage(door, {});
    const outcome = await at.client.say('a', { metadata: metadataOf({ 'x-user': 'anna' }) });
    expect(outcome).toMatchObject({ code: 'OK', text: 'say a', trailers: {} });
    await expect.poll(() => at.copies.length).toBe(1);
    expect(at.copies[0]).toMatchObject({ text: 'a' });
    expect(at.copies[0]?.metadata.getMap()).toMatchObject({ 'x-user': 'anna', 'inmesh-mirror': '1' });
    await at.settled();
    expect(stats(at.mesh)).toMatchObject({ cluster: 'shadow', sent: 1, dropped: 0, failed: 0 });
    expect(at.mesh.stats().client).toMatchObject({ calls: 1, attempts: 1 });
  });

  test('TM3: it has a deadline of its own', async () => {
    await using at = await stage(door, { timeout: '3s' });
    await at.client.say('a', { deadline: Date.now() + 60_000 });
    await expect.poll(() => at.copies.length).toBe(1);
    expect(at.copies[0]?.leftMs).toBeGreaterThan(1_000);
    expect(at.copies[0]?.leftMs).toBeLessThanOrEqual(3_100);
  });

  test('a cluster that is silent, dead or failing fails and delays no call; what is out is bounded', async () => {
    const gate = new Gate();
    await using at = await stage(
      door,
      { maxInFlight: 3, timeout: '10s' },
      { shadow: { say: (_call, callback) => void gate.opened.then(() => callback({ code: 13, details: 'broken' })) } },
    );
    const outcomes = await at.client.burst(Array.from({ length: 20 }, (_, index) => String(index)));
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(['OK']));
    await expect.poll(() => at.copies.length).toBe(3);
    expect(stats(at.mesh)).toMatchObject({ sent: 3, dropped: 17, inFlight: 3 });
    gate.open();
    await at.settled();
    expect(stats(at.mesh)).toMatchObject({ failed: 3, inFlight: 0 });
    at.shadow.kill();
    expect((await at.client.say('last')).code).toBe('OK');
    await at.settled();
    expect(stats(at.mesh)).toMatchObject({ sent: 4, failed: 4 });
  });

  test('TM3: nothing but its match: percent, method and header; never a stream', async () => {
    await using at = await stage(door, { match: { methods: ['loop.Echo'], headers: [{ name: 'x-copy' }] }, percent: 50 });
    const metadata = metadataOf({ 'x-copy': '1' });
    for (let i = 0; i < 60; i++) await at.client.say('with', { metadata });
    for (let i = 0; i < 10; i++) await at.client.say('without');
    for await (const _ of at.client.stub.count({ text: 'stream' }, metadata, {}));
    await at.settled();
    expect(new Set(at.copies.map(({ text }) => text))).toEqual(new Set(['with']));
    expect(at.copies.length).toBeGreaterThan(10);
    expect(at.copies.length).toBeLessThan(50);
  });

  test('one call is one copy, however often it is tried', async () => {
    let failures = 2;
    await using at = await stage(
      door,
      {},
      {
        policy: { defaults: { idempotent: true } },
        own: { say: (call, callback) => (failures-- > 0 ? callback({ code: 14, details: 'down' }) : callback(null, call.request)) },
      },
    );
    expect((await at.client.say('a')).code).toBe('OK');
    await at.settled();
    expect(at.mesh.stats().client.attempts).toBe(3);
    expect(at.copies).toHaveLength(1);
  });

  test('what never goes out is not copied: refused by a bulkhead, or answered by the cache', async () => {
    const gate = new Gate();
    await using at = await stage(
      door,
      {},
      {
        policy: {
          methods: { 'loop.Echo/Say': { idempotent: true, cache: { ttl: '60s' }, bulkhead: { slots: 1 } } },
        },
        own: { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) },
      },
    );
    const both = at.client.burst(['a', 'b']);
    setTimeout(() => gate.open(), 20);
    expect((await both).map(({ code }) => code)).toEqual(['OK', 'RESOURCE_EXHAUSTED']);
    expect((await at.client.say('a')).code).toBe('OK');
    await at.settled();
    expect(at.copies.map(({ text }) => text)).toEqual(['a']);
  });

  test('TM3: answers that say the same are equal, others are told by field, never by value', async () => {
    await using at = await stage(
      door,
      { compare: true },
      {
        own: {
          say: (call, callback) => (call.request.text === 'gone' ? callback({ code: 5, details: 'no' }) : callback(null, call.request)),
        },
        shadow: {
          say: (call, callback) =>
            call.request.text === 'other' ? callback(null, { text: 'secret' }) : callback(null, { text: call.request.text }),
        },
      },
    );
    for (const text of ['same', 'same', 'other', 'gone']) await at.client.say(text);
    await at.settled();
    await expect.poll(() => stats(at.mesh)).toMatchObject({ equal: 2, different: 2, uncompared: 0 });
    expect(stats(at.mesh)).toMatchObject({ differences: { text: 1, '(status)': 1 } });
    const told = at.mesh.overview().events.filter(({ kind }) => kind === 'mirror.different');
    expect(told.map(({ subject }) => subject)).toContain('shadow');
    expect(JSON.stringify(told)).not.toContain('secret');
    expect(JSON.stringify(at.mesh.stats())).not.toContain('secret');
  });

  test('a copy that fails on its side is no difference', async () => {
    await using at = await stage(
      door,
      { compare: true },
      { shadow: { say: (_call, callback) => callback({ code: 14, details: 'down' }) } },
    );
    await at.client.say('a');
    await at.settled();
    expect(stats(at.mesh)).toMatchObject({ failed: 1, equal: 0, different: 0 });
  });

  test('a request that cannot be encoded, and a call that is cancelled at once, leave nothing behind', async () => {
    await using at = await stage(door, {});
    await at.client.say('unserializable');
    await at.client.say('a', { onCall: (call) => call.cancel() });
    await at.settled();
    expect(stats(at.mesh)).toMatchObject({ inFlight: 0 });
  });
});

describe('behind a channel that is told no kinds', () => {
  test('a unary call is copied, a stream is not, and holds no place', async () => {
    await using running = await serve();
    await using shadow = await serve();
    const mesh = createMesh({ clusters: { shadow: { target: shadow.address } }, mirrors: [{ cluster: 'shadow', maxInFlight: 1 }] });
    const channel = mesh.channel(running.address, ChannelCredentials.createInsecure());
    using client = new EchoClient({ address: running.address, options: { channelOverride: channel } });
    const chat = client.stub.chat(new Metadata(), {});
    const heard = new Promise((resolve) => chat.once('data', resolve));
    chat.write({ text: 'x' });
    await heard;
    expect((await client.say('a')).code).toBe('OK');
    await expect.poll(() => stats(mesh)).toMatchObject({ sent: 1, dropped: 0, inFlight: 0 });
    const ended = new Promise((resolve) => chat.once('status', resolve));
    chat.end();
    chat.resume();
    await ended;
    await mesh.close();
  });
});

describe('copies of copies', () => {
  test('what is called for a copy is marked, and not copied again', async () => {
    await using last = await serve();
    const marks: string[] = [];
    await using middle = await serve({
      handlers: {
        say: (call, callback) => {
          marks.push(String(call.metadata.get('inmesh-mirror')));
          callback(null, call.request);
        },
      },
    });
    const inner = createMesh({ clusters: { shadow: { target: last.address } }, mirrors: [{ cluster: 'shadow' }] });
    using onward = new EchoClient({ address: middle.address, mesh: inner });
    const server = new MeshServer({ mesh: inner });
    await using front = await serve({
      server,
      handlers: { say: (call, callback) => void onward.say(call.request.text).then(({ text = '' }) => callback(null, { text })) },
    });
    using bare = new EchoClient({ address: front.address });
    await bare.say('plain');
    await bare.say('copy', { metadata: metadataOf({ 'inmesh-mirror': '1' }) });
    expect(marks).toEqual(['', '1']);
    expect(inner.stats().traffic.mirrors).toMatchObject([{ sent: 1 }]);
    await inner.close();
  });

  test('a client that came without mesh.options() is told once, and its calls go', async () => {
    await using running = await serve();
    const warnings: string[] = [];
    const mesh = createMesh(
      { clusters: { shadow: { target: 'localhost:1' } }, mirrors: [{ cluster: 'shadow' }] },
      { warn: (line) => warnings.push(line) },
    );
    using client = new EchoClient({ address: running.address, options: { interceptors: mesh.interceptors() } });
    expect((await client.say('a')).code).toBe('OK');
    expect((await client.say('b')).code).toBe('OK');
    expect(warnings).toEqual([expect.stringContaining('calls are not mirrored')]);
    expect(mesh.stats().traffic.mirrors).toMatchObject([{ sent: 0, inFlight: 0 }]);
    await mesh.close();
  });

  test('compare without services is refused at the start', () => {
    expect(() => createMesh({ clusters: { a: { target: 'b:1' } }, mirrors: [{ cluster: 'a', compare: true }] })).toThrow(
      'policy.mirrors[0].compare: expected services, to read the answers',
    );
  });
});
