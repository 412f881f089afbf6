import { type CallInvocationTransformer, type CallOptions, Metadata, type StatusObject } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { MethodKind } from '../../src/call.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, EchoClient, type Handlers, serve } from '../support/loopback.ts';

const quick: Policy = { defaults: { retryPolicy: { initialBackoff: '0.001s' } } };
const PREVIOUS = 'grpc-previous-rpc-attempts';
const AWAY = { code: 14, details: 'not now' };
const first = (metadata: Metadata): boolean => metadata.get(PREVIOUS).length === 0;

/** Handlers that fail each first attempt with UNAVAILABLE and are echoes after it. */
const flaky: Partial<Handlers> = {
  say: (call, callback) => callback(first(call.metadata) ? AWAY : null, { text: `say ${call.request.text}` }),
  collect: (call, callback) => {
    const heard: string[] = [];
    call.on('data', ({ text }) => heard.push(text));
    call.on('end', () => callback(first(call.metadata) ? AWAY : null, { text: heard.join('+') }));
  },
  count: (call) => {
    if (first(call.metadata)) call.emit('error', AWAY);
    else {
      for (let i = 1; i <= 3; i++) call.write({ text: `${call.request.text} ${i}` });
      call.end();
    }
  },
  chat: (call) => {
    const heard: string[] = [];
    call.on('data', ({ text }) => heard.push(text));
    call.on('end', () => {
      if (first(call.metadata)) call.emit('error', AWAY);
      else {
        for (const text of heard) call.write({ text });
        call.end();
      }
    });
  },
};

/** Calls a method of any kind with messages `a`, `b`, `c`; resolves with what was heard and the code. */
function call({ stub }: EchoClient, kind: MethodKind, options: CallOptions = {}): Promise<{ heard: string[]; code: number }> {
  const metadata = new Metadata();
  return new Promise((resolve) => {
    const heard: string[] = [];
    const answer = (_error: unknown, value?: { text: string }): void => void (value !== undefined && heard.push(value.text));
    const ended = ({ code }: StatusObject): void => resolve({ heard, code });
    if (kind === 'unary') {
      stub.say({ text: 'a' }, metadata, options, answer).on('status', ended);
    } else if (kind === 'clientStream') {
      const stream = stub.collect(metadata, options, answer).on('status', ended);
      for (const text of ['a', 'b', 'c']) stream.write({ text });
      stream.end();
    } else {
      const chat = kind === 'bidi' ? stub.chat(metadata, options) : undefined;
      const stream = chat ?? stub.count({ text: 'a' }, metadata, options);
      stream.on('data', ({ text }) => heard.push(text));
      stream.on('error', () => {});
      stream.on('status', ended);
      if (chat !== undefined) {
        for (const text of ['a', 'b', 'c']) chat.write({ text });
        chat.end();
      }
    }
  });
}

const kinds: readonly MethodKind[] = ['unary', 'clientStream', 'serverStream', 'bidi'];
const expected: Record<MethodKind, string[]> = {
  unary: ['say a'],
  clientStream: ['a+b+c'],
  serverStream: ['a 1', 'a 2', 'a 3'],
  bidi: ['a', 'b', 'c'],
};

describe.for(clientDoors)('CallOptions.inmesh at %s', (door) => {
  test.for(kinds)('idempotent reaches the stack for %s: it is sent again, with all its messages', async (kind) => {
    await using running = await serve({ handlers: flaky });
    const mesh = createMesh(quick, { warn: () => {} });
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await call(client, kind)).code).toBe(14);
    expect(await call(client, kind, { inmesh: { idempotent: true } })).toEqual({ heard: expected[kind], code: 0 });
    await mesh.close();
  });

  test.for(kinds)('retry false reaches the stack for %s: policy says yes, this call says no', async (kind) => {
    await using running = await serve({ handlers: flaky });
    const mesh = createMesh({ defaults: { ...quick.defaults, idempotent: true } });
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await call(client, kind)).code).toBe(0);
    expect((await call(client, kind, { inmesh: { retry: false } })).code).toBe(14);
    await mesh.close();
  });

  test('coalesce never reaches the stack: this call goes alone', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    await client.burst(['a', 'b', 'c'], { inmesh: { coalesce: 'never' } });
    expect(mesh.stats().coalesce.items).toBe(0);
    await client.burst(['a', 'b', 'c']);
    expect(mesh.stats().coalesce.items).toBe(3);
    await mesh.close();
  });

  // A client with a transformer can't be wrapped: wrap.test.ts.
  test.skipIf(door === 'wrap')("it reaches the stack through a user's own callInvocationTransformer, and may come from it", async () => {
    await using running = await serve({ handlers: flaky });
    const mesh = createMesh(quick, { warn: () => {} });
    const seen: string[] = [];
    const callInvocationTransformer: CallInvocationTransformer = (given) => {
      seen.push(given.methodDefinition.path);
      const { inmesh } = given.callOptions as CallOptions;
      return { ...given, callOptions: { ...given.callOptions, inmesh: inmesh ?? { idempotent: true } } as typeof given.callOptions };
    };
    using client = new EchoClient({ address: running.address, mesh, door, options: { callInvocationTransformer } });
    expect((await client.say('a', { inmesh: { retry: false } })).code).toBe('UNAVAILABLE');
    expect((await client.say('a')).code).toBe('OK');
    expect(seen).toEqual(['/loop.Echo/Say', '/loop.Echo/Say']);
    await mesh.close();
  });

  test('all four kinds work on a client of the defaults', async () => {
    await using running = await serve();
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, door });
    for (const kind of kinds) expect(await call(client, kind)).toEqual({ heard: expected[kind], code: 0 });
    expect(mesh.stats().client).toMatchObject({ calls: 4, active: 0, failed: 0, attempts: 4, retries: 0 });
    await mesh.close();
  });
});

test('a channel that is never told the kind and the wishes of a call (no transformer) works for all four kinds', async () => {
  await using running = await serve();
  const mesh = createMesh({ coalesce: 'auto' });
  const { callInvocationTransformer: _dropped, ...options } = mesh.client();
  using client = new EchoClient({ address: running.address, options });
  for (const kind of kinds) expect(await call(client, kind)).toEqual({ heard: expected[kind], code: 0 });
  await mesh.close();
});
