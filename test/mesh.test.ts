import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ChannelCredentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { LOCAL } from '../src/errors.ts';
import { createMesh } from '../src/mesh.ts';
import { MeshServer } from '../src/mesh-server.ts';
import { defaultRows } from './defaults.ts';
import { FakeClock } from './support/fake-clock.ts';
import { clientDoors, doors, EchoClient, Gate, type RunningServer, serve } from './support/loopback.ts';

const run = promisify(execFile);
const target = (...running: readonly RunningServer[]): string => `ipv4:${running.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

describe.for(clientDoors)('mesh.close() of a client behind %s', (door) => {
  test('waits for the calls that are out, refuses new ones, and a second close ends with the first', async () => {
    const held = new Gate();
    const arrived = new Gate();
    await using running = await serve({
      handlers: {
        say: (call, callback) => {
          arrived.open();
          void held.opened.then(() => callback(null, call.request));
        },
      },
    });
    const clock = new FakeClock(); // stands still: nothing ends because its time is over
    const mesh = createMesh({}, { clock });
    const client = new EchoClient({ address: running.address, mesh, door });
    const out = client.say('out');
    await arrived.opened;
    let closed = 0;
    const closing = [mesh.close(), mesh.close()].map((done) => done.then(() => closed++));
    const refused = await client.say('new');
    expect(refused).toMatchObject({
      code: 'UNAVAILABLE',
      details: 'inmesh: the mesh is closed',
      trailers: { 'inmesh-reason': ['client.mesh/closed'] },
    });
    await turn();
    expect(closed).toBe(0);
    held.open();
    expect((await out).code).toBe('OK');
    await Promise.all(closing);
    expect(closed).toBe(2);
    await mesh.close();
    clock.endTurn(); // the balancer's
    expect(clock.pending).toBe(0);
  });

  test('a call after close() ends with UNAVAILABLE and the reason client.mesh/closed, on old clients and on new ones', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const client = new EchoClient({ address: running.address, mesh, door });
    await client.say('a');
    await mesh.close();
    const late = new EchoClient({ address: running.address, mesh, door });
    for (const one of [client, late]) {
      expect(await one.say('b')).toMatchObject({ code: 'UNAVAILABLE', trailers: { 'inmesh-reason': ['client.mesh/closed'] } });
    }
    expect(mesh.stats().client.active).toBe(0);
  });

  test('what is still out after drainMs ends with UNAVAILABLE, and the server hears that nobody waits', async () => {
    const arrived = new Gate();
    const gone = new Gate();
    await using running = await serve({
      handlers: {
        say: (call) => {
          call.on('cancelled', () => gone.open());
          arrived.open();
        },
      },
    });
    const clock = new FakeClock();
    const mesh = createMesh({}, { clock });
    const client = new EchoClient({ address: running.address, mesh, door });
    const out = client.say('for ever');
    await arrived.opened;
    const closed = mesh.close(500);
    clock.advance(499);
    await turn();
    expect(mesh.stats().client.active).toBe(1);
    clock.advance(1);
    await closed;
    expect(await out).toMatchObject({
      code: 'UNAVAILABLE',
      details: 'inmesh: the mesh was closed before the call ended',
      trailers: { 'inmesh-reason': ['client.mesh/closed'] },
    });
    await gone.opened;
    expect(mesh.stats().client.active).toBe(0);
    clock.endTurn(); // the balancer's
    expect(clock.pending).toBe(0);
  });

  test('leaves nothing that keeps a process alive', async () => {
    const child = fileURLToPath(new URL('./doors/close-child.ts', import.meta.url));
    const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', child, door], { timeout: 20_000 });
    expect(JSON.parse(stdout)).toEqual({ said: 'say a', refused: 'UNAVAILABLE', left: [] });
  });
});

describe('what createMesh() without policy changes', () => {
  test('the table names each thing once', () => {
    const names = defaultRows.map(({ what }) => what);
    expect(names).toEqual([
      'Telemetry',
      'Deadlines',
      'Resets',
      'Retries',
      'Balancing',
      'Endpoints',
      'Outliers',
      'Bulkheads',
      'Coalescing',
      'Service config from DNS TXT',
    ]);
  });

  test('Deadlines: none is invented', async () => {
    const seen: unknown[] = [];
    await using running = await serve({
      handlers: {
        say: (call, callback) => {
          seen.push(call.getDeadline());
          callback(null, call.request);
        },
      },
    });
    const mesh = createMesh();
    for (const door of doors) {
      using client = new EchoClient({ address: running.address, mesh, door });
      await client.say('a');
    }
    expect(seen).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    await mesh.close();
  });

  test('Resets: of a call that is cancelled, of one that is late not', async () => {
    await using running = await serve({
      handlers: { say: (call, callback) => void (call.request.text === 'a' && callback(null, call.request)) },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('a');
    expect((await client.say('late', { deadline: Date.now() + 50 })).code).toBe('DEADLINE_EXCEEDED');
    expect(mesh.stats().client.resets.granted).toBe(0);
    expect((await client.say('held', { onCall: (call) => void setTimeout(() => call.cancel(), 50) })).code).toBe('CANCELLED');
    expect(mesh.stats().client.resets.granted).toBe(1);
    await mesh.close();
  });

  test('Retries: what may have run is not sent again, unless it is marked', async () => {
    let calls = 0;
    await using running = await serve({
      handlers: {
        say: (_call, callback) => {
          calls++;
          callback({ code: 14 });
        },
      },
    });
    const mesh = createMesh({}, { warn: () => {} });
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('a');
    expect(calls).toBe(1);
    await client.say('a', { inmesh: { idempotent: true } });
    expect(calls).toBe(1 + 3);
    await mesh.close();
  });

  test('Balancing: every address is connected and gets calls; a policy of the user stays', async () => {
    const counts = [0, 0, 0];
    const replicas = await Promise.all(
      counts.map((_, index) =>
        serve({
          handlers: {
            say: (call, callback) => {
              counts[index] = (counts[index] ?? 0) + 1;
              callback(null, call.request);
            },
          },
        }),
      ),
    );
    const mesh = createMesh();
    using client = new EchoClient({ address: target(...replicas), mesh });
    while (mesh.stats().endpoints[target(...replicas)]?.every(({ ready }) => ready) !== true) await client.say('a');
    await client.burst(Array.from({ length: 60 }, String));
    expect(Math.min(...counts)).toBeGreaterThan(5);
    using own = new EchoClient({
      address: target(...replicas),
      mesh,
      options: { 'grpc.service_config': '{"loadBalancingConfig":[{"pick_first":{}}]}' },
    });
    counts.fill(0);
    await own.burst(Array.from({ length: 30 }, String));
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 0, 30]);
    await mesh.close();
    for (const replica of replicas) replica.kill();
  });

  test('Endpoints: a connection has 5 s to be ready', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const clock = new FakeClock();
    const mesh = createMesh({}, { clock });
    const address = silent.address();
    using client = new EchoClient({ address: `ipv4:127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, mesh });
    const out = client.say('a');
    await once(silent, 'connection');
    clock.advance(4_999);
    await turn();
    expect(mesh.stats().client.active).toBe(1);
    clock.advance(1);
    for (let i = 0; i < 20; i++) await clock.advanceAsync(100); // retries back off
    expect((await out).details).toContain('was not ready for calls within 5000 ms');
    await mesh.close();
    silent.close();
  });

  test('Outliers: an endpoint that fails five times in a row has no calls but probes', async () => {
    let failed = 0;
    const bad = await serve({
      handlers: {
        say: (_call, callback) => {
          failed++;
          callback({ code: 14 });
        },
      },
    });
    const replicas = [bad, await serve(), await serve()];
    const mesh = createMesh();
    using client = new EchoClient({ address: target(...replicas), mesh });
    const ejected = (): (boolean | undefined)[] | undefined => mesh.stats().endpoints[target(...replicas)]?.map((one) => one.ejected);
    for (let i = 0; i < 200 && ejected()?.[0] !== true; i++) await client.burst(Array.from({ length: 30 }, String));
    expect(ejected()).toEqual([true, false, false]);
    failed = 0;
    const calls = await client.burst(Array.from({ length: 100 }, String));
    expect(failed).toBeLessThanOrEqual(1);
    expect(calls.filter(({ code }) => code === 'OK').length).toBeGreaterThanOrEqual(99);
    await mesh.close();
    for (const replica of replicas) replica.kill();
  });

  test('Bulkheads and coalescing are off; a MeshServer still takes batches of those who ask', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    const outcomes = await client.burst(Array.from({ length: 300 }, String));
    expect(outcomes.every(({ code }) => code === 'OK')).toBe(true);
    expect(mesh.stats().coalesce.items).toBe(0);
    const asking = createMesh({ coalesce: 'auto' });
    using other = new EchoClient({ address: running.address, mesh: asking });
    await other.learn();
    await other.burst(['a', 'b']);
    expect(asking.stats().coalesce.items).toBe(2);
    await Promise.all([mesh.close(), asking.close()]);
  });

  test('Service config from DNS TXT: off, unless asked for', () => {
    const mesh = createMesh();
    const { channelFactoryOverride } = mesh.client();
    expect(channelFactoryOverride).toBeTypeOf('function');
    expect(mesh.policy).toEqual({});
  });
});

describe('statuses of ours', () => {
  test.for(clientDoors)('carry the reason up to the ServiceError, also through interceptors that copy the status: %s', async (door) => {
    await using running = await serve();
    const mesh = createMesh();
    const brands: unknown[] = [];
    using client = new EchoClient({
      address: running.address,
      options: {
        ...(door === 'channel' ? mesh.client() : mesh.options()),
        interceptors: [
          (options, nextCall) => {
            const call = nextCall(options);
            return Object.assign(Object.create(call), {
              start: (metadata: Metadata, listener: { onReceiveStatus(status: object): void }) =>
                call.start(metadata, {
                  onReceiveMetadata: () => {},
                  onReceiveMessage: () => {},
                  onReceiveStatus: (status) => {
                    const copy = { ...status };
                    brands.push(Reflect.get(copy, LOCAL));
                    listener.onReceiveStatus(copy);
                  },
                }),
              sendMessage: (message: unknown) => call.sendMessage(message),
              halfClose: () => call.halfClose(),
            });
          },
          ...(door === 'channel' ? [] : mesh.interceptors()),
        ],
      },
    });
    const error = await new Promise<{ code: number; metadata: Metadata } | null>((resolve) => {
      client.stub.say({ text: 'a' }, new Metadata(), { deadline: Date.now() - 1000 }, resolve);
    });
    expect(error?.code).toBe(4);
    expect(error?.metadata.get('inmesh-reason')).toEqual(['client.deadline/late']);
    expect(brands).toEqual([expect.objectContaining({ reason: 'client.deadline/late', unprocessed: true })]);
    await mesh.close();
  });

  test('the brand is a registered symbol, so that another copy of inmesh knows it', () => {
    expect(LOCAL).toBe(Symbol.for('inmesh.local'));
  });
});

test('mesh.channel() is a whole channel with the stack in front', async () => {
  await using running = await serve();
  const mesh = createMesh();
  const channel = mesh.channel(running.address, ChannelCredentials.createInsecure());
  using client = new EchoClient({ address: running.address, options: { channelOverride: channel } });
  expect((await client.say('a')).text).toBe('say a');
  expect(mesh.stats().client.calls).toBe(1);
  await mesh.close();
});
