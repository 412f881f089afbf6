/** Calls of Connect's client that are sent again. */
import { Code, createContextValues } from '@connectrpc/connect';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { callOptions, connectInterceptor } from '../../../src/connect/index.ts';
import { createMesh } from '../../../src/mesh.ts';
import { MeshServer } from '../../../src/mesh-server.ts';
import type { MethodPolicy, Policy } from '../../../src/policy/policy.gen.ts';
import { errorOf, FAST, failing, type Handler, READ, say } from './calls.ts';
import { gate, grpcClient, proxyTo, stage } from './stage.ts';

describe('Connect, unary: retry', () => {
  test('a marked method is sent again, and says so', async () => {
    const { handler, calls } = failing(2);
    await using s = await stage({ policy: say({ idempotent: true }), handlers: { say: handler } });
    expect((await s.client.say({ text: 'x' })).text).toBe('answer 3');
    expect(calls.map(({ metadata }) => metadata.get('grpc-previous-rpc-attempts'))).toEqual([[], ['1'], ['2']]);
    expect(s.mesh.stats().client).toMatchObject({ calls: 1, attempts: 3, retries: 2 });
  });

  test('an unmarked one is not', async () => {
    const { handler, calls } = failing(2);
    const warnings: string[] = [];
    await using s = await stage({ policy: say({}), dependencies: { warn: (line) => warnings.push(line) }, handlers: { say: handler } });
    expect((await errorOf(s.client.say({ text: 'x' }))).rawMessage).toBe('failure 1');
    expect(calls.length).toBe(1);
    expect(warnings).toEqual([expect.stringContaining('idempotent: true')]);
  });

  describe('of a method whose descriptor says idempotency_level', () => {
    const read = (policy: MethodPolicy): Policy => ({ methods: { [READ]: { retryPolicy: FAST, ...policy } } });

    test('is safe where nobody says otherwise', async () => {
      const { handler, calls } = failing(1);
      await using s = await stage({ policy: read({}), handlers: { read: handler } });
      await s.client.read({ text: 'x' });
      expect(calls.length).toBe(2);
    });

    test("is not made where policy says no, and a call's own word wins over that", async () => {
      const { handler, calls } = failing(2);
      await using s = await stage({ policy: read({ idempotent: false }), handlers: { read: handler } });
      await errorOf(s.client.read({ text: 'x' }));
      expect(calls.length).toBe(1);
      await s.client.read({ text: 'x' }, { contextValues: createContextValues().set(callOptions, { idempotent: true }) });
      expect(calls.length).toBe(3);
    });

    test('is not made where the call says no', async () => {
      const { handler, calls } = failing(1);
      await using s = await stage({ policy: read({}), handlers: { read: handler } });
      await errorOf(s.client.read({ text: 'x' }, { contextValues: createContextValues().set(callOptions, { idempotent: false }) }));
      expect(calls.length).toBe(1);
    });
  });

  test('what a server of ours refused before its handler ran is sent again, marked or not, and the mark stays inside', async () => {
    const serverMesh = createMesh({ server: { bulkhead: { slots: 1, queue: 0 } } });
    const held = gate();
    const handler: Handler = (call, callback) => {
      if (call.request.text === 'hold') void held.opened.then(() => callback(null, { text: 'held' }));
      else callback(null, { text: 'x' });
    };
    await using s = await stage({ policy: say({}), handlers: { say: handler }, server: new MeshServer({ mesh: serverMesh }) });
    const first = s.client.say({ text: 'hold' });
    await expect.poll(() => serverMesh.stats().server.active).toBe(1);
    const error = await errorOf(s.client.say({ text: 'x' }));
    expect(s.mesh.stats().client.retries).toBe(2);
    expect(error.metadata.get('inmesh-reason')).toBe('server.bulkhead/queue-full');
    expect(error.metadata.has('inmesh-unprocessed')).toBe(false);
    held.open();
    await first;
    await serverMesh.close();
  });

  test('what never reached a server is sent again, marked or not', async () => {
    await using s = await stage({ policy: say({}) });
    s.loop.server.forceShutdown();
    const error = await errorOf(s.client.say({ text: 'x' }));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain('ECONNREFUSED');
    expect(s.mesh.stats().client).toMatchObject({ attempts: 3, byCode: { UNAVAILABLE: 1 } });
  });

  test('a lost connection counts as UNAVAILABLE, and a marked call goes to the next one', async () => {
    let calls = 0;
    const handler: Handler = (_call, callback) => {
      calls++;
      if (calls > 1) callback(null, { text: 'back' });
      else proxy.cut();
    };
    await using s = await stage({ policy: say({ idempotent: true }), handlers: { say: handler } });
    await using proxy = await proxyTo(s.loop.port);
    const client = grpcClient(proxy.baseUrl, [connectInterceptor(s.mesh)]);
    expect((await client.say({ text: 'x' })).text).toBe('back');
    expect(calls).toBe(2);
  });

  test('pushback of the server is heard', async () => {
    const stop = new Metadata();
    stop.set('grpc-retry-pushback-ms', '-1');
    const { handler, calls } = failing(1, status.UNAVAILABLE, stop);
    await using s = await stage({ policy: say({ idempotent: true }), handlers: { say: handler } });
    await errorOf(s.client.say({ text: 'x' }));
    expect(calls.length).toBe(1);
  });

  test('one budget for all calls of the service', async () => {
    const { handler, calls } = failing(Number.POSITIVE_INFINITY);
    const policy = { ...say({ idempotent: true }), retryBudget: { ratio: 0, minPerSecond: 0.1 } };
    await using s = await stage({ policy, handlers: { say: handler } });
    for (let i = 0; i < 10; i++) await errorOf(s.client.say({ text: 'x' }));
    // 0.1 a second over the 10 s that it looks back: one in all.
    expect(calls.length).toBe(11);
  });
});
