/** The mesh on all transports of Connect, at a server that speaks all three protocols. */
import { createServer, type ServerHttp2Session } from 'node:http2';
import { Code, ConnectError, type ConnectRouter, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import { connectInterceptor } from '../../../src/connect/index.ts';
import { createMesh } from '../../../src/mesh.ts';
import { errorOf, FAST } from './calls.ts';
import { LoopService } from './gen/loop/v1/loop_pb.ts';
import { all, type LoopClient, type Text } from './stage.ts';

interface Served extends AsyncDisposable {
  readonly baseUrl: string;
  /** Timeouts that the unary handler was told of, in ms. */
  readonly timeouts: (number | undefined)[];
}

/** Its first unary call fails, and the first of its streams, after headers as ever with such a server. */
async function serve(): Promise<Served> {
  const timeouts: (number | undefined)[] = [];
  let streams = 0;
  const routes = (router: ConnectRouter): void => {
    router.service(LoopService, {
      say: ({ text }, context) => {
        timeouts.push(context.timeoutMs());
        if (timeouts.length === 1) throw new ConnectError('first', Code.Unavailable);
        if (text === 'fail') throw new ConnectError('no', Code.NotFound, { 'x-why': 'because' });
        return { text: `say ${text}` };
      },
      async *count({ text }) {
        if (++streams === 1) throw new ConnectError('first', Code.Unavailable);
        yield { text: `${text} 1` };
        yield { text: `${text} 2` };
      },
      async collect(requests) {
        const texts: string[] = [];
        for await (const { text } of requests) texts.push(text);
        return { text: texts.join('+') };
      },
      async *chat(requests) {
        for await (const { text } of requests) yield { text };
      },
    });
  };
  const server = createServer(connectNodeAdapter({ routes }));
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    timeouts,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

async function* texts(...list: readonly string[]): AsyncGenerator<Text> {
  for (const text of list) yield { text };
}

type Make = (baseUrl: string, interceptors: Interceptor[]) => Transport;

describe.each<[string, Make]>([
  ['gRPC', (baseUrl, interceptors) => createGrpcTransport({ baseUrl, interceptors })],
  ['gRPC-Web', (baseUrl, interceptors) => createGrpcWebTransport({ baseUrl, httpVersion: '2', interceptors })],
  ['Connect', (baseUrl, interceptors) => createConnectTransport({ baseUrl, httpVersion: '2', interceptors })],
  [
    'Connect with JSON and GET',
    (baseUrl, interceptors) =>
      createConnectTransport({ baseUrl, httpVersion: '2', interceptors, useBinaryFormat: false, useHttpGet: true }),
  ],
])('Connect over the protocol %s', (_name, make) => {
  test('calls of all kinds pass, a failed one is sent again, and each attempt is told its time', async () => {
    await using served = await serve();
    const mesh = createMesh({ defaults: { idempotent: true, timeout: '20s', retryPolicy: FAST } });
    const client: LoopClient = createClient(LoopService, make(served.baseUrl, [connectInterceptor(mesh)]));
    expect((await client.say({ text: 'x' })).text).toBe('say x');
    expect((await errorOf(all(client.count({ text: 'n' })))).rawMessage).toBe('first'); // its headers were here: no other attempt
    expect((await all(client.count({ text: 'n' }))).map(({ text }) => text)).toEqual(['n 1', 'n 2']);
    expect((await client.collect(texts('a', 'b'))).text).toBe('a+b');
    expect((await all(client.chat(texts('a', 'b')))).map(({ text }) => text)).toEqual(['a', 'b']);
    const error = await errorOf(client.say({ text: 'fail' }));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: 'no' });
    expect(error.metadata.get('x-why')).toBe('because');
    expect(mesh.stats().client).toMatchObject({
      calls: 6,
      attempts: 7,
      retries: 1,
      active: 0,
      byCode: { OK: 4, NOT_FOUND: 1, UNAVAILABLE: 1 },
    });
    expect(served.timeouts.length).toBe(3);
    for (const timeoutMs of served.timeouts) {
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(20_001);
    }
    await mesh.close();
  });
});
