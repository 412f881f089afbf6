import { InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { coalesceIn } from '../grpc/pair.ts';
import {
  type ClientDoor,
  clientDoors,
  EchoClient,
  type Handlers,
  type Message,
  metadataOf,
  type RunningServer,
  type SayOptions,
  serve,
} from '../support/loopback.ts';

interface Stage extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly servers: readonly RunningServer[];
  /** Metadata of every call that the canary has seen. */
  readonly seen: Record<string, unknown>[];
}

const says = (who: string, seen: Record<string, unknown>[] = []): Partial<Handlers> => ({
  say: (call, callback) => {
    seen.push(call.metadata.getMap());
    callback(null, { text: `${who} ${call.request.text}` });
  },
  count: (call) => {
    call.write({ text: who });
    call.end();
  },
});

/** Two servers, `stable` the client's own target. */
async function stage(
  door: ClientDoor,
  policy: Policy,
  dependencies: MeshDependencies = {},
  interceptors: Interceptor[] = [],
): Promise<Stage> {
  const seen: Record<string, unknown>[] = [];
  const servers = [
    await serve({ server: new MeshServer(), handlers: says('stable') }),
    await serve({ server: new MeshServer(), handlers: says('canary', seen) }),
  ];
  const [stable, canary] = servers;
  if (stable === undefined || canary === undefined) throw new Error('no servers');
  const mesh = createMesh({ clusters: { canary: { target: canary.address } }, ...policy }, dependencies);
  const client = new EchoClient({ address: stable.address, mesh, door, options: { interceptors } });
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    for (const server of servers) server.kill();
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    await mesh.close();
  };
  return { mesh, client, servers, seen, [Symbol.asyncDispose]: dispose };
}

const text = async (client: EchoClient, said: string, options: SayOptions = {}): Promise<string | undefined> =>
  (await client.say(said, options)).text;

describe.for(clientDoors)('routes behind %s', (door) => {
  test('TM1: the first route that matches a header wins; what none matches goes to the own target', async () => {
    await using at = await stage(door, {
      routes: [
        { match: { headers: [{ name: 'x-user', exact: 'root' }] } },
        { match: { headers: [{ name: 'x-user', regex: '[a-z]+' }] }, cluster: 'canary' },
      ],
    });
    const as = (user: string): SayOptions => ({ metadata: metadataOf({ 'x-user': user }) });
    expect(await text(at.client, 'a')).toBe('stable a');
    expect(await text(at.client, 'b', as('anna'))).toBe('canary b');
    expect(await text(at.client, 'c', as('root'))).toBe('stable c');
    expect(await text(at.client, 'd', as('4711'))).toBe('stable d');
    expect(at.mesh.stats().traffic.routed).toEqual({ canary: 1, '': 3 });
  });

  test('TM1: a route by method sends every call of it, and no other, whatever its kind', async () => {
    await using at = await stage(door, { routes: [{ match: { methods: ['loop.Echo/Say', 'loop.Echo/Count'] }, cluster: 'canary' }] });
    expect(await text(at.client, 'a')).toBe('canary a');
    expect(await text(at.client, 'a', { method: 'tell' })).toBe('tell a');
    const stream = at.client.stub.count({ text: 'x' }, new Metadata(), {});
    const heard: string[] = [];
    for await (const message of stream) heard.push((message as Message).text);
    expect(heard).toEqual(['canary']);
    const { endpoints } = at.mesh.stats();
    expect(Object.keys(endpoints).sort()).toEqual(at.servers.map(({ address }) => address).sort());
  });

  test('TM2: a split by a header is sticky for each key, and those who stay away are many', async () => {
    await using at = await stage(door, {
      routes: [{ split: [{ weight: 80 }, { cluster: 'canary', weight: 20 }], key: { header: 'x-user' } }],
    });
    const ask = (user: number): Promise<string | undefined> => text(at.client, '', { metadata: metadataOf({ 'x-user': `user-${user}` }) });
    const users = Array.from({ length: 200 }, (_, user) => user);
    const first = await Promise.all(users.map(ask));
    const second = await Promise.all(users.map(ask));
    expect(second).toEqual(first);
    const onCanary = first.filter((answer) => answer === 'canary ').length;
    expect(onCanary).toBeGreaterThan(20);
    expect(onCanary).toBeLessThan(70);
  });

  test('TM2: the tenant can be the key', async () => {
    await using at = await stage(door, { routes: [{ split: [{ weight: 1 }, { cluster: 'canary', weight: 1 }], key: { tenant: true } }] });
    const ask = (tenant: string): Promise<string | undefined> => text(at.client, '', { inmesh: { tenant } });
    for (const tenant of ['anna', 'ben', 'cleo']) expect(await ask(tenant)).toBe(await ask(tenant));
  });

  test('a dead cluster fails its calls, and takes none of the others along', async () => {
    await using at = await stage(door, { routes: [{ match: { headers: [{ name: 'x-canary' }] }, cluster: 'canary' }] });
    at.servers[1]?.kill();
    const outcome = await at.client.say('a', { metadata: metadataOf({ 'x-canary': '1' }) });
    expect(outcome.code).toBe('UNAVAILABLE');
    expect(await text(at.client, 'b')).toBe('stable b');
  });

  test('attempts of a routed call stay with its cluster', async () => {
    let failures = 2;
    const target = await serve({
      handlers: { say: (call, callback) => (failures-- > 0 ? callback({ code: 14, details: 'down' }) : callback(null, call.request)) },
    });
    await using _target = target;
    await using at = await stage(door, {
      clusters: { canary: { target: target.address } },
      defaults: { idempotent: true },
      routes: [{ cluster: 'canary' }],
    });
    expect(await text(at.client, 'again')).toBe('again');
    expect(at.mesh.stats().client).toMatchObject({ calls: 1, attempts: 3, retries: 2 });
  });

  test('routed calls travel in batches of their own', async () => {
    await using at = await stage(door, {
      coalesce: coalesceIn('envelope'),
      routes: [{ match: { headers: [{ name: 'x-canary' }] }, cluster: 'canary' }],
    });
    const toCanary = { metadata: metadataOf({ 'x-canary': '1' }) };
    await at.client.say('learn');
    await at.client.say('learn', toCanary);
    const names = Array.from({ length: 16 }, (_, index) => String(index));
    const [stable, canary] = await Promise.all([at.client.burst(names), at.client.burst(names, toCanary)]);
    expect(stable.map((outcome) => outcome.text)).toEqual(names.map((name) => `stable ${name}`));
    expect(canary.map((outcome) => outcome.text)).toEqual(names.map((name) => `canary ${name}`));
    expect(at.mesh.stats().coalesce.items).toBeGreaterThanOrEqual(16);
  });

  test("a mesh that closes closes the clusters' channels", async () => {
    const at = await stage(door, { routes: [{ cluster: 'canary' }] });
    await at.client.say('a');
    await at.mesh.close();
    expect(await at.client.say('b')).toMatchObject({ code: 'UNAVAILABLE', trailers: { 'inmesh-reason': ['client.mesh/closed'] } });
    expect(Object.keys(at.mesh.stats().endpoints)).toEqual([]);
    await at[Symbol.asyncDispose]();
  });
});

/** Adds a header, as an interceptor with a token does. */
const stamp: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (metadata, listener, next) => {
      metadata.set('x-stamp', 'yes');
      next(metadata, listener);
    },
  });

describe('routes and interceptors of others', () => {
  test("those below ours see routed calls as they see all: nobody passes by a client's guard", async () => {
    const seen: Record<string, unknown>[] = [];
    await using stable = await serve({ handlers: says('stable') });
    await using canary = await serve({ handlers: says('canary', seen) });
    const mesh = createMesh({ clusters: { canary: { target: canary.address } }, routes: [{ cluster: 'canary' }] });
    using client = new EchoClient({
      address: stable.address,
      options: { ...mesh.options(), interceptors: [...mesh.interceptors(), stamp] },
    });
    expect(await text(client, 'a')).toBe('canary a');
    expect(await text(client, 'b')).toBe('canary b');
    expect(seen).toHaveLength(2);
    for (const metadata of seen) expect(metadata).toMatchObject({ 'x-stamp': 'yes' });
    await mesh.close();
  });

  test('a client that came without mesh.options() is told on its first call', async () => {
    await using stable = await serve();
    const mesh = createMesh({
      clusters: { canary: { target: 'localhost:1' } },
      routes: [{ match: { methods: ['loop.Echo/Say'] }, cluster: 'canary' }],
    });
    using client = new EchoClient({ address: stable.address, options: { interceptors: mesh.interceptors() } });
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(
      /^\/loop.Echo\/Say: policy.routes has a route for this method, but .* use mesh.client\(\), or mesh.options\(\)/,
    );
    expect(await text(client, 'b', { method: 'tell' })).toBe('tell b');
    expect(mesh.stats().client.active).toBe(0);
    await mesh.close();
  });
});
