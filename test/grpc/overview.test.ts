/**
 * What a mesh shows of itself, between real ends.
 */
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test, vi } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { EchoClient, Gate, metadataOf, serve } from '../support/loopback.ts';
import { fails, SAY, stage } from './story-stage.ts';

describe('what a mesh shows', () => {
  test('a stream has one record, at its end', async () => {
    await using all = await stage('channel');
    await new Promise<void>((resolve) => {
      const stream = all.client.stub.count({ text: 'a' }, metadataOf({}), {});
      stream.on('data', () => {});
      stream.on('end', resolve);
    });
    expect((await all.seen(1))[0]).toMatchObject({ method: 'loop.Echo/Count', status: 'OK', attempts: 1, ride: 'plain' });
  });

  test('the access log has a line for each call that failed, and none of what went well', async () => {
    const lines: string[] = [];
    const running = await serve({ handlers: fails(Status.INTERNAL, 1) });
    const mesh = createMesh({ telemetry: { accessLog: 'failed' } }, { log: (line) => lines.push(line) });
    const client = new EchoClient({ address: running.address, mesh });
    await client.say('a');
    await client.say('b');
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { side: 'client', method: SAY, status: 'INTERNAL', attempts: 1 },
    ]);
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  });

  test('without a place of its own the access log goes to standard output', async () => {
    await using running = await serve();
    const mesh = createMesh({ telemetry: { accessLog: 'all', accessLogPerSecond: 1 } });
    using client = new EchoClient({ address: running.address, mesh });
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    await client.say('a');
    const lines = written.mock.calls.map(([line]) => String(line)).filter((line) => line.includes(SAY));
    written.mockRestore();
    expect(lines).toMatchObject([expect.stringMatching(/^\{"time":"20.*"status":"OK".*\}\n$/)]);
  });

  test('of more than a thousand bulkheads and breakers those are shown that matter most', async () => {
    const gate = new Gate();
    const policy: Policy = { defaults: { bulkhead: { slots: 1, queue: 0, by: 'tenant' } } };
    await using all = await stage('channel', {
      policy,
      handlers: { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) },
    });
    const tenants = Array.from({ length: 1100 }, (_, i) => `tenant-${i}`);
    for (const tenant of tenants) all.mesh.breaker(`a.B/${tenant}`).isolate();
    for (const tenant of tenants.slice(0, 1050)) all.mesh.breaker(`a.B/${tenant}`).release();
    const calls = tenants.map((tenant) => all.client.say('a', { inmesh: { tenant } }));
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(1100);
    const { limits, breakers } = all.mesh.overview();
    expect([limits.length, breakers.length]).toEqual([1000, 1000]);
    expect(limits[0]).toMatchObject({ key: expect.stringMatching(/^loop.Echo\/Say tenant-\d+$/), inUse: 1 });
    expect(breakers.filter(({ state }) => state === 'isolated').length).toBe(50);
    gate.open();
    await Promise.all(calls);
  });

  test('metadata that says who calls can not be shown', () => {
    expect(() => createMesh({ telemetry: { tapMetadata: ['authorization'] } })).toThrow('policy.telemetry.tapMetadata[0]');
  });

  test('a breaker that opens and closes, by hand too, is told', async () => {
    const mesh = createMesh({ methods: { [SAY]: { breaker: { consecutiveFailures: 1 } } } });
    const breaker = mesh.breaker(SAY);
    breaker.isolate();
    breaker.release();
    const told = mesh.observer.events.since(0).map(({ kind, subject, reason, level }) => [kind, subject, reason, level]);
    expect(told).toEqual([
      ['breaker.state', SAY, 'isolated', 'warn'],
      ['breaker.state', SAY, 'closed', 'info'],
    ]);
    expect(mesh.overview().breakers).toEqual([{ method: SAY, state: 'closed', opened: 1, refused: 0 }]);
  });

  test('an endpoint that dies is told at once, one that fails is ejected with the reason, and picks are shared out', async () => {
    const policy: Policy = { defaults: { idempotent: true } };
    await using all = await stage('channel', {
      policy,
      count: 3,
      replicas: (replica) => (replica === 0 ? fails(Status.UNAVAILABLE, 1e9) : {}),
    });
    const [bad, , dying] = all.servers.map(({ port }) => `127.0.0.1:${port}`);
    const isEjected = (): boolean => all.mesh.overview().endpoints.some(({ ejected }) => ejected);
    for (let i = 0; i < 1000 && !isEjected(); i++) await all.client.say(`${i}`);
    await all.client.say('the next pick looks');
    const { endpoints } = all.mesh.overview();
    expect(endpoints.length).toBe(3);
    expect(endpoints.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(endpoints.reduce((sum, { picks }) => sum + picks, 0)).toBe(all.mesh.stats().client.attempts);
    const ejected = endpoints.find(({ address }) => address === bad);
    expect(ejected).toMatchObject({ ejected: true, ejectedFor: 'failures' });
    expect(Math.abs((ejected?.ejectedUntilMs ?? Date.now()) - Date.now())).toBeLessThan(10_000);
    const { events } = all.mesh.observer;
    expect(events.since(0)).toContainEqual(expect.objectContaining({ kind: 'endpoint.ejected', subject: bad, reason: 'failures' }));
    const { seq } = events;
    all.servers[2]?.kill();
    await expect
      .poll(() => events.since(seq).filter(({ kind, subject }) => kind === 'endpoint.state' && subject === dying).length)
      .toBeGreaterThan(0);
  });

  test('a retry that is not sent for want of budget is told', async () => {
    const policy: Policy = { defaults: { idempotent: true }, retryBudget: { ratio: 0, minPerSecond: 0 } };
    await using all = await stage('channel', { policy, handlers: fails(Status.UNAVAILABLE, 1e9) });
    await all.client.say('a');
    expect(all.mesh.observer.events.since(0)).toContainEqual(
      expect.objectContaining({ kind: 'budget.exhausted', subject: 'loop.Echo', level: 'warn' }),
    );
    expect(all.mesh.overview().budgets).toEqual([{ service: 'loop.Echo', balance: 0 }]);
  });

  test('what the mesh says is in the log too; peers of a server are counted', async () => {
    await using all = await stage('channel', { handlers: fails(Status.UNAVAILABLE, 1) });
    await all.client.say('a');
    expect(all.mesh.observer.events.since(0).filter(({ kind }) => kind === 'mesh.said').length).toBe(1);
    expect(all.serverMesh.overview().peers).toMatchObject([{ peer: '127.0.0.1', calls: 1 }]);
  });

  test('an overview is plain JSON', async () => {
    await using all = await stage('channel', { policy: { coalesce: 'auto' } });
    await all.client.burst(Array(20).fill('a'));
    for (const mesh of [all.mesh, all.serverMesh]) {
      const overview = mesh.overview();
      expect(JSON.parse(JSON.stringify(overview))).toEqual(overview);
    }
    expect(all.mesh.overview().process).toMatchObject({ pid: process.pid, node: process.version, draining: false });
  });
});
