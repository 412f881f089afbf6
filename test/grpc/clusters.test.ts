/** Clusters with all that stands around them: fields of requests, fallbacks, front nodes, TLS of their own, interceptors alone. */
import {
  type CallOptions,
  ChannelCredentials,
  type Client,
  InterceptingCall,
  type Interceptor,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { retryInterceptor } from '../../interceptors/index.ts';
import { mirrorInterceptor } from '../../interceptors/standalone/mirror.ts';
import { routeInterceptor } from '../../interceptors/standalone/route.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { load } from '../src/route/messages.ts';
import { makeCertificates } from '../support/certificates.ts';
import {
  bind,
  type ClientDoor,
  clientDoors,
  doors,
  EchoClient,
  echoDefinition,
  type Handlers,
  type Message,
  metadataOf,
  serve,
} from '../support/loopback.ts';

const says = (who: string): Partial<Handlers> => ({
  say: (call, callback) => callback(null, { text: `${who} ${call.request.text}` }),
  tell: (call, callback) => callback(null, { text: `${who} told ${call.request.text}` }),
});
const { service, Shop } = load();

interface ShopClient extends Client {
  find(request: object, metadata: Metadata, options: CallOptions, callback: (error: Error | null, reply?: { etag: string }) => void): void;
}

async function shop(etag: string): Promise<{ readonly address: string; readonly server: Server }> {
  const server = new Server();
  const find = (_call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): void => callback(null, { etag });
  const upload = (): void => {};
  server.addService(service, { Find: find, Upload: upload });
  return { address: `localhost:${await bind(server)}`, server };
}

function shopClient(door: ClientDoor, mesh: Mesh, address: string): ShopClient {
  const options = door === 'interceptors' ? { ...mesh.options(), interceptors: mesh.interceptors() } : mesh.client();
  const client = new Shop(address, ChannelCredentials.createInsecure(), options) as Client as ShopClient;
  return door === 'wrap' ? (mesh.wrap(client, { interceptors: 'none' }) as ShopClient) : client;
}

const find = (client: ShopClient, request: object): Promise<string> =>
  new Promise((resolve, reject) => {
    client.find(request, new Metadata(), {}, (error, reply) =>
      error === null && reply !== undefined ? resolve(reply.etag) : reject(error),
    );
  });

describe.for(clientDoors)('routes by a field behind %s', (door) => {
  test('LB10 TM2: the request itself says where it goes, and is sticky by its key', async () => {
    const [stable, canary] = [await shop('stable'), await shop('canary')];
    const mesh = createMesh(
      {
        clusters: { canary: { target: canary.address } },
        routes: [
          { match: { methods: ['shop.Shop/Find'], fields: [{ field: 'region', prefix: 'eu-' }] }, cluster: 'canary' },
          {
            match: { methods: ['shop.Shop/Find'], fields: [{ field: 'user.vip', exact: 'true' }] },
            split: [{ weight: 1 }, { cluster: 'canary', weight: 1 }],
            key: { field: 'user.id' },
          },
        ],
      },
      { descriptors: service },
    );
    const client = shopClient(door, mesh, stable.address);
    expect(await find(client, { region: 'eu-west' })).toBe('canary');
    expect(await find(client, { region: 'us-west' })).toBe('stable');
    const ask = (id: number): Promise<string> => find(client, { user: { id, vip: true } });
    const ids = Array.from({ length: 20 }, (_, id) => id);
    const first = await Promise.all(ids.map(ask));
    expect(new Set(first)).toEqual(new Set(['stable', 'canary']));
    expect(await Promise.all(ids.map(ask))).toEqual(first);
    client.close();
    await mesh.close();
    for (const { server } of [stable, canary]) server.forceShutdown();
  });
});

describe('clusters', () => {
  test.for(doors)("behind %s a fallback's other method is routed by its own routes", async (door) => {
    await using stable = await serve({ handlers: { say: (_call, callback) => callback({ code: 14, details: 'down' }) } });
    await using canary = await serve({ handlers: says('canary') });
    const mesh = createMesh(
      {
        clusters: { canary: { target: canary.address } },
        methods: { 'loop.Echo/Say': { fallback: { method: 'loop.Echo/Tell' } } },
        routes: [{ match: { methods: ['loop.Echo/Tell'] }, cluster: 'canary' }],
      },
      { warn: () => {} },
    );
    using client = new EchoClient({ address: stable.address, mesh, door });
    expect((await client.say('a')).text).toBe('canary told a');
    await mesh.close();
  });

  test('a front node routes what it hands on', async () => {
    await using stable = await serve({ handlers: says('stable') });
    await using canary = await serve({ handlers: says('canary') });
    const mesh = createMesh({
      clusters: { canary: { target: canary.address } },
      routes: [{ match: { headers: [{ name: 'x-canary' }] }, cluster: 'canary' }],
    });
    const server = new MeshServer({ mesh });
    mesh.forward({ target: stable.address, credentials: ChannelCredentials.createInsecure() }).addTo(server, echoDefinition);
    const front = `localhost:${await bind(server)}`;
    using client = new EchoClient({ address: front });
    expect((await client.say('a')).text).toBe('stable a');
    expect((await client.say('a', { metadata: metadataOf({ 'x-canary': '1' }) })).text).toBe('canary a');
    await mesh.close();
    server.forceShutdown();
  });

  test.for(doors)('behind %s a cluster may have credentials of its own', async (door) => {
    const { ca, server: pair } = makeCertificates();
    await using stable = await serve({ handlers: says('stable') });
    await using canary = await serve({
      handlers: says('canary'),
      credentials: ServerCredentials.createSsl(null, [{ private_key: pair.key, cert_chain: pair.cert }]),
    });
    const mesh = createMesh(
      { clusters: { canary: { target: canary.address } }, routes: [{ match: { headers: [{ name: 'x-canary' }] }, cluster: 'canary' }] },
      { clusters: { canary: { credentials: ChannelCredentials.createSsl(ca) } } },
    );
    using client = new EchoClient({ address: stable.address, mesh, door });
    expect((await client.say('a')).text).toBe('stable a');
    expect((await client.say('b', { metadata: metadataOf({ 'x-canary': '1' }) })).text).toBe('canary b');
    await mesh.close();
  });

  test('a client that closes its channel closes those of its clusters', async () => {
    await using stable = await serve({ handlers: says('stable') });
    await using canary = await serve({ handlers: says('canary') });
    const mesh = createMesh({ clusters: { canary: { target: canary.address } }, routes: [{ cluster: 'canary' }] });
    const client = new EchoClient({ address: stable.address, mesh });
    expect((await client.say('a')).text).toBe('canary a');
    client[Symbol.dispose]();
    // A server that shuts down waits for its connections: those of the client are gone.
    await new Promise<void>((resolve, reject) => canary.server.tryShutdown((error) => (error === undefined ? resolve() : reject(error))));
    await mesh.close();
  });

  test('behind interceptors too, a call on a closed client throws at the call', async () => {
    await using canary = await serve({ handlers: says('canary') });
    const mesh = createMesh({ clusters: { canary: { target: canary.address } }, routes: [{ cluster: 'canary' }] });
    const client = new EchoClient({ address: canary.address, mesh, door: 'interceptors' });
    expect((await client.say('a')).text).toBe('canary a');
    client[Symbol.dispose]();
    expect(() => client.stub.say({ text: 'b' }, new Metadata(), {}, () => {})).toThrow('Channel has been shut down');
    expect(mesh.stats().client.active).toBe(0);
    await mesh.close();
  });
});

const counting = (seen: string[]): Interceptor => {
  return (options, nextCall) => {
    seen.push(options.method_definition.path);
    return new InterceptingCall(nextCall(options));
  };
};

describe('alone', () => {
  test('TM1: routeInterceptor() sends calls of every kind to other channels; retries above it go there too', async () => {
    let failures = 1;
    await using stable = await serve({ handlers: says('stable') });
    await using canary = await serve({
      handlers: {
        ...says('canary'),
        say: (call, callback) =>
          failures-- > 0 ? callback({ code: 14, details: 'down' }) : callback(null, { text: `canary ${call.request.text}` }),
      },
    });
    using other = new EchoClient({ address: canary.address });
    const route = routeInterceptor({
      clusters: { canary: () => other.stub.getChannel() },
      routes: [{ match: { headers: [{ name: 'x-canary' }] }, cluster: 'canary' }],
    });
    const seen: string[] = [];
    using client = new EchoClient({
      address: stable.address,
      options: { interceptors: [counting(seen), retryInterceptor({ idempotentMethods: ['/loop.Echo/Say'] }), route] },
    });
    const metadata = metadataOf({ 'x-canary': '1' });
    expect((await client.say('a')).text).toBe('stable a');
    expect((await client.say('b', { metadata })).text).toBe('canary b');
    const heard: string[] = [];
    for await (const message of client.stub.count({ text: 'n' }, metadata, {})) heard.push((message as Message).text);
    expect(heard).toEqual(['n 1', 'n 2', 'n 3']);
    const chat = client.stub.chat(metadata, {});
    chat.write({ text: 'x' });
    chat.end();
    for await (const message of chat) heard.push((message as Message).text);
    expect(heard.at(-1)).toBe('x');
    expect((await client.say('unserializable', { metadata })).code).toBe('INTERNAL');
    expect(seen).toHaveLength(5);
  });

  test('TM3: mirrorInterceptor() copies to another channel, and compares', async () => {
    await using running = await serve({ handlers: says('own') });
    await using shadow = await serve({ handlers: says('shadow') });
    using other = new EchoClient({ address: shadow.address });
    const mirror = mirrorInterceptor({ channel: () => other.stub.getChannel(), compare: true, services: [echoDefinition] });
    using client = new EchoClient({ address: running.address, options: { interceptors: [mirror] } });
    expect((await client.say('a')).text).toBe('own a');
    await expect.poll(() => mirror.stats()).toMatchObject({ sent: 1, different: 1, differences: { text: 1 } });
  });

  test('TM3: mirrorInterceptor() does not copy what is called for a copy', async () => {
    await using running = await serve({ handlers: says('own') });
    await using shadow = await serve({ handlers: says('shadow') });
    using other = new EchoClient({ address: shadow.address });
    const mirror = mirrorInterceptor({ channel: () => other.stub.getChannel() });
    using onward = new EchoClient({ address: running.address, options: { interceptors: [mirror] } });
    const say: Handlers['say'] = (call, callback) => void onward.say(call.request.text).then(({ text = '' }) => callback(null, { text }));
    await using front = await serve({ server: new MeshServer(), handlers: { say } });
    using client = new EchoClient({ address: front.address });
    expect((await client.say('a', { metadata: metadataOf({ 'inmesh-mirror': '1' }) })).text).toBe('own a');
    expect((await client.say('b')).text).toBe('own b');
    await expect.poll(() => mirror.stats()).toMatchObject({ sent: 1, inFlight: 0 });
  });

  test('what they are given must make sense', () => {
    expect(() => routeInterceptor({ clusters: { a: 1 as never }, routes: [] })).toThrow(
      'route.clusters.a: expected () => client.getChannel(), got 1',
    );
    expect(() => routeInterceptor({ clusters: { abc: () => undefined as never }, routes: [{ cluster: 'acb' }] })).toThrow(
      'route.routes[0].cluster: no such cluster: "acb"; did you mean "abc"?',
    );
    expect(() => mirrorInterceptor({} as never)).toThrow('mirror.channel: expected () => client.getChannel(), got nothing');
    expect(() => mirrorInterceptor({ channel: () => undefined as never, compare: true })).toThrow('mirror.compare: expected services');
  });
});
