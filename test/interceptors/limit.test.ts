import { AsyncResource } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata, Server } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { limitClient, limitServer } from '../../interceptors/limit.ts';
import { Code, type MethodKind } from '../../src/call.ts';
import { noCounts } from '../../src/call-counts.ts';
import { systemClock } from '../../src/clock.ts';
import { LOCAL } from '../../src/errors.ts';
import type { CallInfo } from '../../src/grpc/client-call.ts';
import { emptyCounts } from '../../src/grpc/coalescer.ts';
import { limitInterceptor, limitServerInterceptor } from '../../src/index.ts';
import { AimdLimit } from '../../src/limit/aimd.ts';
import { AdaptiveLimiter } from '../../src/limit/limiter.ts';
import { type AdaptiveLimitOptions, resolveLimitOptions } from '../../src/limit/options.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshLimits } from '../../src/mesh-limits.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { buildClientStack } from '../../src/mesh-stack.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import type { AdaptiveLimit, Policy } from '../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { seededRandom } from '../../src/random.ts';
import { Ear, LowerCall, Rig, succeed } from '../doors/rig.ts';
import { pair } from '../grpc/pair.ts';
import { FakeServerCall, serverInfo } from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Door, doors, EchoClient, Gate, serve } from '../support/loopback.ts';

const METHOD = '/loop.Echo/Say';
const limited = (limit: AdaptiveLimit): Policy => ({ defaults: { limit, retryPolicy: { maxAttempts: 1 } } });

/** A client stack whose limits can be looked at. */
function rigOf(door: Door, limit: AdaptiveLimit): { readonly rig: Rig; readonly limit: () => number } {
  const table = new PolicyTable(parsePolicy(limited(limit)));
  let limits: MeshLimits | undefined;
  const behaviour = (clock: FakeClock): ReturnType<typeof buildClientStack> => {
    limits = new MeshLimits(table, clock, seededRandom(1));
    const settings = { table, clock, random: seededRandom(1), warn: () => {}, otel: undefined, limits };
    return buildClientStack(settings, { client: noCounts(), coalesce: emptyCounts(), retries: 0 }, () => {});
  };
  const rig = new Rig(door, { behaviour });
  return { rig, limit: () => limits?.stats()[METHOD]?.limit ?? Number.NaN };
}

describe.for(doors)('client limit behind %s', (door) => {
  test('one call too many is refused at once with RESOURCE_EXHAUSTED, says who, and does not go out', async () => {
    const { rig } = rigOf(door, { algorithm: 'aimd', initial: 2 });
    const calls = [rig.unary(), rig.unary(), rig.unary()];
    await turn();
    expect(calls.map(({ ear }) => ear.status?.code)).toEqual([undefined, undefined, Code.RESOURCE_EXHAUSTED]);
    expect(calls[2]?.ear.status).toMatchObject({
      details: `inmesh: adaptive limit of ${METHOD} is reached`,
      [LOCAL]: { reason: 'client.limit/full', unprocessed: true },
    });
    expect(rig.lowers).toHaveLength(2);
  });

  test('or waits in the queue, of which a more important call pushes it out, or until its time', async () => {
    const { rig } = rigOf(door, { algorithm: 'aimd', initial: 1, queue: 1, queueTimeout: '1s' });
    rig.unary();
    const { ear: sheddable } = rig.unary(undefined, { priority: 'sheddable' });
    const { ear: critical } = rig.unary(undefined, { priority: 'critical' });
    await turn();
    expect(sheddable.status).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, [LOCAL]: { reason: 'client.limit/evicted' } });
    rig.clock.advance(1000);
    await turn();
    expect(critical.status).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, [LOCAL]: { reason: 'client.limit/queue-timeout' } });
    const { ear: late } = rig.unary(rig.clock.nowMs() + 10);
    rig.clock.advance(10);
    await turn();
    expect(late.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, [LOCAL]: { reason: 'client.limit/deadline' } });
    expect(rig.lowers).toHaveLength(1);
    expect(rig.clock.pending).toBe(0);
  });

  test.each([
    [Code.OK, 21],
    [Code.UNAVAILABLE, 18],
    [Code.DEADLINE_EXCEEDED, 18],
    [Code.RESOURCE_EXHAUSTED, 18],
    [Code.CANCELLED, 20],
    [Code.INVALID_ARGUMENT, 20],
    [Code.INTERNAL, 20],
  ])('a call that ends with %d makes 20 into %d', (code, expected) => {
    const { rig, limit } = rigOf(door, { algorithm: 'aimd' });
    for (let i = 0; i < 20; i++) rig.unary();
    rig.clock.advance(5);
    if (code === Code.OK) succeed(rig.last);
    else rig.last.end(code);
    expect(limit()).toBe(expected);
  });

  test('a call that the app gives up teaches nothing, and its permit is free', () => {
    const { rig, limit } = rigOf(door, { algorithm: 'aimd', initial: 1 });
    const { call } = rig.unary();
    rig.last.onCancel = (code) => rig.last.end(code);
    call.cancelWithStatus(Code.CANCELLED, '');
    expect(limit()).toBe(1);
    rig.unary();
    expect(rig.lowers).toHaveLength(2);
  });

  test.for(['serverStream', 'clientStream', 'bidi'] satisfies MethodKind[])(
    'a %s holds its permit to the end, and teaches nothing',
    (kind) => {
      const { rig, limit } = rigOf(door, { algorithm: 'aimd', initial: 1 });
      const stream = rig.make(kind);
      stream.start(new Metadata(), { onReceiveMetadata: () => {}, onReceiveMessage: () => {}, onReceiveStatus: () => {} });
      rig.unary();
      expect(rig.lowers).toHaveLength(1);
      rig.clock.advance(60_000);
      rig.last.end(Code.OK);
      expect(limit()).toBe(1);
      rig.unary();
      expect(rig.lowers).toHaveLength(2);
    },
  );

  test('a call that another wall of ours refused below teaches nothing', async () => {
    const rig = new Rig(door, { policy: { defaults: { limit: { algorithm: 'aimd', initial: 20 }, bulkhead: { slots: 1 } } } });
    const calls = Array.from({ length: 20 }, () => rig.unary());
    await turn();
    expect(calls.filter(({ ear }) => ear.status?.code === Code.RESOURCE_EXHAUSTED)).toHaveLength(19);
    succeed(rig.last);
    const more = Array.from({ length: 20 }, () => rig.unary());
    await turn();
    // The limit is still 20 or more, or somebody would have met it first.
    expect(more.map(({ ear }) => (ear.status as { [LOCAL]?: { reason: string } } | undefined)?.[LOCAL]?.reason).filter(Boolean)).toEqual(
      new Array(19).fill('client.bulkhead/queue-full'),
    );
  });

  test('items of batches count one by one, and stats show each method', async () => {
    const limit: AdaptiveLimit = { algorithm: 'aimd', initial: 30 };
    const gate = new Gate();
    await using made = await pair(
      door,
      { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) },
      { coalesce: 'auto', defaults: { limit, retryPolicy: { maxAttempts: 1 } } },
    );
    const burst = made.client.burst(Array(40).fill('x'));
    await expect.poll(() => made.serverMesh.stats().server.active).toBe(30);
    const { limit: now, ...rest } = made.mesh.stats().limits[METHOD] ?? { limit: 0 };
    expect(now).toBeGreaterThanOrEqual(30);
    expect(rest).toEqual({ inFlight: 30, queued: 0 });
    gate.open();
    const codes = (await burst).map(({ code, trailers }) => `${code} ${trailers['inmesh-reason'] ?? ''}`);
    expect(codes.filter((code) => code === 'OK ')).toHaveLength(30);
    expect(codes.filter((code) => code === 'RESOURCE_EXHAUSTED client.limit/full')).toHaveLength(10);
  });
});

describe('client limit', () => {
  test.for<readonly [messages: number, limit: number]>([
    [1, 2],
    [3, 1],
    [0, 1],
  ])('of a call whose kind nobody told, %d messages and OK make 1 into %d', ([messages, expected]) => {
    const limiter = new AdaptiveLimiter(resolveLimitOptions({}, 'limit'), new AimdLimit({ initial: 1, min: 1, max: 9 }), systemClock);
    const lower = new LowerCall(Number.POSITIVE_INFINITY);
    const scope = new AsyncResource('test');
    const call = limitClient({ clock: systemClock, limitOf: () => limiter })(
      { method: METHOD, kind: undefined, scope } as CallInfo,
      () => lower,
    );
    call.start(new Metadata(), new Ear());
    for (let i = 0; i < messages; i++) lower.listener?.onReceiveMessage({});
    lower.end(Code.OK);
    expect(limiter.stats()).toEqual({ limit: expected, inFlight: 0, queued: 0 });
  });
});

describe('server limit', () => {
  test('M16: one call too many is refused in start: RESOURCE_EXHAUSTED, marked as never run, nothing of it read', () => {
    const limiter = new AdaptiveLimiter(resolveLimitOptions({}, 'limit'), new AimdLimit({ initial: 1, min: 1, max: 1 }), systemClock);
    const layer = limitServer({ clock: systemClock, limitOf: () => limiter });
    const wires = [new FakeServerCall(), new FakeServerCall()];
    const begun: number[] = [];
    for (const [index, wire] of wires.entries()) {
      const listener = {
        onReceiveMetadata: () => begun.push(index),
        onReceiveMessage: () => {},
        onReceiveHalfClose: () => {},
        onCancel: () => {},
      };
      layer(serverInfo(), wire).start(listener);
      wire.listener?.onReceiveMetadata(new Metadata());
    }
    expect(begun).toEqual([0]);
    expect(wires[1]?.statuses[0]).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expect(wires[1]?.statuses[0]?.metadata?.getMap()).toEqual({ 'inmesh-reason': 'server.limit/full', 'inmesh-unprocessed': '1' });
  });

  test('learns from its handlers, and gives every permit back, whatever becomes of the call', async () => {
    const mesh = createMesh({ server: { limit: { algorithm: 'aimd', initial: 1, min: 1 } } });
    const held = new Gate();
    let handled = 0;
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (call, callback) => {
          handled++;
          void held.opened.then(() => callback(null, call.request));
        },
        tell: (_call, callback) => callback({ code: Code.INVALID_ARGUMENT }),
      },
    });
    using client = new EchoClient({ address: running.address });
    const first = client.say('1');
    await expect.poll(() => mesh.stats().limits['server']?.inFlight).toBe(1);
    expect(await client.say('2')).toMatchObject({ code: 'RESOURCE_EXHAUSTED', trailers: { 'inmesh-reason': ['server.limit/full'] } });
    held.open();
    expect((await first).code).toBe('OK');
    expect(mesh.stats().limits['server']).toEqual({ limit: 2, inFlight: 0, queued: 0 });
    expect((await client.say('3', { method: 'tell' })).code).toBe('INVALID_ARGUMENT');
    expect(mesh.stats().limits['server']).toEqual({ limit: 2, inFlight: 0, queued: 0 });
    expect(handled).toBe(1);
    await mesh.close();
  });

  test.for<readonly [span: number, ranMs: number, limit: number]>([
    [1000, 1000, 27],
    [1000, 900, 27], // the client's clock began earlier
    [1000, 500, 30],
    [20, 9, 30],
    [Number.POSITIVE_INFINITY, 60_000, 30],
  ])('a call with %d ms that is cancelled after %d makes 30 into %d: late is dropped, given up is nothing', ([spanMs, ranMs, expected]) => {
    const clock = new FakeClock();
    const limiter = new AdaptiveLimiter(resolveLimitOptions({}, 'limit'), new AimdLimit({ initial: 30, min: 1, max: 30 }), clock);
    const wire = new FakeServerCall();
    wire.deadline = spanMs === Number.POSITIVE_INFINITY ? spanMs : new Date(clock.wallMs() + spanMs);
    const call = limitServer({ clock, limitOf: () => limiter })(serverInfo(), wire);
    call.start({ onReceiveMetadata: () => {}, onReceiveMessage: () => {}, onReceiveHalfClose: () => {}, onCancel: () => {} });
    wire.listener?.onReceiveMetadata(new Metadata());
    clock.advance(ranMs);
    wire.listener?.onCancel();
    wire.listener?.onCancel();
    call.sendStatus({ code: Code.OK, details: '', metadata: null }); // the handler answers all the same
    expect(limiter.stats()).toEqual({ limit: expected, inFlight: 0, queued: 0 });
  });

  test('a client whose time is over shrinks the limit of a real server, each time', async () => {
    const mesh = createMesh({ server: { limit: { algorithm: 'aimd', initial: 200 } } });
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (call, callback) => {
          if (call.request.text === 'learn') callback(null, call.request);
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    await client.learn();
    for (let i = 0; i < 5; i++) {
      expect((await client.say('x', { deadline: Date.now() + 50 })).code).toBe('DEADLINE_EXCEEDED');
      await expect.poll(() => mesh.stats().limits['server']?.inFlight).toBe(0);
    }
    expect(mesh.stats().limits['server']?.limit).toBe(117);
    await mesh.close();
  });
});

describe('standalone', () => {
  test('limitInterceptor and limitServerInterceptor limit a plain client and a plain server', async () => {
    const held = new Gate();
    const options: AdaptiveLimitOptions = { algorithm: 'aimd', initial: 1, max: 1 };
    const handlers = {
      say: (_call: unknown, callback: (error: null, value: { text: string }) => void) =>
        void held.opened.then(() => callback(null, { text: '' })),
    };
    await using guarded = await serve({ server: new Server({ interceptors: [limitServerInterceptor(options)] }), handlers });
    await using open = await serve({ handlers });
    using bare = new EchoClient({ address: guarded.address });
    using own = new EchoClient({ address: open.address, options: { interceptors: [limitInterceptor(options)] } });
    const outcomes = Promise.all([bare, own].map((client) => client.burst(['1', '2'])));
    setTimeout(() => held.open(), 100);
    const reasons = (await outcomes).map((two) => two.map(({ trailers }) => trailers['inmesh-reason']?.[0]));
    expect(reasons).toEqual([
      [undefined, 'server.limit/full'],
      [undefined, 'client.limit/full'],
    ]);
  });
});
