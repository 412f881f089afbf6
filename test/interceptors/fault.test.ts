import { Server } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { faultInterceptor, faultServerInterceptor } from '../../interceptors/standalone/fault.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { pair } from '../grpc/pair.ts';
import {
  type ClientDoor,
  clientDoors,
  doors,
  EchoClient,
  type Handlers,
  metadataOf,
  type RunningServer,
  serve,
} from '../support/loopback.ts';

interface Stage extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly running: RunningServer;
}

async function stage(door: ClientDoor, policy: Policy, handlers: Partial<Handlers> = {}): Promise<Stage> {
  const running = await serve({ handlers });
  const mesh = createMesh(policy);
  const client = new EchoClient({ address: running.address, mesh, door });
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    running.kill();
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    expect(mesh.stats().traffic.faults.client.active).toBe(0);
    await mesh.close();
  };
  return { mesh, client, running, [Symbol.asyncDispose]: dispose };
}

const codes = async (client: EchoClient, times: number, options = {}): Promise<string[]> => {
  const all: string[] = [];
  for (let i = 0; i < times; i++) all.push((await client.say(String(i), options)).code);
  return all;
};

describe.for(clientDoors)('faults of the client behind %s', (door) => {
  test('TM4: an abort ends exactly the declared share, says so, and sends nothing', async () => {
    let served = 0;
    await using at = await stage(
      door,
      { faults: [{ percent: 25, abort: 'NOT_FOUND' }] },
      {
        say: (call, callback) => {
          served++;
          callback(null, call.request);
        },
      },
    );
    const all = await codes(at.client, 40);
    expect(all.filter((code) => code === 'NOT_FOUND')).toHaveLength(10);
    expect(served).toBe(30);
    expect(at.mesh.stats().traffic.faults.client).toEqual({ delayed: 0, aborted: 10, skipped: 0, active: 0 });
    const failed = [await at.client.say('a'), await at.client.say('a'), await at.client.say('a'), await at.client.say('a')].find(
      ({ code }) => code === 'NOT_FOUND',
    );
    expect(failed).toMatchObject({
      details: 'inmesh: a fault ends this call with NOT_FOUND',
      trailers: { 'inmesh-reason': ['client.fault/abort'] },
    });
  });

  test('TM4: never outside its match: neither another method, nor another header', async () => {
    await using at = await stage(door, {
      faults: [{ match: { methods: ['loop.Echo/Say'], headers: [{ name: 'x-test', exact: 'yes' }] }, abort: 'INTERNAL' }],
    });
    const metadata = metadataOf({ 'x-test': 'yes' });
    expect(new Set(await codes(at.client, 5, { metadata }))).toEqual(new Set(['INTERNAL']));
    expect(new Set(await codes(at.client, 5))).toEqual(new Set(['OK']));
    expect(new Set(await codes(at.client, 5, { metadata: metadataOf({ 'x-test': 'no' }) }))).toEqual(new Set(['OK']));
    expect(new Set(await codes(at.client, 5, { metadata, method: 'tell' }))).toEqual(new Set(['OK']));
  });

  test('retries are exercised: each attempt meets the fault anew, of marked methods only', async () => {
    const faults = [{ match: { methods: ['loop.Echo'] }, percent: 50, abort: 'UNAVAILABLE' as const }];
    await using at = await stage(door, { faults, methods: { 'loop.Echo/Say': { idempotent: true } } });
    expect(new Set(await codes(at.client, 10))).toEqual(new Set(['OK']));
    const { attempts, calls } = at.mesh.stats().client;
    expect(attempts).toBe(calls + at.mesh.stats().traffic.faults.client.aborted);
    const unmarked = await codes(at.client, 10, { method: 'tell' });
    expect(unmarked.filter((code) => code === 'UNAVAILABLE')).toHaveLength(5);
  });

  test('a breaker takes it for a failure of the server', async () => {
    await using at = await stage(door, { faults: [{ abort: 'UNAVAILABLE' }], defaults: { breaker: { consecutiveFailures: 3 } } });
    await codes(at.client, 3);
    expect((await at.client.say('a')).trailers).toEqual({ 'inmesh-reason': ['client.breaker/open'] });
  });

  test('TM4: a delay holds the call back, then it goes', async () => {
    await using at = await stage(door, { faults: [{ delay: '0.05s' }] });
    const startedMs = performance.now();
    expect(await at.client.say('a')).toMatchObject({ code: 'OK', text: 'say a' });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49);
    expect(at.mesh.stats().traffic.faults.client).toMatchObject({ delayed: 1, aborted: 0 });
  });

  test('a call ends at its deadline although it is held back, and when its caller cancels', async () => {
    await using at = await stage(door, { faults: [{ delay: '30s' }] });
    const late = await at.client.say('a', { deadline: Date.now() + 40 });
    expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', trailers: { 'inmesh-reason': ['client.fault/deadline'] } });
    expect(at.mesh.stats().traffic.faults.client.active).toBe(0);
    const cancelled = await at.client.say('b', { onCall: (call) => setTimeout(() => call.cancel(), 5) });
    expect(cancelled.code).toBe('CANCELLED');
  });

  test('beyond maxActive calls pass untouched', async () => {
    await using at = await stage(door, { faults: [{ delay: '0.1s', abort: 'ABORTED', maxActive: 2 }] });
    const all = (await at.client.burst(['a', 'b', 'c', 'd'])).map(({ code }) => code);
    expect(all.sort()).toEqual(['ABORTED', 'ABORTED', 'OK', 'OK']);
    expect(at.mesh.stats().traffic.faults.client).toEqual({ delayed: 2, aborted: 2, skipped: 2, active: 0 });
  });
});

describe('faults of the server', () => {
  const server = async (policy: Policy): Promise<{ running: RunningServer; mesh: Mesh }> => {
    const mesh = createMesh(policy);
    return { running: await serve({ server: new MeshServer({ mesh }) }), mesh };
  };

  test('TM4: an abort ends exactly the declared share before the handler', async () => {
    const { running, mesh } = await server({
      server: { faults: [{ match: { methods: ['loop.Echo/Say'] }, percent: 20, abort: 'DATA_LOSS' }] },
    });
    await using _running = running;
    using client = new EchoClient({ address: running.address });
    const all = await codes(client, 25);
    expect(all.filter((code) => code === 'DATA_LOSS')).toHaveLength(5);
    expect(new Set(await codes(client, 5, { method: 'tell' }))).toEqual(new Set(['OK']));
    expect(mesh.stats().traffic.faults).toMatchObject({ server: { aborted: 5 }, client: { aborted: 0 } });
    const text = '0 faults of client calls and 1 of served calls are in force';
    expect(mesh.overview().events).toContainEqual(expect.objectContaining({ kind: 'fault.declared', level: 'warn', text }));
    await mesh.close();
  });

  test('a delay holds the handler back; who gives up is not served', async () => {
    const { running, mesh } = await server({ server: { faults: [{ delay: '0.05s', match: { headers: [{ name: 'x-slow' }] } }] } });
    await using _running = running;
    using client = new EchoClient({ address: running.address });
    const metadata = metadataOf({ 'x-slow': '1' });
    const startedMs = performance.now();
    expect(await client.say('a', { metadata })).toMatchObject({ code: 'OK', text: 'say a' });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49);
    expect((await client.say('b', { metadata, deadline: Date.now() + 20 })).code).toBe('DEADLINE_EXCEEDED');
    await expect.poll(() => mesh.stats().traffic.faults.server.active).toBe(0);
    await mesh.close();
  });

  test.for(doors)('each item of a batch meets it for itself, behind %s', async (door) => {
    await using at = await pair(door);
    const own = createMesh({ server: { faults: [{ percent: 50, abort: 'NOT_FOUND', match: { headers: [{ name: 'x-fault' }] } }] } });
    await using running = await serve({ server: new MeshServer({ mesh: own }) });
    using client = new EchoClient({ address: running.address, mesh: at.mesh, door });
    await client.learn();
    const outcomes = await client.burst(Array(20).fill('x'), { metadata: metadataOf({ 'x-fault': '1' }) });
    expect(outcomes.filter(({ code }) => code === 'NOT_FOUND')).toHaveLength(10);
    await own.close();
  });
});

describe('faults alone', () => {
  test('faultInterceptor() and faultServerInterceptor() need no mesh', async () => {
    await using running = await serve({
      server: new Server({ interceptors: [faultServerInterceptor([{ percent: 50, abort: 'INTERNAL' }])] }),
    });
    using bare = new EchoClient({ address: running.address });
    expect(await codes(bare, 4)).toEqual(['OK', 'INTERNAL', 'OK', 'INTERNAL']);
    using client = new EchoClient({ address: running.address, options: { interceptors: [faultInterceptor([{ abort: 'aborted' }])] } });
    expect(await codes(client, 2)).toEqual(['ABORTED', 'ABORTED']);
  });

  test('a fault that does nothing is refused', () => {
    expect(() => faultInterceptor([{ percent: 10 }])).toThrow('faults[0]: expected a delay or an abort, got neither');
    expect(() => faultInterceptor([{ abort: 'OK' as never }])).toThrow(/faults\[0\].abort: .*OK is no failure/);
    expect(() => faultInterceptor([{ abort: 'INTERNAL', percent: 101 }])).toThrow(
      'faults[0].percent: expected a number >= 0 and <= 100, got 101',
    );
  });
});
