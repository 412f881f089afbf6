/**
 * Metrics of a mesh as an SDK collects them, between real ends.
 */
import { ChannelCredentials, Client, status as Status } from '@grpc/grpc-js';
import { metrics as api } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attemptMetricsInterceptor, metricsInterceptor, retryInterceptor } from '../../interceptors/index.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { prometheusName } from '../../src/observe/metric-spec.ts';
import { OWN } from '../../src/observe/own-metrics.ts';
import { renderPrometheus } from '../../src/observe/prometheus.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type Metrics, type Point, startMetrics } from '../src/observe/metric-rig.ts';
import { parsePrometheus } from '../src/observe/prometheus-parser.ts';
import { clientDoors, EchoClient, Gate, type Handlers, type RunningServer, serve } from '../support/loopback.ts';
import { coalesceIn, openTunnel } from './pair.ts';

const SAY = 'loop.Echo/Say';
/** Metrics that are read, with their names in Prometheus. */
const OWN_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(OWN).map((metric) => [metric.name, prometheusName(metric)]),
);

let telemetry: Metrics;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  telemetry = startMetrics();
});
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
  api.disable();
  await telemetry.provider.shutdown();
});

interface Stage {
  readonly running: RunningServer;
  readonly mesh: Mesh;
  readonly client: EchoClient;
}

async function stage(
  policy: Policy,
  { handlers = {}, door = 'channel' as (typeof clientDoors)[number], server = {} as Policy } = {} as {
    handlers?: Partial<Handlers>;
    door?: (typeof clientDoors)[number];
    server?: Policy;
  },
): Promise<Stage> {
  const serverMesh = createMesh(server);
  const running = await serve({ server: new MeshServer({ mesh: serverMesh }), handlers });
  const mesh = createMesh(policy);
  const client = new EchoClient({ address: running.address, mesh, door });
  open.push({ close: () => serverMesh.close() }, { close: () => running[Symbol.asyncDispose]() }, { close: () => mesh.close() });
  return { running, mesh, client };
}

const labels = ({ attributes }: Point, ...names: string[]): unknown[] => names.map((name) => attributes[name]);
const one = async (name: string): Promise<Point> => {
  const points = await telemetry.points(name);
  expect(points.length, name).toBe(1);
  return points[0] as Point;
};

/** A handler that fails so often with UNAVAILABLE, then answers. */
function failing(times: number): Handlers['say'] {
  let left = times;
  return (call, callback) => {
    if (left-- > 0) callback({ code: Status.UNAVAILABLE, details: 'not now' });
    else callback(null, { text: call.request.text });
  };
}

const IDEMPOTENT: Policy = { defaults: { idempotent: true } };

describe.each(clientDoors)('durations, %s', (door) => {
  test('each call counts once on both sides, whatever it takes in attempts', async () => {
    const { client, running } = await stage(IDEMPOTENT, { door, handlers: { say: failing(1) } });
    expect((await client.say('a')).code).toBe('OK');
    await client.say('b');
    const called = await one('rpc.client.call.duration');
    const [host, port] = running.address.split(':');
    expect(called.attributes).toEqual({
      ...{ 'rpc.system.name': 'grpc', 'rpc.method': SAY, 'rpc.status_code': 'OK', 'server.address': host, 'server.port': Number(port) },
    });
    expect(called.count).toBe(2);
    const served = await telemetry.points('rpc.server.call.duration');
    expect(served.map((point) => [...labels(point, 'rpc.status_code', 'error.type'), point.count])).toEqual([
      ['UNAVAILABLE', 'UNAVAILABLE', 1],
      ['OK', undefined, 2],
    ]);
    expect(await telemetry.points('grpc.client.call.duration')).toEqual([]);
  });

  test('a call that is refused here counts, and says no server error', async () => {
    const { client, mesh } = await stage({}, { door });
    mesh.breaker(SAY).isolate();
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    expect(labels(await one('rpc.client.call.duration'), 'rpc.status_code', 'error.type')).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    expect(await telemetry.points('rpc.server.call.duration')).toEqual([]);
  });
});

describe('what the behaviours do', () => {
  test('is there from the first call on, and only what is used', async () => {
    const { client } = await stage({ defaults: { bulkhead: { slots: 8 } } });
    expect(await telemetry.all()).toEqual([]);
    await client.say('a');
    const names = (await telemetry.all()).filter(({ points }) => points.length > 0).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('inmesh.')).sort()).toEqual([
      'inmesh.budget.balance',
      'inmesh.budget.drawn',
      'inmesh.budget.refused',
      'inmesh.client.attempts',
      'inmesh.endpoint.count',
      'inmesh.limit.in_use',
      'inmesh.limit.max',
      'inmesh.limit.queued',
      'inmesh.limit.refused',
    ]);
    expect(await one('inmesh.limit.max')).toMatchObject({
      count: 8,
      attributes: { 'inmesh.side': 'client', 'inmesh.limit.kind': 'bulkhead', 'rpc.method': SAY },
    });
    const ready = (await telemetry.points('inmesh.endpoint.count')).filter(({ count }) => count > 0);
    expect(ready.map((point) => labels(point, 'inmesh.endpoint.state'))).toEqual([['ready']]);
  });

  test('is summed over the meshes of the process', async () => {
    const first = await stage({ defaults: { bulkhead: { slots: 8 } } });
    const second = await stage({ defaults: { bulkhead: { slots: 5 } } });
    await first.client.say('a');
    await second.client.say('a');
    expect((await one('inmesh.limit.max')).count).toBe(13);
  });

  test('a breaker opened by hand, the refusals and a budget that paid', async () => {
    const { client, mesh } = await stage(IDEMPOTENT, { handlers: { say: failing(1) } });
    await client.say('a');
    mesh.breaker(SAY).isolate();
    await client.burst(['b', 'c']);
    const states = (await telemetry.points('inmesh.breaker.state')).filter(({ count }) => count === 1);
    expect(states.map((point) => labels(point, 'rpc.method', 'inmesh.breaker.state'))).toEqual([[SAY, 'isolated']]);
    expect(await one('inmesh.breaker.refused')).toMatchObject({ count: 2, attributes: { 'rpc.method': SAY } });
    expect(await one('inmesh.refused')).toMatchObject({
      count: 2,
      attributes: { 'inmesh.side': 'client', 'inmesh.refusal.reason': 'client.breaker/isolated' },
    });
    expect(await one('inmesh.budget.drawn')).toMatchObject({ count: 1, attributes: { 'inmesh.service': 'loop.Echo' } });
    const kinds = await telemetry.points('inmesh.client.attempts');
    expect(kinds.map((point) => [...labels(point, 'inmesh.attempt.kind'), point.count])).toEqual([
      ['first', 1],
      ['retry', 1],
    ]);
  });

  test('a wait for a bulkhead is timed on both sides, and only a wait', async () => {
    const gate = new Gate();
    const say: Handlers['say'] = (call, callback) => {
      if (call.request.text === 'slow') void gate.opened.then(() => callback(null, { text: 'late' }));
      else callback(null, { text: 'quick' });
    };
    const walls = { slots: 1, queue: 8 };
    const { client, mesh } = await stage({ defaults: { bulkhead: walls } }, { handlers: { say }, server: { server: { bulkhead: walls } } });
    await client.say('quick');
    expect(await telemetry.points('inmesh.queue.time')).toEqual([]);
    const calls = client.burst(['slow', 'quick']);
    await expect.poll(() => mesh.overview().limits[0]?.queued).toBe(1);
    gate.open();
    await calls;
    const waited = await one('inmesh.queue.time');
    expect(waited).toMatchObject({ count: 1, attributes: { 'inmesh.side': 'client', 'rpc.method': SAY } });
    expect(waited.sum).toBeGreaterThan(0);
  });

  test('a wait for a batch is no wait for a limit', async () => {
    const { client, mesh } = await stage({ coalesce: coalesceIn('tunnel') });
    await client.learn();
    await openTunnel(mesh, client);
    await client.burst(Array(20).fill('a'));
    expect(mesh.stats().coalesce.tunnels.items).toBeGreaterThan(0);
    expect(await telemetry.points('inmesh.queue.time')).toEqual([]);
  });
});

describe("gRPC's names", () => {
  const NAMES: Policy = { ...IDEMPOTENT, telemetry: { names: 'both', retryMetrics: true, traces: false } };

  test('attempts and calls are told apart; sizes are those of the bytes', async () => {
    const { client, running } = await stage(NAMES, { handlers: { say: failing(1) }, server: { telemetry: { names: 'grpc' } } });
    await client.say('four');
    const target = `dns:///${running.address}`;
    expect(await one('grpc.client.attempt.started')).toMatchObject({ count: 2, attributes: { 'grpc.method': SAY, 'grpc.target': target } });
    const attempts = await telemetry.points('grpc.client.attempt.duration');
    expect(attempts.map((point) => [...labels(point, 'grpc.status'), point.count])).toEqual([
      ['UNAVAILABLE', 1],
      ['OK', 1],
    ]);
    const sums = async (name: string) => (await telemetry.points(name)).map((point) => [...labels(point, 'grpc.status'), point.sum]);
    expect(await sums('grpc.client.attempt.sent_total_compressed_message_size')).toEqual([
      ['UNAVAILABLE', 4],
      ['OK', 4],
    ]);
    expect(await sums('grpc.client.attempt.rcvd_total_compressed_message_size')).toEqual([
      ['UNAVAILABLE', 0],
      ['OK', 4],
    ]);
    expect(await one('grpc.client.call.duration')).toMatchObject({
      count: 1,
      attributes: { 'grpc.method': SAY, 'grpc.target': target, 'grpc.status': 'OK' },
    });
    expect((await one('rpc.client.call.duration')).count).toBe(1);
    expect(await one('grpc.server.call.started')).toMatchObject({ count: 2, attributes: { 'grpc.method': SAY } });
    expect((await telemetry.points('grpc.server.call.duration')).length).toBe(2);
    expect(await telemetry.points('rpc.server.call.duration')).toEqual([]);
  });

  test('where messages are objects, their sizes are not reported', async () => {
    const { client } = await stage(NAMES, { door: 'interceptors' });
    await client.say('four');
    expect((await one('grpc.client.attempt.duration')).count).toBe(1);
    expect(await telemetry.points('grpc.client.attempt.sent_total_compressed_message_size')).toEqual([]);
    expect(await telemetry.points('grpc.client.attempt.rcvd_total_compressed_message_size')).toEqual([]);
  });

  test('A96: retries and the wait before them; a call without any reports nothing', async () => {
    const { client } = await stage(NAMES, { handlers: { say: failing(2) } });
    await client.say('a');
    await client.say('b');
    expect(await one('grpc.client.call.retries')).toMatchObject({ count: 1, sum: 2 });
    const delay = await one('grpc.client.call.retry_delay');
    expect(delay.count).toBe(1);
    expect(delay.sum).toBeGreaterThan(0);
    expect(await telemetry.points('grpc.client.call.hedges')).toEqual([]);
    expect(await telemetry.points('grpc.client.call.transparent_retries')).toEqual([]);
  });

  test('A96: hedges', async () => {
    const gate = new Gate();
    let calls = 0;
    const say: Handlers['say'] = (call, callback) => {
      if (calls++ === 0) void gate.opened.then(() => callback(null, { text: 'late' }));
      else callback(null, { text: call.request.text });
    };
    const { client } = await stage(
      { ...NAMES, methods: { [SAY]: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.01s' } } } },
      { handlers: { say } },
    );
    await client.say('a');
    gate.open();
    expect(await one('grpc.client.call.hedges')).toMatchObject({ count: 1, sum: 1 });
    expect(await telemetry.points('grpc.client.call.retries')).toEqual([]);
  });

  test('single interceptors count the same, below and above retry', async () => {
    const { running } = await stage({}, { handlers: { say: failing(1) } });
    const options = { names: 'grpc', retryMetrics: true } as const;
    const client = new EchoClient({
      address: running.address,
      options: {
        interceptors: [
          metricsInterceptor(options),
          retryInterceptor({ idempotentMethods: ['/loop.Echo/Say'] }),
          attemptMetricsInterceptor(options),
        ],
      },
    });
    open.push({ close: () => client[Symbol.dispose]() });
    expect((await client.say('a')).code).toBe('OK');
    expect((await one('grpc.client.attempt.started')).count).toBe(2);
    expect(await one('grpc.client.call.retries')).toMatchObject({ count: 1, sum: 1 });
    expect(labels(await one('grpc.client.call.duration'), 'grpc.method', 'grpc.status')).toEqual([SAY, 'OK']);
  });

  test('an item of a batch is an attempt', async () => {
    const { client, mesh } = await stage({ ...NAMES, coalesce: coalesceIn('tunnel') });
    await client.learn();
    await openTunnel(mesh, client);
    const before = (await one('grpc.client.attempt.started')).count;
    await client.burst(Array(20).fill('abc'));
    expect((await one('grpc.client.attempt.started')).count).toBe(before + 20);
    expect(mesh.stats().coalesce.tunnels.items).toBeGreaterThanOrEqual(20);
  });

  test('a method that nobody has registered is "other", unless policy names it', async () => {
    const { running } = await stage({});
    const call = async (policy: Policy): Promise<void> => {
      const mesh = createMesh(policy);
      const client = new Client('unused', ChannelCredentials.createInsecure(), {
        channelOverride: mesh.channel(running.address, ChannelCredentials.createInsecure()),
      });
      const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
      await new Promise((resolve) => client.makeUnaryRequest(`/${SAY}`, text.serialize, text.deserialize, 'x', resolve));
      await mesh.close();
    };
    await call({ telemetry: { names: 'grpc' } });
    expect(labels(await one('grpc.client.call.duration'), 'grpc.method')).toEqual(['other']);
    await call({ telemetry: { names: 'grpc' }, services: { 'loop.Echo': { timeout: '9s' } } });
    const methods = (await telemetry.points('grpc.client.call.duration')).flatMap((point) => labels(point, 'grpc.method'));
    expect(methods).toEqual(['other', SAY]);
  });
});

describe('the text for Prometheus', () => {
  test('has the numbers that the SDK collects, and a strict reader takes it', async () => {
    const policy: Policy = { ...IDEMPOTENT, defaults: { idempotent: true, bulkhead: { slots: 4 } }, coalesce: coalesceIn('envelope') };
    const { client, mesh } = await stage(policy, { handlers: { say: failing(1) } });
    await client.say('a');
    await client.learn();
    for (let i = 0; i < 5; i++) await client.burst(Array(4).fill('b'));
    mesh.breaker(SAY).isolate();
    await client.say('c');
    const families = parsePrometheus(renderPrometheus(mesh.overview(), mesh.stats()));
    const sample = (family: string, series: string): number | undefined => families.get(family)?.samples.get(series);
    const calls = (await telemetry.points('rpc.client.call.duration')).reduce((sum, { count }) => sum + count, 0);
    const duration = 'rpc_client_call_duration_seconds';
    expect(sample(duration, `${duration}_count{rpc_method="${SAY}"}`)).toBe(calls);
    const byStatus = `inmesh_client_calls_total{rpc_method="${SAY}",rpc_status_code=`;
    expect(sample('inmesh_client_calls_total', `${byStatus}"UNAVAILABLE"}`)).toBe(1);
    expect(sample('inmesh_client_calls_total', `${byStatus}"OK"}`)).toBe(calls - 1);
    const sizes = await telemetry.points('inmesh.client.batch.size');
    const batches = sizes.reduce((sum, { count }) => sum + count, 0);
    expect(batches).toBeGreaterThan(0);
    expect(sample('inmesh_client_batch_size', 'inmesh_client_batch_size_count')).toBe(batches);
    // Whatever is read for the one is read for the other.
    const read = (await telemetry.all()).filter(({ name, points }) => name in OWN_NAMES && points.length > 0);
    expect(read.length).toBeGreaterThan(10);
    for (const { name, points } of read) {
      const family = families.get(OWN_NAMES[name] ?? '');
      expect([...(family?.samples.values() ?? [])], name).toEqual(points.map(({ count }) => count));
    }
  });
});

describe('connections', () => {
  test('are counted by target: made, open, lost, tried in vain', async () => {
    const { client, running, mesh } = await stage({ telemetry: { balancerMetrics: true } });
    await client.say('a');
    const count = async (name: string): Promise<number> => (await one(`grpc.subchannel.${name}`)).count;
    expect(await count('connection_attempts_succeeded')).toBeGreaterThanOrEqual(1);
    expect(await count('open_connections')).toBeGreaterThanOrEqual(1);
    expect(await count('disconnections')).toBe(0);
    expect(labels(await one('grpc.subchannel.open_connections'), 'grpc.target')).toEqual([`dns:///${running.address}`]);
    running.kill();
    await expect.poll(() => count('open_connections')).toBe(0);
    expect(await count('disconnections')).toBeGreaterThanOrEqual(1);
    await expect.poll(() => count('connection_attempts_failed'), { timeout: 5000 }).toBeGreaterThanOrEqual(1);
    await mesh.close();
    expect(await count('disconnections')).toBeGreaterThanOrEqual(1);
  });

  test('are not reported unless asked for', async () => {
    const { client } = await stage({});
    await client.say('a');
    expect(await telemetry.points('grpc.subchannel.open_connections')).toEqual([]);
  });
});
