/**
 * What coalescing shows of itself, between real ends: metrics, attributes of spans, `mesh.stats()` (C10).
 */
import { type ClientUnaryCall, Metadata, status } from '@grpc/grpc-js';
import { SpanKind } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { type Metrics, type Point, startMetrics } from '../src/observe/metric-rig.ts';
import { startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { doors, EchoClient, Gate, metadataOf } from '../support/loopback.ts';
import { forge } from './forged.ts';
import { coalesceIn, forms, openTunnel, pair, tunnelPair } from './pair.ts';

const SAY = { 'rpc.method': 'loop.Echo/Say' };
const envelope = { ...SAY, 'inmesh.batch.carrier': 'envelope' };
const tunnel = { ...SAY, 'inmesh.batch.carrier': 'tunnel' };

afterEach(stopTelemetry);

/** What an instrument has seen while `fn` ran. */
async function during(metrics: Metrics, names: readonly string[], fn: () => Promise<unknown>): Promise<Record<string, Point[]>> {
  const before = new Map(await Promise.all(names.map(async (name) => [name, await metrics.points(name)] as const)));
  await fn();
  const seen: Record<string, Point[]> = {};
  for (const name of names) {
    seen[name] = [];
    for (const point of await metrics.points(name)) {
      const was = before.get(name)?.find(({ attributes }) => JSON.stringify(attributes) === JSON.stringify(point.attributes));
      const count = point.count - (was?.count ?? 0);
      if (count !== 0) seen[name].push({ ...point, count, sum: point.sum === undefined ? undefined : point.sum - (was?.sum ?? 0) });
    }
  }
  return seen;
}

describe.each(doors)('metrics of batches at door %s', (door) => {
  test('an envelope: size with the reason, and the stages queue, carrier and server of every call', async () => {
    const metrics = startMetrics();
    await using all = await pair(door);
    const names = [
      'inmesh.client.batch.size',
      'inmesh.client.batch.queue.duration',
      'inmesh.client.batch.carrier.duration',
      'inmesh.server.batch.size',
      'inmesh.server.batch.item.duration',
      'inmesh.client.batch.bypassed',
    ];
    const seen = await during(metrics, names, () => all.client.burst(['a', 'b', 'c', 'd']));
    expect(seen['inmesh.client.batch.size']).toEqual([
      { attributes: { ...envelope, 'inmesh.batch.flush_reason': 'tick' }, count: 1, sum: 4 },
    ]);
    expect(seen['inmesh.server.batch.size']).toEqual([{ attributes: envelope, count: 1, sum: 4 }]);
    for (const stage of ['client.batch.queue', 'client.batch.carrier', 'server.batch.item']) {
      expect(seen[`inmesh.${stage}.duration`]).toEqual([{ attributes: envelope, count: 4, sum: expect.any(Number) }]);
    }
    const sum = (name: string): number => seen[`inmesh.${name}.duration`]?.[0]?.sum ?? Number.NaN;
    expect(sum('client.batch.queue')).toBeGreaterThan(0);
    expect(sum('client.batch.carrier')).toBeGreaterThan(sum('server.batch.item')); // what is left is the wire
    expect(sum('client.batch.carrier')).toBeLessThan(4 * 5); // seconds, not milliseconds
    expect(seen['inmesh.client.batch.bypassed']).toEqual([]);
  });

  test('a tunnel: messages have no method, the calls in them do; open tunnels on both sides', async () => {
    const metrics = startMetrics();
    await using all = await tunnelPair(door);
    const names = [
      'inmesh.client.batch.size',
      'inmesh.client.batch.queue.duration',
      'inmesh.client.batch.carrier.duration',
      'inmesh.server.batch.size',
      'inmesh.server.batch.item.duration',
    ];
    const seen = await during(metrics, names, () => all.client.burst(['a', 'b', 'c', 'd']));
    const mixed = { 'inmesh.batch.carrier': 'tunnel' };
    expect(seen['inmesh.client.batch.size']).toEqual([{ attributes: { ...mixed, 'inmesh.batch.flush_reason': 'tick' }, count: 1, sum: 4 }]);
    expect(seen['inmesh.server.batch.size']).toEqual([{ attributes: mixed, count: 1, sum: 4 }]);
    for (const stage of ['client.batch.queue', 'client.batch.carrier', 'server.batch.item']) {
      expect(seen[`inmesh.${stage}.duration`]).toEqual([{ attributes: tunnel, count: 4, sum: expect.any(Number) }]);
    }
    expect(await metrics.points('inmesh.client.batch.tunnels')).toEqual([{ attributes: {}, count: 1, sum: undefined }]);
    expect(await metrics.points('inmesh.server.batch.tunnels')).toEqual([{ attributes: {}, count: 1, sum: undefined }]);
    all.running.server.tryShutdown(() => {});
    await expect.poll(() => metrics.points('inmesh.client.batch.tunnels')).toMatchObject([{ count: 0 }]);
    await expect.poll(() => metrics.points('inmesh.server.batch.tunnels')).toMatchObject([{ count: 0 }]);
  });

  test('why a message of a tunnel went: full, lead where there never is company', async () => {
    const metrics = startMetrics();
    await using all = await pair(door, {}, { coalesce: { mode: 'auto', carrier: 'tunnel', maxItems: 16 } });
    await openTunnel(all.mesh, all.client);
    const reasons = async (fn: () => Promise<unknown>): Promise<unknown[]> => {
      const seen = await during(metrics, ['inmesh.client.batch.size'], fn);
      return (seen['inmesh.client.batch.size'] ?? []).map(({ attributes }) => attributes['inmesh.batch.flush_reason']);
    };
    expect(await reasons(() => all.client.burst(Array(16).fill('a')))).toEqual(['full']);
    const alone = async (): Promise<void> => {
      for (let i = 0; i < 12; i++) await all.client.say('a');
    };
    expect((await reasons(alone)).sort()).toEqual(['lead', 'tick']);
  });

  test('why a call went alone: no peer known, no company, its own options, a queue that is full, an endpoint that turns batches away', async () => {
    const metrics = startMetrics();
    const reasons = async (): Promise<Record<string, number>> => {
      const points = await metrics.points('inmesh.client.batch.bypassed');
      for (const { attributes } of points) expect(Object.keys(attributes).sort()).toEqual(['inmesh.batch.bypass_reason', 'rpc.method']);
      return Object.fromEntries(points.map(({ attributes, count }) => [String(attributes['inmesh.batch.bypass_reason']), count]));
    };
    await using forged = await forge((stream) => stream.emit('error', { code: status.UNIMPLEMENTED, details: 'no batches' }));
    const mesh = createMesh({ coalesce: { mode: 'auto', carrier: 'envelope', maxItems: 2, maxCarriers: 1 } });
    using client = new EchoClient({ address: forged.address, mesh, door });
    await client.learn();
    expect(await reasons()).toEqual({ 'no-peer': 1 });
    await client.say('alone');
    await client.say('patient', { metadata: new Metadata({ waitForReady: true }) });
    expect(await reasons()).toEqual({ 'no-peer': 1, alone: 1, key: 1 });
    await client.burst(Array(40).fill('a'));
    await client.burst(['b', 'c']);
    const { plain, turnedAway, denied } = mesh.stats().coalesce;
    expect(await reasons()).toEqual(Object.fromEntries(Object.entries(plain).filter(([, count]) => count > 0)));
    expect(Object.keys(await reasons()).sort()).toEqual(['alone', 'endpoint', 'fallback', 'key', 'no-peer', 'queue-full']);
    expect(turnedAway).toBeGreaterThan(0);
    expect(await metrics.points('inmesh.client.batch.turned_away')).toEqual([{ attributes: SAY, count: turnedAway, sum: undefined }]);
    expect(denied).toEqual([{ address: expect.stringMatching(`:${forged.port}$`), method: '/loop.Echo/Say' }]);
    expect(await metrics.points('inmesh.client.batch.denied')).toMatchObject([{ attributes: {}, count: 1 }]);
    const single = await during(metrics, ['inmesh.client.batch.queue.duration'], () => client.say('alone'));
    expect(single['inmesh.client.batch.queue.duration']).toMatchObject([
      { attributes: { ...SAY, 'inmesh.batch.carrier': 'none' }, count: 1 },
    ]);
  });

  test.each(forms)('a result that comes too late, in the form %s', async (form) => {
    const metrics = startMetrics();
    let cancel = (): void => {};
    await using all = await pair(
      door,
      {
        say: (call, callback) => {
          callback(null, { text: call.request.text });
          if (call.request.text === 'given up') cancel(); // the result is on its way
        },
      },
      { coalesce: coalesceIn(form) },
    );
    if (form === 'tunnel') await openTunnel(all.mesh, all.client);
    const keep = (call: ClientUnaryCall): void => {
      cancel = () => call.cancel();
    };
    const others = all.client.say('other');
    expect((await all.client.say('given up', { onCall: keep })).code).toBe('CANCELLED');
    expect((await others).code).toBe('OK');
    await expect.poll(() => all.mesh.stats().coalesce.late).toBe(1);
    const attributes = form === 'tunnel' ? { 'inmesh.batch.carrier': 'tunnel' } : envelope;
    expect(await metrics.points('inmesh.client.batch.late')).toEqual([{ attributes, count: 1, sum: undefined }]);
  });

  test.each(forms)('calls that may have run when their carrier broke, in the form %s', async (form) => {
    const metrics = startMetrics();
    await using all = await pair(door, { say: () => {} }, { coalesce: coalesceIn(form) });
    if (form === 'tunnel') await openTunnel(all.mesh, all.client);
    const calls = all.client.burst(['a', 'b', 'c']);
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(3);
    all.running.kill();
    for (const { trailers } of await calls) expect(trailers['inmesh-ambiguous']).toEqual(['1']);
    expect(all.mesh.stats().coalesce.ambiguous).toBe(3);
    const attributes = form === 'tunnel' ? tunnel : envelope;
    expect(await metrics.points('inmesh.client.batch.ambiguous')).toEqual([{ attributes, count: 3, sum: undefined }]);
  });
});

describe('spans of batches', () => {
  test('a call in an envelope has size, wait, reason and carrier, and links to the span of the batch (K15)', async () => {
    const traces = startTraces();
    await using all = await pair('channel');
    await all.client.burst(['a', 'b', 'c']);
    const items = traces.spans().filter(({ kind, attributes }) => kind === SpanKind.CLIENT && 'inmesh.batch.carrier' in attributes);
    expect(items).toHaveLength(3);
    const carriers = () => traces.spans().filter(({ kind, name }) => kind === SpanKind.CLIENT && name === 'loop.Echo/SayInmeshBatch');
    await expect.poll(carriers).toHaveLength(1);
    const [carrier] = carriers();
    for (const { attributes, links } of items) {
      expect(attributes).toMatchObject({
        'inmesh.batch.size': 3,
        'inmesh.batch.wait': expect.any(Number),
        'inmesh.batch.flush_reason': 'tick',
        'inmesh.batch.carrier': 'envelope',
      });
      expect(attributes['inmesh.batch.wait']).toBeGreaterThan(0);
      expect(attributes['inmesh.batch.wait']).toBeLessThan(5);
      expect(links.map(({ context }) => context.spanId)).toEqual([carrier?.spanContext().spanId]);
    }
  });

  test('a call on a tunnel has the same attributes and links to nothing: tunnels have no spans', async () => {
    const traces = startTraces();
    await using all = await tunnelPair('channel');
    const sent = () => traces.spans().filter(({ kind, name }) => kind === SpanKind.CLIENT && name === 'loop.Echo/Say');
    const before = sent().length;
    await all.client.burst(['a', 'b']);
    const clients = sent().slice(before);
    expect(clients.map(({ links }) => links)).toEqual([[], []]);
    const ids = clients.map((span) => span.spanContext().spanId);
    const served = () => traces.spans().filter(({ parentSpanContext }) => ids.includes(parentSpanContext?.spanId ?? ''));
    await expect.poll(served).toHaveLength(2);
    for (const { kind, links } of served()) expect({ kind, links }).toEqual({ kind: SpanKind.SERVER, links: [] });
    for (const { attributes } of clients) {
      expect(attributes).toMatchObject({
        'inmesh.batch.size': 2,
        'inmesh.batch.wait': expect.any(Number),
        'inmesh.batch.flush_reason': 'tick',
        'inmesh.batch.carrier': 'tunnel',
      });
    }
    expect(traces.spans().filter(({ name }) => name.includes('Tunnel'))).toEqual([]);
  });
});

describe.each(forms)('in the form %s', (form) => {
  test('stats show queues, tunnels and endpoints, as plain JSON', async () => {
    await using all = await pair('channel', {}, { coalesce: coalesceIn(form) });
    if (form === 'tunnel') await openTunnel(all.mesh, all.client);
    for (let i = 0; i < 2; i++) await all.client.burst(['a', 'b', 'c']);
    const { coalesce } = all.mesh.stats();
    expect(structuredClone(coalesce)).toEqual(coalesce);
    expect(JSON.parse(JSON.stringify(coalesce))).toEqual(coalesce);
    expect(coalesce).toMatchObject({ late: 0, ambiguous: 0, denied: [] });
    if (form === 'envelope') {
      expect(coalesce.partitions).toEqual([{ method: '/loop.Echo/Say', waiting: 0, carriers: 2, items: 6, meanSize: 3 }]);
      expect(coalesce.tunnels).toEqual({ opened: 0, open: 0, frames: 0, items: 0, endpoints: [] });
    } else {
      expect(coalesce.tunnels).toMatchObject({ open: 1, endpoints: [{ tunnels: 1, load: 0 }] });
      expect(coalesce.tunnels.endpoints[0]?.address).toMatch(new RegExp(`:${all.running.port}$`));
    }
    all.client[Symbol.dispose]();
    expect(all.mesh.stats().coalesce).toMatchObject({ partitions: [] });
  });

  test('the load of a tunnel, or of a queue, is that of the moment', async () => {
    const gate = new Gate();
    const say = (call: { request: { text: string } }, callback: (error: null, value: { text: string }) => void): void =>
      void gate.opened.then(() => callback(null, { text: call.request.text }));
    await using all = await pair('channel', { say }, { coalesce: coalesceIn(form) });
    if (form === 'tunnel') await openTunnel(all.mesh, all.client);
    const calls = all.client.burst(['a', 'b', 'c']);
    const { partitions, tunnels } = all.mesh.stats().coalesce;
    if (form === 'envelope') expect(partitions).toMatchObject([{ waiting: 3 }]);
    else expect(tunnels.endpoints).toMatchObject([{ load: 3 }]);
    gate.open();
    await calls;
  });

  test('no value of metadata and no message is in metrics, spans or stats', async () => {
    const SECRET = 'tr0ub4dor';
    const metrics = startMetrics();
    const traces = startTraces();
    const metadata = metadataOf({ tenant: SECRET, 'x-request-id': `${SECRET} id`, authorization: `Bearer ${SECRET}` });
    await using all = await pair('channel', {}, { coalesce: coalesceIn(form) });
    if (form === 'tunnel') await openTunnel(all.mesh, all.client, { metadata });
    await all.client.burst([`${SECRET} a`, `${SECRET} b`], { metadata });
    await all.client.say(SECRET, { metadata });
    const { coalesce } = all.mesh.stats();
    expect(coalesce.items + coalesce.tunnels.items).toBeGreaterThanOrEqual(2);
    const spans = traces.spans().map(({ name, attributes, events, links, status: end }) => ({ name, attributes, events, links, end }));
    expect(spans.length).toBeGreaterThan(4);
    const shown = [await metrics.all(), spans, all.mesh.stats(), all.serverMesh.stats()];
    expect(JSON.stringify(shown)).toContain('inmesh.client.batch.size');
    expect(JSON.stringify(shown)).not.toContain(SECRET);
  });
});

describe('what is shown', () => {
  test('at most the 50 busiest queues, the busiest first', async () => {
    await using all = await pair('channel');
    for (let i = 0; i < 60; i++) {
      const metadata = metadataOf({ tenant: `t${i}` });
      await all.client.burst(Array(i === 59 ? 4 : 2).fill('a'), { metadata });
    }
    const { partitions } = all.mesh.stats().coalesce;
    expect(partitions).toHaveLength(50);
    expect(partitions[0]).toEqual({ method: '/loop.Echo/Say', waiting: 0, carriers: 1, items: 4, meanSize: 4 });
  });

  test('telemetry.metrics: false has none of it', async () => {
    const metrics = startMetrics();
    await using all = await pair('channel', {}, { coalesce: coalesceIn('envelope'), telemetry: { metrics: false } });
    await all.client.burst(['a', 'b']);
    expect(all.mesh.stats().coalesce.carriers).toBe(1);
    const names = (await metrics.all()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('inmesh.client'))).toEqual([]);
  });

  test('a provider that comes late is heard of with the next batch', async () => {
    await using all = await pair('channel');
    await all.client.burst(['a', 'b']);
    const metrics = startMetrics();
    await all.client.burst(['a', 'b', 'c']);
    expect(await metrics.points('inmesh.client.batch.size')).toMatchObject([{ count: 1, sum: 3 }]);
    expect(await metrics.points('inmesh.client.batch.partitions')).toMatchObject([{ count: 1 }]);
  });
});
