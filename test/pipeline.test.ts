import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import {
  CLIENT_STAGES,
  type ClientStage,
  clientStack,
  placed,
  SERVER_STAGES,
  type ServerStage,
  serverStack,
} from '../interceptors/pipeline.ts';
import { Code } from '../src/call.ts';
import { type ClientInterceptor, ForwardingCall } from '../src/grpc/client-call.ts';
import { ForwardingServerCall, type ServerCall, type ServerLayer } from '../src/grpc/server-call.ts';
import { createMesh } from '../src/mesh.ts';
import { MeshServer } from '../src/mesh-server.ts';
import { LowerCall, Rig, succeed } from './doors/rig.ts';
import { startTraces, stopTelemetry } from './src/observe/rig.ts';
import { doors, EchoClient, Gate, serve } from './support/loopback.ts';

describe('the order', () => {
  test('of the client is this one; a change here needs a reason there', () => {
    expect(CLIENT_STAGES.map(({ name }) => name)).toEqual([
      'story',
      'tracing',
      'metrics',
      'fallback',
      'deadline',
      'route',
      'cache',
      'breaker',
      'limit',
      'bulkhead',
      'mirror',
      'policies',
      'retry',
      'attempt',
      'fault',
      'nativeBatch',
      'coalesce',
      'balance',
    ]);
  });
  test('of the server is this one', () => {
    expect(SERVER_STAGES.map(({ name }) => name)).toEqual([
      'story',
      'metrics',
      'tracing',
      'deadline',
      'authorization',
      'limit',
      'bulkhead',
      'fault',
    ]);
  });
  test.for([...CLIENT_STAGES, ...SERVER_STAGES])('$name says what it is above, and why', ({ above }) => {
    expect(above).toMatch(/^[a-z][^:]+: \S.{15,}/);
  });

  test('clientStack puts stages in order whatever the order given, and a missing one leaves no hole', () => {
    const seen: string[] = [];
    const note =
      (name: string): ClientInterceptor =>
      (info, next) => {
        seen.push(name);
        return next(info);
      };
    const stack = clientStack({ retry: note('retry'), story: note('story'), deadline: note('deadline') });
    const lower = new LowerCall(0);
    expect(stack.intercept({ bottom: () => lower } as never, () => lower)).toBe(lower);
    expect(seen).toEqual(['story', 'deadline', 'retry']);
    expect(stack).toMatchObject({ name: 'story+deadline+retry', from: 0, to: 12 });
  });
  test('an empty stack is the call below', () => {
    const lower = new LowerCall(0);
    expect(clientStack({}).intercept({ bottom: () => lower } as never, () => lower)).toBe(lower);
  });
  test('serverStack puts the first stage next to the wire', () => {
    const seen: string[] = [];
    const note =
      (name: ServerStage): ServerLayer =>
      (_info, call) =>
        new (class extends ForwardingServerCall {
          override sendMetadata(metadata: Metadata): void {
            seen.push(name);
            super.sendMetadata(metadata);
          }
        })(call);
    const wire = { sendMetadata: () => seen.push('wire') } as unknown as ServerCall;
    serverStack({ bulkhead: note('bulkhead'), story: note('story'), deadline: note('deadline') })(
      { method: '/a.B/C', kind: 'unary', item: undefined },
      wire,
    ).sendMetadata(new Metadata());
    expect(seen).toEqual(['bulkhead', 'deadline', 'story', 'wire']);
  });
  test.for(CLIENT_STAGES.map(({ name }, index) => [name, index] as const))('a lone %s knows its place %d', ([name, index]) => {
    const passOn: ClientInterceptor = (info, next) => new ForwardingCall(next(info));
    expect(placed(name satisfies ClientStage, passOn)).toMatchObject({ name, from: index, to: index });
  });
});

describe.for(doors)('what the order of the client brings, behind %s', (door) => {
  const bulkhead = { slots: 1, queue: 1 };

  test('deadline above bulkhead: a late call takes no slot and no place in the queue', async () => {
    const rig = new Rig(door, { policy: { defaults: { bulkhead } } });
    rig.unary();
    const { ear: waiting } = rig.unary();
    const { ear: late } = rig.unary(rig.clock.nowMs());
    await turn();
    expect(late.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    succeed(rig.last);
    succeed(rig.last);
    expect(waiting.status?.code).toBe(Code.OK);
  });

  test('deadline above bulkhead: the default timeout covers the wait for a slot', async () => {
    const rig = new Rig(door, { policy: { defaults: { bulkhead, timeout: '1s' } } });
    rig.unary();
    const { ear } = rig.unary();
    rig.clock.advance(1000);
    await turn();
    expect(ear.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    succeed(rig.last);
    expect(rig.clock.pending).toBe(0);
  });

  test('bulkhead above retry: the attempts of a call share one slot, which stays taken between them', () => {
    const rig = new Rig(door, { policy: { defaults: { bulkhead, idempotent: true } } });
    rig.unary();
    rig.last.end(Code.UNAVAILABLE);
    const { ear } = rig.unary();
    rig.clock.advance(100);
    expect(rig.lowers).toHaveLength(2);
    expect(ear.log).toEqual([]);
    succeed(rig.last);
    expect(rig.lowers).toHaveLength(3);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
    expect(rig.clock.pending).toBe(0);
  });

  test('bulkhead above retry: a refusal is not worth another attempt', async () => {
    const rig = new Rig(door, {
      policy: { defaults: { bulkhead: { slots: 1 }, idempotent: true, retryPolicy: { retryableStatusCodes: ['RESOURCE_EXHAUSTED'] } } },
    });
    rig.unary();
    const { ear } = rig.unary();
    await turn();
    expect(ear.status?.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(rig.counts.retries).toBe(0);
    expect(rig.clock.pending).toBe(0);
    succeed(rig.last);
  });

  test('tracing above bulkhead: the span of a call covers its refusal, and a wait for a slot', async () => {
    const traces = startTraces();
    try {
      const rig = new Rig(door, { policy: { defaults: { bulkhead } } });
      for (let i = 0; i < 3; i++) rig.unary();
      await turn();
      expect(traces.spans().map(({ attributes }) => attributes['rpc.status_code'] ?? attributes['rpc.response.status_code'])).toEqual([
        'RESOURCE_EXHAUSTED',
      ]);
      succeed(rig.last);
      succeed(rig.last);
      expect(traces.spans()).toHaveLength(3);
    } finally {
      stopTelemetry();
    }
  });

  test('story above everything: closing waits for a call in its backoff', () => {
    const rig = new Rig(door, { policy: { defaults: { idempotent: true } } });
    rig.unary();
    rig.last.end(Code.UNAVAILABLE);
    expect(rig.counts.client.active).toBe(1);
    rig.clock.advance(100);
    succeed(rig.last);
    expect(rig.counts.client.active).toBe(0);
  });

  test('retry above coalesce: items that failed are sent again each for itself', async () => {
    let calls = 0;
    await using running = await serve({
      server: new MeshServer(),
      handlers: {
        say: (call, callback) => {
          calls++;
          const again = call.metadata.get('grpc-previous-rpc-attempts').length > 0;
          callback(call.request.text === 'bad' && !again ? { code: 14 } : null, call.request);
        },
      },
    });
    const mesh = createMesh({ coalesce: 'auto', defaults: { idempotent: true } });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    calls = 0;
    const outcomes = await client.burst(['a', 'bad', 'c', 'd']);
    expect(outcomes.map(({ code }) => code)).toEqual(['OK', 'OK', 'OK', 'OK']);
    expect(calls).toBe(5);
    expect(mesh.stats()).toMatchObject({ client: { retries: 1 }, coalesce: { items: 4 } });
    await mesh.close();
  });
});

describe('what the order of the server brings', () => {
  test('deadline above bulkhead: a call that dies in the queue never meets its handler', async () => {
    const held = new Gate();
    const arrived = new Gate();
    let handled = 0;
    const mesh = createMesh({ server: { bulkhead: { slots: 1, queue: 5 } } });
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (call, callback) => {
          handled++;
          arrived.open();
          void held.opened.then(() => callback(null, call.request));
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    const first = client.say('a');
    await arrived.opened;
    expect((await client.say('b', { deadline: Date.now() + 50 })).code).toBe('DEADLINE_EXCEEDED');
    held.open();
    expect((await first).code).toBe('OK');
    expect((await client.say('c')).code).toBe('OK');
    expect(handled).toBe(2);
    await mesh.close();
  });

  test('story above everything: a refused call is a call', async () => {
    const held = new Gate();
    const arrived = new Gate();
    const mesh = createMesh({ server: { bulkhead: { slots: 1 } } });
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (call, callback) => {
          arrived.open();
          void held.opened.then(() => callback(null, call.request));
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    const first = client.say('a');
    await arrived.opened;
    expect((await client.say('b')).code).toBe('RESOURCE_EXHAUSTED');
    held.open();
    await first;
    expect(mesh.stats().server).toMatchObject({ calls: 2, failed: 1, byCode: { OK: 1, RESOURCE_EXHAUSTED: 1 } });
    await mesh.close();
  });
});
