import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata, Server, ServerInterceptingCall, ServerListenerBuilder, type StatusObject } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { bulkheadServer } from '../../interceptors/bulkhead.ts';
import { Bulkhead } from '../../src/bulkhead/bulkhead.ts';
import { KeyedBulkheads } from '../../src/bulkhead/keyed.ts';
import { Code, type MethodKind, type Priority } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { CallScope, currentScope } from '../../src/deadline/call-scope.ts';
import { LOCAL } from '../../src/errors.ts';
import { servedTenant } from '../../src/grpc/bulkhead-call.ts';
import type { ServerInfo } from '../../src/grpc/server-call.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { Ear, Rig, succeed } from '../doors/rig.ts';
import { FakeServerCall, serverInfo } from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { doors, EchoClient, Gate, type Handlers, serve } from '../support/loopback.ts';

const limit = (slots: number, queue: number, queueTimeout?: `${number}s`): Policy => ({
  defaults: { bulkhead: { slots, queue, ...(queueTimeout === undefined ? {} : { queueTimeout }) }, retryPolicy: { maxAttempts: 1 } },
});
const kinds: readonly MethodKind[] = ['unary', 'clientStream', 'serverStream', 'bidi'];

describe.for(doors)('client bulkhead behind %s', (door) => {
  test('W1: a full queue refuses at once with RESOURCE_EXHAUSTED, says who, and nothing goes out', async () => {
    const rig = new Rig(door, { policy: limit(1, 1) });
    const calls = [rig.unary(), rig.unary(), rig.unary()];
    await turn();
    expect(calls.map(({ ear }) => ear.status?.code)).toEqual([undefined, undefined, Code.RESOURCE_EXHAUSTED]);
    expect(calls[2]?.ear.status).toMatchObject({
      details: 'inmesh: bulkhead of /loop.Echo/Say is full',
      [LOCAL]: { reason: 'client.bulkhead/queue-full', unprocessed: true },
    });
    expect(rig.lowers).toHaveLength(1);
    succeed(rig.last);
    succeed(rig.last);
    expect(rig.lowers).toHaveLength(2);
    expect(rig.counts.client).toMatchObject({ calls: 3, active: 0, refused: { 'client.bulkhead/queue-full': 1 } });
  });

  test("W2: a waiter leaves the queue at its deadline, and at the queue's timeout, not when it is reached", async () => {
    const rig = new Rig(door, { policy: limit(1, 5, '2s') });
    const { clock } = rig;
    const { ear: holder } = rig.unary();
    const { ear: late } = rig.unary(clock.nowMs() + 500);
    const { ear: long } = rig.unary();
    clock.advance(500);
    await turn();
    expect(late.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, [LOCAL]: { reason: 'client.bulkhead/deadline' } });
    clock.advance(1500);
    await turn();
    expect(long.status).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, [LOCAL]: { reason: 'client.bulkhead/queue-timeout' } });
    expect(rig.lowers).toHaveLength(1);
    succeed(rig.last);
    expect(holder.status?.code).toBe(Code.OK);
    expect(clock.pending).toBe(0);
  });

  test('C1: a waiter that is cancelled ends with CANCELLED once, and never goes out', async () => {
    const rig = new Rig(door, { policy: limit(1, 5) });
    rig.unary();
    const { call, ear } = rig.unary();
    call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    call.cancelWithStatus(Code.CANCELLED, 'again');
    await turn();
    expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
    expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'Cancelled on client' });
    succeed(rig.last);
    expect(rig.lowers).toHaveLength(1);
    expect(rig.counts.client.active).toBe(0);
  });

  test('a full queue makes room for a more important call: the newest of the least important ends with RESOURCE_EXHAUSTED', async () => {
    const rig = new Rig(door, { policy: limit(1, 2) });
    rig.unary();
    const { ear: first } = rig.unary(undefined, { priority: 'sheddable' });
    const { ear: second } = rig.unary(undefined, { priority: 'sheddable' });
    const { ear: critical } = rig.unary(undefined, { priority: 'critical' });
    const { ear: third } = rig.unary(undefined, { priority: 'sheddable' });
    await turn();
    expect([first, second, critical, third].map(({ status }) => status?.code)).toEqual([undefined, 8, undefined, 8]);
    expect(second.status).toMatchObject({ [LOCAL]: { reason: 'client.bulkhead/evicted', unprocessed: true } });
    expect(third.status).toMatchObject({ [LOCAL]: { reason: 'client.bulkhead/queue-full' } });
    succeed(rig.last);
    succeed(rig.last);
    expect(critical.status?.code).toBe(Code.OK); // it came last
    succeed(rig.last);
    expect(first.status?.code).toBe(Code.OK);
    expect(rig.counts.client).toMatchObject({ active: 0 });
  });

  test('W4 W5: a tenant has its share whoever else calls, and what is idle is lent', async () => {
    const policy: Policy = {
      defaults: { bulkhead: { slots: 4, by: 'tenant', partitions: { acme: 0.5 } }, retryPolicy: { maxAttempts: 1 } },
    };
    const rig = new Rig(door, { policy });
    const calls = (n: number, tenant?: string) =>
      Array.from({ length: n }, () => rig.unary(undefined, tenant === undefined ? {} : { tenant }));
    const noisy = [...calls(5, 'noisy'), ...calls(1)];
    const acme = calls(3, 'acme');
    await turn();
    const refused = ({ ear }: { readonly ear: Ear }): boolean => ear.status?.code === Code.RESOURCE_EXHAUSTED;
    expect([noisy.filter(refused).length, acme.filter(refused).length]).toEqual([2, 1]);
    for (const lower of [...rig.lowers]) succeed(lower);
    expect(rig.counts.client.active).toBe(0);
    expect(calls(4, 'acme')).toHaveLength(4);
    expect(rig.lowers).toHaveLength(10);
  });

  test('by tenant without partitions, each has slots of its own', async () => {
    const rig = new Rig(door, { policy: { defaults: { bulkhead: { slots: 1, by: 'tenant' }, retryPolicy: { maxAttempts: 1 } } } });
    const codes = ['a', 'a', 'b', undefined, undefined].map((tenant) => rig.unary(undefined, tenant === undefined ? {} : { tenant }).ear);
    await turn();
    expect(codes.map(({ status }) => status?.code)).toEqual([undefined, 8, undefined, undefined, 8]);
  });

  test('by priority, sheddable calls never take what critical ones are owed', async () => {
    const by: Policy = { defaults: { bulkhead: { slots: 2, by: 'priority', partitions: { critical: 0.5, sheddable: 0.5 } } } };
    const rig = new Rig(door, { policy: by });
    const ears = (['sheddable', 'sheddable', 'sheddable', 'critical'] as const).map((priority) => rig.unary(undefined, { priority }).ear);
    await turn();
    expect(ears.map(({ status }) => status?.code)).toEqual([undefined, undefined, 8, undefined]);
  });

  test('W3: 10,000 waiters that are cancelled at once are gone in a moment', async () => {
    const rig = new Rig(door, { policy: limit(1, 10_000) });
    rig.unary();
    const waiters = Array.from({ length: 10_000 }, () => rig.unary());
    const startedMs = systemClock.nowMs();
    for (const { call } of waiters.toReversed()) call.cancelWithStatus(Code.CANCELLED, '');
    await turn();
    expect(systemClock.nowMs() - startedMs).toBeLessThan(2000);
    expect(waiters.every(({ ear }) => ear.status?.code === Code.CANCELLED)).toBe(true);
    succeed(rig.last);
    expect(rig.counts.client.active).toBe(0);
  });

  test.for(kinds)('what a waiting %s call was told is played in order when its turn comes', (kind) => {
    const rig = new Rig(door, { policy: limit(1, 1) });
    rig.unary();
    const call = rig.make(kind);
    const ear = new Ear();
    call.start(new Metadata(), ear);
    call.startRead();
    call.sendMessageWithContext({}, door === 'channel' ? Buffer.from('a') : { text: 'a' });
    call.halfClose();
    expect(rig.lowers).toHaveLength(1);
    succeed(rig.last);
    expect(rig.last.log).toEqual(['start', 'read', 'message', 'half']);
    succeed(rig.last);
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
  });

  test.for([Code.OK, Code.UNAVAILABLE, Code.CANCELLED, Code.DEADLINE_EXCEEDED])(
    'a call that ends with %d gives its slot back before the app hears of it',
    (code) => {
      const rig = new Rig(door, { policy: limit(1, 0) });
      for (let i = 0; i < 5; i++) {
        rig.unary();
        rig.last.end(code);
      }
      expect(rig.lowers).toHaveLength(5);
    },
  );

  test('a waiter whose channel is closed meanwhile ends with UNAVAILABLE, and its slot is free', async () => {
    const held = new Gate();
    await using running = await serve({ handlers: { say: (_call, callback) => void held.opened.then(() => callback({ code: 9 })) } });
    const mesh = createMesh(limit(1, 5));
    const client = new EchoClient({ address: running.address, mesh, door });
    const outcomes = [client.say('a'), client.say('b'), client.say('c')];
    await turn();
    client[Symbol.dispose]();
    held.open();
    const [, ...waiters] = await Promise.all(outcomes);
    expect(waiters.map(({ code, trailers }) => [code, trailers['inmesh-reason']])).toEqual([
      ['UNAVAILABLE', ['client.channel/closed']],
      ['UNAVAILABLE', ['client.channel/closed']],
    ]);
    expect(mesh.stats().client.active).toBe(0);
    await mesh.close();
  });
});

/** A plain server behind a bulkhead. */
function walled(slots: number, queue: number, handlers: Partial<Handlers>) {
  const bulkhead = new Bulkhead({ slots, queue }, systemClock);
  const server = new Server({ interceptors: [asServerInterceptor(bulkheadServer({ clock: systemClock, bulkheadOf: () => bulkhead }))] });
  return { bulkhead, served: serve({ server, handlers }) };
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}
const ended = (call: { on(event: 'status', listener: (status: StatusObject) => void): unknown }): Promise<number> =>
  new Promise((resolve) => void call.on('status', ({ code }) => resolve(code)));

describe('server bulkhead', () => {
  test('W1: a full queue refuses with RESOURCE_EXHAUSTED before the handler, marked as never run', async () => {
    const held = new Gate();
    let handled = 0;
    const { bulkhead, served } = walled(1, 1, {
      say: (call, callback) => {
        handled++;
        void held.opened.then(() => callback(null, call.request));
      },
    });
    await using running = await served;
    using client = new EchoClient({ address: running.address });
    const first = client.say('1');
    await until(() => bulkhead.inUse === 1);
    const second = client.say('2');
    await until(() => bulkhead.waiting === 1);
    const third = await client.say('3');
    expect(third).toMatchObject({ code: 'RESOURCE_EXHAUSTED', details: 'inmesh: bulkhead of /loop.Echo/Say is full' });
    expect(third.trailers).toEqual({ 'inmesh-reason': ['server.bulkhead/queue-full'], 'inmesh-unprocessed': ['1'] });
    expect(handled).toBe(1);
    held.open();
    expect((await Promise.all([first, second])).map(({ code }) => code)).toEqual(['OK', 'OK']);
    await until(() => bulkhead.inUse === 0);
  });

  test('the slot is free as soon as the status is given, whenever the wire is done with the call', () => {
    const bulkhead = new Bulkhead({ slots: 1 }, systemClock);
    const wire = new FakeServerCall();
    const call = bulkheadServer({ clock: systemClock, bulkheadOf: () => bulkhead })(serverInfo(), wire);
    call.start({ onReceiveMetadata: () => {}, onReceiveMessage: () => {}, onReceiveHalfClose: () => {}, onCancel: () => {} });
    wire.listener?.onReceiveMetadata(new Metadata());
    expect(bulkhead.inUse).toBe(1);
    call.sendStatus({ code: Code.OK, details: '', metadata: null });
    expect(bulkhead.inUse).toBe(0);
    wire.listener?.onCancel(); // as grpc-js does after every call; a second release would throw
  });

  test('C5: a client that goes while it waits never meets the handler; one that goes while it is served gives its slot back once', async () => {
    const held = new Gate();
    let handled = 0;
    const { bulkhead, served } = walled(1, 1, {
      say: (call, callback) => {
        handled++;
        void held.opened.then(() => callback(null, call.request));
      },
    });
    await using running = await served;
    using client = new EchoClient({ address: running.address });
    const cancels: (() => void)[] = [];
    const onCall = (call: { cancel(): void }): void => void cancels.push(() => call.cancel());
    const outcomes = [client.say('1', { onCall })];
    await until(() => bulkhead.inUse === 1);
    outcomes.push(client.say('2', { onCall }));
    await until(() => bulkhead.waiting === 1);
    cancels[1]?.();
    await until(() => bulkhead.waiting === 0);
    cancels[0]?.();
    await until(() => bulkhead.inUse === 0);
    held.open(); // the handler answers all the same; a second release would throw
    await Promise.all(outcomes);
    expect(handled).toBe(1);
    expect((await client.say('3')).code).toBe('OK');
    await until(() => bulkhead.inUse === 0);
  });

  test('all four kinds give their slot back after every end', async () => {
    const { bulkhead, served } = walled(1, 100, {
      tell: (_call, callback) => callback({ code: 9 }),
      chat: (call) => {
        call.on('error', () => {});
        call.resume(); // never answers
      },
    });
    await using running = await served;
    using client = new EchoClient({ address: running.address });
    const { stub } = client;
    const metadata = new Metadata();
    const soon = { deadline: Date.now() + 150 };
    const collect = stub.collect(metadata, {}, () => {});
    collect.end({ text: 'a' });
    const count = stub.count({ text: 'a' }, metadata, {});
    count.resume();
    const cancelled = stub.count({ text: 'a' }, metadata, {}).on('error', () => {});
    const late = stub.chat(metadata, soon).on('error', () => {});
    const codes = Promise.all([
      client.say('a'),
      client.say('a', { method: 'tell' }),
      ended(collect),
      ended(count),
      ended(cancelled),
      ended(late),
    ]);
    cancelled.cancel();
    expect((await codes).map((one) => (typeof one === 'number' ? one : one.code))).toEqual(['OK', 'FAILED_PRECONDITION', 0, 0, 1, 4]);
    await until(() => bulkhead.inUse === 0 && bulkhead.waiting === 0);
    expect((await client.say('again')).code).toBe('OK');
    await until(() => bulkhead.inUse === 0);
  });

  test('a client whose connection breaks gives all of its slots back', async () => {
    const { bulkhead, served } = walled(5, 5, { say: () => {} });
    await using running = await served;
    using client = new EchoClient({ address: running.address });
    const outcomes = client.burst(['1', '2', '3', '4', '5', '6', '7']);
    await until(() => bulkhead.inUse === 5 && bulkhead.waiting === 2);
    running.kill();
    await outcomes;
    await until(() => bulkhead.inUse === 0 && bulkhead.waiting === 0);
  });

  test('a handler runs in the context of its own call, though another call gave the slot up for it', async () => {
    const als = new AsyncLocalStorage<string>();
    const seen: string[] = [];
    const bulkhead = new Bulkhead({ slots: 1, queue: 5 }, systemClock);
    const server = new Server({
      interceptors: [
        (_definition, call) =>
          new ServerInterceptingCall(call, {
            start: (next) => {
              const listener = new ServerListenerBuilder();
              next(listener.withOnReceiveMetadata((metadata, pass) => als.run(String(metadata.get('who')[0]), pass, metadata)).build());
            },
          }),
        asServerInterceptor((info, call) => bulkheadServer({ clock: systemClock, bulkheadOf: () => bulkhead })(info, call)),
      ],
    });
    const start = new Gate();
    await using running = await serve({
      server,
      handlers: {
        // A stream's handler runs as soon as the metadata is there: in the context that the slot was given in.
        chat: (call) => {
          seen.push(`${String(call.metadata.get('who')[0])}:${als.getStore()}`);
          void start.opened.then(() => call.end());
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    const codes = ['anna', 'ben', 'carl'].map((who) => {
      const metadata = new Metadata();
      metadata.set('who', who);
      const chat = client.stub.chat(metadata, {});
      chat.resume();
      return ended(chat);
    });
    await until(() => bulkhead.waiting === 2);
    start.open();
    await Promise.all(codes);
    expect(seen).toEqual(['anna:anna', 'ben:ben', 'carl:carl']);
  });

  test('W2: the deadline of a waiting call is kept on the clock, whatever the wall clock does', () => {
    const clock = new FakeClock();
    const bulkhead = new Bulkhead({ slots: 1, queue: 1 }, clock);
    const heard: string[] = [];
    bulkhead.acquire({ deadlineMs: Number.POSITIVE_INFINITY, granted: () => {}, refused: () => {} });
    bulkhead.acquire({ deadlineMs: clock.nowMs() + 100, granted: () => heard.push('granted'), refused: () => heard.push('refused') });
    clock.wallOffsetMs += 3_600_000;
    clock.advance(99);
    expect(heard).toEqual([]);
    clock.advance(1);
    expect(heard).toEqual(['refused']);
    expect(clock.pending).toBe(0);
  });

  test('by method, each has its share of the one server; the deadline stage says whom a call is for', async () => {
    const held = new Gate();
    const bulkhead = { slots: 2, by: 'method', partitions: { 'loop.Echo/Tell': 0.5 } } as const;
    const mesh = createMesh({ server: { bulkhead } });
    const wait: Handlers['say'] = (call, callback) => void held.opened.then(() => callback(null, call.request));
    await using running = await serve({ server: new MeshServer({ mesh }), handlers: { say: wait, tell: wait } });
    using client = new EchoClient({ address: running.address });
    const says = ['1', '2', '3'].map((text) => client.say(text));
    await until(() => mesh.stats().server.active >= 2);
    const tells = ['1', '2'].map((text) => client.say(text, { method: 'tell' }));
    const refused = await Promise.all([says[2], tells[1]]);
    expect(refused.map((outcome) => outcome?.trailers['inmesh-reason']?.[0])).toEqual([
      'server.bulkhead/queue-full',
      'server.bulkhead/queue-full',
    ]);
    held.open();
    expect((await Promise.all([...says.slice(0, 2), tells[0]])).map((outcome) => outcome?.code)).toEqual(['OK', 'OK', 'OK']);
    await mesh.close();
  });

  test('by tenant, each tenant that the call being served is for has slots of its own', () => {
    const clock = new FakeClock();
    const bulkheads = new KeyedBulkheads<ServerInfo>(() => ({ slots: 1, by: 'tenant' }), clock, servedTenant);
    const layer = bulkheadServer({ clock, bulkheadOf: (info) => bulkheads.for(info), limits: (method) => bulkheads.limits(method) });
    const codes = ['a', 'a', 'b'].map((tenant) => {
      const wire = new FakeServerCall();
      const scope = new CallScope(Number.POSITIVE_INFINITY, { priority: undefined, tenant, attempt: 0 });
      layer(serverInfo(), wire).start({
        onReceiveMetadata: () => {},
        onReceiveMessage: () => {},
        onReceiveHalfClose: () => {},
        onCancel: () => {},
      });
      currentScope.run(scope, () => wire.listener?.onReceiveMetadata(new Metadata()));
      return wire.statuses[0]?.code;
    });
    expect(codes).toEqual([undefined, Code.RESOURCE_EXHAUSTED, undefined]);
    expect(bulkheads.size).toBe(2);
  });

  test('W4: tenants that clients name have their shares on a server that believes them', async () => {
    const held = new Gate();
    const server = createMesh({
      server: { trustTraits: true, bulkhead: { slots: 2, queue: 1, by: 'tenant', partitions: { acme: 0.5 } } },
    });
    await using running = await serve({
      server: new MeshServer({ mesh: server }),
      handlers: { say: (call, callback) => void held.opened.then(() => callback(null, call.request)) },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    const call = (tenant: string, priority: Priority): ReturnType<EchoClient['say']> => client.say('x', { inmesh: { tenant, priority } });
    const noisy = [call('noisy', 'sheddable'), call('noisy', 'sheddable')];
    await until(() => server.stats().server.active === 2);
    noisy.push(call('noisy', 'sheddable'));
    await until(() => server.stats().server.active === 3);
    const acme = call('acme', 'default');
    await until(() => server.stats().server.active === 4);
    noisy.push(call('noisy', 'critical')); // in place of the third
    expect((await noisy[2])?.trailers['inmesh-reason']).toEqual(['server.bulkhead/evicted']);
    held.open();
    const codes = (await Promise.all([acme, ...noisy])).map(({ code }) => code);
    expect(codes).toEqual(['OK', 'OK', 'OK', 'RESOURCE_EXHAUSTED', 'OK']);
    await Promise.all([mesh.close(), server.close()]);
  });
});
