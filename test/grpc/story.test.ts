/**
 * The record of a call says what happened to it: at all doors, between real ends.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, EchoClient, Gate, type Handlers, metadataOf, serve } from '../support/loopback.ts';
import { open, policyOf } from '../support/native.ts';
import { forge } from './forged.ts';
import { coalesceIn, openTunnel } from './pair.ts';
import { fails, SAY, stage, tap } from './story-stage.ts';

describe.each(clientDoors)('the record of a call at door %s', (door) => {
  test('a plain call: one attempt, one endpoint, its times', async () => {
    await using all = await stage(door);
    const before = Date.now();
    await all.client.say('a');
    const [call] = await all.seen(1);
    expect(call).toMatchObject({
      side: 'client',
      method: SAY,
      target: all.servers[0]?.address,
      status: 'OK',
      attempts: 1,
      hedges: 0,
      endpoints: [`127.0.0.1:${all.servers[0]?.port}`],
      queuedMs: 0,
      ride: 'plain',
    });
    expect(call).not.toHaveProperty('reason');
    expect(call).not.toHaveProperty('metadata');
    expect(call?.durationMs).toBeGreaterThan(0);
    expect(Math.abs((call?.startedAtMs ?? 0) - before)).toBeLessThan(1000);
    const [served] = await all.seen(1, all.served);
    expect(served).toMatchObject({ side: 'server', method: SAY, target: '', status: 'OK', attempts: 1, ride: 'plain' });
    expect(served?.endpoints[0]).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(served?.durationMs).toBeLessThanOrEqual(call?.durationMs ?? 0);
  });

  test('a retried call: all attempts, the endpoints in their order', async () => {
    const policy: Policy = { methods: { [SAY]: { idempotent: true, retryPolicy: { initialBackoff: '0.001s' } } } };
    await using all = await stage(door, {
      policy,
      count: 2,
      replicas: (replica) => (replica === 0 ? fails(Status.UNAVAILABLE, 1000) : {}),
    });
    for (let i = 0; i < 6; i++) await all.client.say(`${i}`);
    const calls = await all.seen(6);
    const [bad, good] = all.servers.map(({ port }) => `127.0.0.1:${port}`);
    const retried = calls.filter(({ attempts }) => attempts === 2);
    expect(retried.length).toBeGreaterThan(0);
    for (const call of retried) expect(call).toMatchObject({ status: 'OK', hedges: 0, endpoints: [bad, good] });
    expect(all.mesh.overview().methods[0]).toMatchObject({ calls: 6, attempts: 6 + retried.length, retries: retried.length, hedges: 0 });
  });

  test('a call that fails for good: code, and no reason where none of us refused it', async () => {
    await using all = await stage(door, { handlers: fails(Status.NOT_FOUND, 1) });
    await all.client.say('a');
    expect((await all.seen(1))[0]).toMatchObject({ status: 'NOT_FOUND', attempts: 1 });
    expect(all.calls[0]).not.toHaveProperty('reason');
    expect(all.mesh.overview().methods[0]).toMatchObject({ failed: 1, refused: 0, byStatus: { NOT_FOUND: 1 } });
  });

  test('a hedged call: attempts, hedges, both endpoints', async () => {
    const gate = new Gate();
    const slow: Handlers['say'] = async (call, callback) => {
      if (call.request.text !== 'learn' && call.metadata.get('grpc-previous-rpc-attempts').length === 0) await gate.opened;
      callback(null, { text: call.request.text });
    };
    const policy: Policy = { methods: { [SAY]: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.02s' } } } };
    await using all = await stage(door, { policy, count: 2, handlers: { say: slow } });
    await all.client.learn();
    await expect.poll(() => all.mesh.overview().endpoints.filter(({ ready }) => ready).length).toBe(2);
    await all.client.say('a');
    gate.open();
    const call = (await all.seen(2))[1];
    expect(call).toMatchObject({ status: 'OK', attempts: 2, hedges: 1 });
    expect(call?.endpoints.toSorted()).toEqual(all.servers.map(({ port }) => `127.0.0.1:${port}`).toSorted());
    expect(all.mesh.overview().methods[0]).toMatchObject({ calls: 2, retries: 0, hedges: (all.calls[0]?.hedges ?? 0) + 1 });
  });

  test.each(['envelope', 'tunnel'] as const)('a call in a batch: rides in an %s, on both sides, with its wait', async (form) => {
    await using all = await stage(door, { policy: { coalesce: coalesceIn(form) } });
    await all.client.learn();
    if (form === 'tunnel') await openTunnel(all.mesh, all.client);
    await all.client.say('settle');
    await turn();
    all.calls.length = all.served.length = 0;
    await all.client.burst(Array(10).fill('a'));
    const calls = await all.seen(10);
    for (const call of calls) {
      expect(call).toMatchObject({ status: 'OK', attempts: 1, ride: form, endpoints: [`127.0.0.1:${all.servers[0]?.port}`] });
      expect(call.queuedMs).toBeLessThanOrEqual(call.durationMs);
    }
    expect(calls.some(({ queuedMs }) => queuedMs > 0)).toBe(true);
    for (const call of await all.seen(10, all.served)) expect(call).toMatchObject({ status: 'OK', ride: form });
    const { client, server } = all.mesh.overview().batches;
    expect(client.items).toBeGreaterThanOrEqual(10);
    expect(client.sizes.counts.reduce((sum, count) => sum + count, 0)).toBe(client.carriers);
    expect(server).toEqual({ carriers: 0, tunnels: 0, items: 0 });
    expect(all.serverMesh.overview().batches.server.items).toBeGreaterThanOrEqual(10);
  });

  test('a call whose batch is turned away goes on plain, and says so; that it was turned away is an event', async () => {
    await using forged = await forge((stream) => stream.emit('error', { code: Status.UNIMPLEMENTED, details: 'no batches' }));
    const mesh = createMesh({ coalesce: coalesceIn('envelope') });
    using client = new EchoClient({ address: forged.address, mesh, door });
    await client.learn();
    const calls = tap(mesh);
    await client.burst(['a', 'b', 'c']);
    await expect.poll(() => calls.length).toBe(3);
    for (const call of calls) expect(call).toMatchObject({ status: 'OK', ride: 'plain', attempts: 1 });
    expect(mesh.overview().batches.client).toMatchObject({ carriers: 1, turnedAway: 1 });
    expect(mesh.observer.events.since(0)).toContainEqual(expect.objectContaining({ kind: 'batch.denied', subject: SAY }));
  });

  test('a call merged into a native batch rides natively; the batch itself is no call of the app', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const calls = tap(all.mesh);
    await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
    await all.client.call('GetBook', { name: 'c' });
    await turn();
    expect(calls.map(({ ride, attempts, status, endpoints }) => [ride, attempts, status, endpoints.length])).toEqual([
      ['native', 1, 'OK', 1],
      ['native', 1, 'OK', 1],
      ['plain', 1, 'OK', 1],
    ]);
    expect(all.mesh.overview().batches.client).toMatchObject({ carriers: 1, items: 2 });
    expect(all.mesh.overview().methods.filter(({ method }) => method.includes('Batch'))).toEqual([]);
  });

  test('a call that is late, one that is cancelled, one after the end', async () => {
    const gate = new Gate();
    await using all = await stage(door, { handlers: { say: (_, callback) => void gate.opened.then(() => callback(null, { text: '' })) } });
    await all.client.say('a', { deadline: Date.now() + 30 });
    await all.client.say('b', { onCall: (call) => setTimeout(() => call.cancel(), 20) });
    await all.mesh.close(0);
    expect((await all.seen(2)).map(({ status }) => status)).toEqual(['DEADLINE_EXCEEDED', 'CANCELLED']);
    gate.open();
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(0);
    expect(all.mesh.observer.events.since(0).map(({ kind }) => kind)).toEqual(expect.arrayContaining(['mesh.drain', 'mesh.closed']));
    expect(all.mesh.overview().process.draining).toBe(true);
  });

  test('answers of the cache make no attempts, and a fallback is told as an event', async () => {
    const policy: Policy = {
      methods: {
        [SAY]: { idempotent: true, cache: { ttl: '10s' } },
        'loop.Echo/Tell': { fallback: { method: SAY }, retryPolicy: { maxAttempts: 1 } },
      },
    };
    await using all = await stage(door, { policy, handlers: { tell: (_, callback) => callback({ code: Status.UNAVAILABLE }) } });
    await all.client.say('a');
    await all.client.say('a');
    await all.client.say('b', { method: 'tell' });
    expect((await all.seen(3)).map(({ attempts, status }) => [attempts, status])).toEqual([
      [1, 'OK'],
      [0, 'OK'],
      [2, 'OK'],
    ]);
    expect(all.mesh.observer.events.since(0)).toContainEqual(expect.objectContaining({ kind: 'call.fallback', subject: 'loop.Echo/Tell' }));
    const tell = all.mesh.overview().methods.find(({ method }) => method === 'loop.Echo/Tell');
    expect(tell).toMatchObject({ calls: 1, failed: 0, attempts: 2, attemptSuccess: 0, success: 1 });
  });

  test('an old answer of the cache is no good attempt', async () => {
    let broken = false;
    const policy: Policy = {
      methods: { [SAY]: { idempotent: true, cache: { ttl: '0.001s', staleIfError: '10s' }, retryPolicy: { maxAttempts: 1 } } },
    };
    const say: Handlers['say'] = (_, callback) => (broken ? callback({ code: Status.UNAVAILABLE }) : callback(null, { text: 'a' }));
    await using all = await stage(door, { policy, handlers: { say } });
    await all.client.say('a');
    broken = true;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await all.client.say('a');
    expect((await all.seen(2))[1]).toMatchObject({ status: 'OK', attempts: 1 });
    expect(all.mesh.overview().methods[0]).toMatchObject({ success: 1, attemptSuccess: 0.5 });
  });

  test('a routed call has the target of its cluster', async () => {
    await using canary = await serve();
    const policy: Policy = {
      clusters: { canary: { target: canary.address } },
      routes: [{ match: { headers: [{ name: 'x-canary', exact: 'yes' }] }, cluster: 'canary' }],
    };
    await using all = await stage(door, { policy });
    await all.client.say('a');
    await all.client.say('b', { metadata: metadataOf({ 'x-canary': 'yes' }) });
    const [own, other] = await all.seen(2);
    expect(own).toMatchObject({ target: all.servers[0]?.address, endpoints: [`127.0.0.1:${all.servers[0]?.port}`] });
    expect(other).toMatchObject({ target: canary.address, endpoints: [`127.0.0.1:${canary.port}`] });
  });

  test('metadata is shown by allow-list only, and only while somebody looks', async () => {
    const telemetry: Policy['telemetry'] = { tapMetadata: ['x-shown', 'x-shown-bin'] };
    await using all = await stage(door, { policy: { telemetry }, serverPolicy: { telemetry } });
    const metadata = metadataOf({ 'x-shown': ['a', 'b'], 'x-shown-bin': '0102', 'x-hidden': 'secret', authorization: 'secret' });
    await all.client.say('a', { metadata });
    const shown = { 'x-shown': ['a', 'b'], 'x-shown-bin': ['AQI='] };
    expect((await all.seen(1))[0]?.metadata).toEqual(shown);
    const [served] = await all.seen(1, all.served);
    expect(served?.metadata?.['x-shown-bin']).toEqual(['AQI=']);
    expect(JSON.stringify([all.calls, all.served])).not.toContain('secret');
  });
});
