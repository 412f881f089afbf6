/** Handlers of a real Connect server, and what the calls that they make through a mesh inherit. */
import { createServer, type Http2Server } from 'node:http2';
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { ServerUnaryCall } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { connectServerInterceptor } from '../../../src/connect/index.ts';
import { servedTraits } from '../../../src/deadline/call-scope.ts';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import { EchoClient, type RunningServer, serve } from '../../support/loopback.ts';
import { LoopService } from './gen/loop/v1/loop_pb.ts';
import { all, connectClient, gate, grpcClient, type LoopClient, type Text } from './stage.ts';

interface Inner {
  readonly leftMs: number;
  readonly priority: unknown;
  readonly cancelled: Promise<void>;
}

/** A Connect server whose handlers call a server of grpc-js that never answers, with a grpc-js client of the mesh. */
interface Stage extends AsyncDisposable {
  readonly client: LoopClient;
  readonly connectProtocol: LoopClient;
  readonly inner: Inner[];
  readonly mesh: Mesh;
}

async function stage(implementation: (ask: () => Promise<string>) => Partial<ServiceImpl<typeof LoopService>>): Promise<Stage> {
  const inner: Inner[] = [];
  const backend: RunningServer = await serve({
    handlers: {
      say: (call: ServerUnaryCall<Text, Text>) => {
        const cancelled = gate();
        call.on('cancelled', () => cancelled.open());
        const leftMs = Number(call.getDeadline()) - Date.now();
        inner.push({ leftMs, priority: call.metadata.get('inmesh-priority')[0], cancelled: cancelled.opened });
      },
    },
  });
  const mesh = createMesh({ server: { trustTraits: true } });
  const echo = new EchoClient({ address: backend.address, mesh });
  const ask = async (): Promise<string> => (await echo.say('inner')).code;
  const routes = (router: ConnectRouter): void => {
    router.service(LoopService, implementation(ask));
  };
  const front: Http2Server = createServer(connectNodeAdapter({ routes, interceptors: [connectServerInterceptor(mesh)] }));
  const sessions = new Set<{ destroy(): void }>();
  front.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const address = front.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const baseUrl = `http://127.0.0.1:${address.port}`;
  return {
    client: grpcClient(baseUrl),
    connectProtocol: connectClient(baseUrl),
    inner,
    mesh,
    [Symbol.asyncDispose]: async () => {
      echo[Symbol.dispose]();
      await mesh.close(0);
      for (const session of sessions) session.destroy();
      front.close();
      await backend[Symbol.asyncDispose]();
    },
  };
}

describe('handlers of a Connect server', () => {
  test.each(['client', 'connectProtocol'] as const)('what they call ends no later than the call they serve: %s (D1)', async (which) => {
    await using s = await stage((ask) => ({ say: async () => ({ text: await ask() }) }));
    const call = s[which].say({ text: 'x' }, { timeoutMs: 20_000 }).catch(() => undefined);
    await expect.poll(() => s.inner.length).toBe(1);
    expect(s.inner[0]?.leftMs).toBeGreaterThan(10_000);
    expect(s.inner[0]?.leftMs).toBeLessThanOrEqual(20_005);
    await s.mesh.close(0);
    await call;
  });

  test('what they call is cancelled when their caller goes away (D2)', async () => {
    await using s = await stage((ask) => ({ say: async () => ({ text: await ask() }) }));
    const abort = new AbortController();
    const call = s.client.say({ text: 'x' }, { signal: abort.signal }).catch(() => undefined);
    await expect.poll(() => s.inner.length).toBe(1);
    abort.abort();
    await call;
    await s.inner[0]?.cancelled;
  });

  test('a stream is served in the scope too, at every message', async () => {
    const traits: unknown[] = [];
    await using s = await stage((ask) => ({
      async *count() {
        traits.push(servedTraits()?.priority);
        yield { text: 'one' };
        traits.push(servedTraits()?.priority);
        yield { text: await ask() };
      },
    }));
    const abort = new AbortController();
    const options = { headers: { 'inmesh-priority': 'critical' }, timeoutMs: 20_000, signal: abort.signal };
    const call = all(s.client.count({ text: 'x' }, options)).catch(() => undefined);
    await expect.poll(() => s.inner.length).toBe(1);
    expect(traits).toEqual(['critical', 'critical']);
    expect(s.inner[0]).toMatchObject({ priority: 'critical' });
    expect(s.inner[0]?.leftMs).toBeLessThanOrEqual(20_005);
    abort.abort();
    await call;
    await s.inner[0]?.cancelled;
  });

  test('what is still out when they answer goes on', async () => {
    let cancelled = false;
    await using s = await stage((ask) => ({
      say: async ({ text }) => {
        if (text === 'leave one out') void ask();
        return { text: 'answer' };
      },
    }));
    await s.client.say({ text: 'leave one out' });
    await expect.poll(() => s.inner.length).toBe(1);
    void s.inner[0]?.cancelled.then(() => (cancelled = true));
    for (let i = 0; i < 3; i++) await s.client.say({ text: 'a round trip later' });
    expect(s.mesh.stats().client.active).toBe(1);
    expect(cancelled).toBe(false);
  });

  test('a handler that is left in the middle of its answers cleans up', async () => {
    const done = gate();
    await using s = await stage(() => ({
      async *count() {
        try {
          for (;;) yield { text: 'x'.repeat(65_536) };
        } finally {
          done.open();
        }
      },
    }));
    const abort = new AbortController();
    const messages = s.client.count({ text: 'n' }, { signal: abort.signal })[Symbol.asyncIterator]();
    await messages.next();
    abort.abort();
    await messages.next().catch(() => undefined);
    await done.opened;
  });

  test('what they do after their answer is work of its own', async () => {
    const answered = gate();
    await using s = await stage((ask) => ({
      say: async () => {
        void answered.opened.then(ask);
        return { text: 'answer' };
      },
    }));
    await s.client.say({ text: 'x' }, { timeoutMs: 20_000 });
    answered.open();
    await expect.poll(() => s.inner.length).toBe(1);
    expect(s.inner[0]?.leftMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('answers, errors, headers and streams pass unchanged', async () => {
    await using s = await stage(() => ({
      say: async ({ text }, context) => {
        context.responseHeader.set('x-head', 'one');
        if (text === 'fail') throw new Error('inner secret');
        return { text: `say ${text}` };
      },
      async collect(requests) {
        const texts: string[] = [];
        for await (const { text } of requests) texts.push(text);
        return { text: texts.join('+') };
      },
      async *chat(requests) {
        for await (const { text } of requests) yield { text };
      },
    }));
    let head: string | null = null;
    expect((await s.client.say({ text: 'x' }, { onHeader: (headers) => (head = headers.get('x-head')) })).text).toBe('say x');
    expect(head).toBe('one');
    await expect(s.client.say({ text: 'fail' })).rejects.toThrow('internal error');
    async function* texts(): AsyncGenerator<{ text: string }> {
      yield { text: 'a' };
      yield { text: 'b' };
    }
    expect((await s.client.collect(texts())).text).toBe('a+b');
    expect((await all(s.client.chat(texts()))).map(({ text }) => text)).toEqual(['a', 'b']);
  });
});
