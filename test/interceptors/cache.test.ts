import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { credentials, InterceptingCall, type Interceptor, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { SpanKind } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import { retryInterceptor } from '../../interceptors/index.ts';
import { cacheInterceptor } from '../../interceptors/standalone/cache.ts';
import { Code } from '../../src/call.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import type { Cache, Policy } from '../../src/policy/policy.gen.ts';
import { coalesceIn, forms, pair } from '../grpc/pair.ts';
import { startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  type ClientDoor,
  clientDoors,
  EchoClient,
  type EchoStub,
  echoDefinition,
  Gate,
  type Handlers,
  metadataOf,
  type RunningServer,
  serve,
  UNSERIALIZABLE,
} from '../support/loopback.ts';

const cached = (cache: Cache, more: Policy['methods'] = {}): Policy => ({
  methods: { 'loop.Echo/Say': { idempotent: true, cache, retryPolicy: { maxAttempts: 1 } }, ...more },
  telemetry: { traces: false, metrics: false },
});

interface Stage extends AsyncDisposable {
  readonly running: RunningServer;
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly warnings: string[];
  /** Texts that reached the handler. */
  readonly seen: string[];
}

/** A plain server, which counts, and a client that keeps answers. */
async function stage(door: ClientDoor, policy: Policy, say?: Handlers['say'], dependencies: MeshDependencies = {}): Promise<Stage> {
  const seen: string[] = [];
  const running = await serve({
    handlers: {
      say: (call, callback) => {
        seen.push(call.request.text);
        if (say !== undefined) return say(call, callback);
        const headers = metadataOf({ 'x-head': 'h', 'x-head-bin': '0a' });
        call.sendMetadata(headers);
        callback(null, { text: `${call.request.text} ${seen.length}` }, metadataOf({ 'x-trail': 't' }));
      },
    },
  });
  const warnings: string[] = [];
  const mesh = createMesh(policy, { services: [echoDefinition], warn: (line) => warnings.push(line), ...dependencies });
  const client = new EchoClient({ address: running.address, mesh, door });
  return {
    running,
    mesh,
    client,
    warnings,
    seen,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await running[Symbol.asyncDispose]();
      await expect.poll(() => mesh.stats().client.active).toBe(0);
      await mesh.close();
    },
  };
}

const holding =
  (gate: Gate): Handlers['say'] =>
  (call, callback) =>
    void gate.opened.then(() => callback(null, call.request));

describe.for(clientDoors)('kept answers behind %s', (door) => {
  test('an answer is given again while it is fresh, with its headers and trailers, and nothing goes out', async () => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() - clock.nowMs();
    await using at = await stage(door, cached({ ttl: '10s' }), undefined, { clock });
    const first = await at.client.say('a');
    const second = await at.client.say('a');
    expect(first).toMatchObject({
      code: 'OK',
      text: 'a 1',
      headers: { 'x-head': ['h'], 'x-head-bin': ['0x0a'] },
      trailers: { 'x-trail': ['t'] },
    });
    expect(second).toEqual(first);
    expect(at.seen).toEqual(['a']);
    clock.advance(10_000);
    expect((await at.client.say('a')).text).toBe('a 2');
    expect(at.mesh.stats().cache).toMatchObject({ hits: 1, misses: 2, shared: 0, stale: 0, bypassed: 0, entries: 1 });
    expect(at.mesh.stats().client.attempts).toBe(2);
    expect(at.warnings).toEqual([]);
  });

  test('other requests, other methods and calls that say cache: never have answers of their own', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    await at.client.say('a');
    expect((await at.client.say('b')).text).toBe('b 2');
    expect((await at.client.say('a', { method: 'tell' })).text).toBe('tell a');
    expect((await at.client.say('a', { inmesh: { cache: 'never' } })).text).toBe('a 3');
    expect((await at.client.say('a')).text).toBe('a 1');
    expect(at.mesh.stats().cache).toMatchObject({ hits: 1, misses: 2, entries: 2 });
  });

  test('failures are not kept', async () => {
    let calls = 0;
    await using at = await stage(door, cached({ ttl: '10s' }), (call, callback) =>
      ++calls === 1 ? callback({ code: Code.NOT_FOUND, details: 'not yet' }) : callback(null, call.request),
    );
    expect((await at.client.say('a')).code).toBe('NOT_FOUND');
    expect((await at.client.say('a')).code).toBe('OK');
    expect((await at.client.say('a')).code).toBe('OK');
    expect(calls).toBe(2);
  });

  test('what one caller does to its answer, no other sees', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    await at.client.say('a');
    const answers = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<{ text: string; headers: Metadata }>((resolve) => {
            let headers = new Metadata();
            at.client.stub
              .say({ text: 'a' }, new Metadata(), {}, (_error, value) => {
                const message = value as { text: string };
                resolve({ text: message.text, headers });
                message.text = 'spoilt';
              })
              .on('metadata', (got: Metadata) => {
                headers = got.clone();
                got.set('x-head', 'spoilt');
              })
              .on('status', ({ metadata }) => metadata.set('x-trail', 'spoilt'));
          }),
      ),
    );
    expect(answers.map(({ text }) => text)).toEqual(['a 1', 'a 1']);
    expect(answers.map(({ headers }) => headers.get('x-head'))).toEqual([['h'], ['h']]);
    expect(await at.client.say('a')).toMatchObject({ text: 'a 1', headers: { 'x-head': ['h'] }, trailers: { 'x-trail': ['t'] } });
  });

  test('what inmesh said of one call is not said of the next', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }), (call, callback) =>
      callback(null, call.request, metadataOf({ 'inmesh-reason': 'server.some/thing', 'x-trail': 't' })),
    );
    await at.client.say('a');
    expect((await at.client.say('a')).trailers).toEqual({ 'x-trail': ['t'] });
  });

  test('a stale answer stands in for a failure, says so, and is gone after its time', async () => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() - clock.nowMs();
    let broken = false;
    let code: number = Code.NOT_FOUND;
    const say: Handlers['say'] = (call, callback) => (broken ? callback({ code, details: 'down' }) : callback(null, call.request));
    await using at = await stage(door, cached({ ttl: '1s', staleIfError: '10s' }), say, { clock });
    await at.client.say('a');
    broken = true;
    clock.advance(1000);
    expect((await at.client.say('a')).code).toBe('NOT_FOUND'); // the server works, and says so
    code = Code.UNAVAILABLE;
    const stale = await at.client.say('a');
    expect(stale).toMatchObject({ code: 'OK', text: 'a', trailers: { 'inmesh-reason': ['client.cache/stale'] } });
    clock.advance(9999);
    expect((await at.client.say('a')).code).toBe('OK');
    clock.advance(1);
    expect(await at.client.say('a')).toMatchObject({ code: 'UNAVAILABLE', details: 'down' });
    expect(at.mesh.stats().cache).toMatchObject({ stale: 2, misses: 5 });
  });

  test('a stale answer outlives an open breaker', async () => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() - clock.nowMs();
    let broken = false;
    const say: Handlers['say'] = (call, callback) => (broken ? callback({ code: Code.UNAVAILABLE }) : callback(null, call.request));
    const method = { idempotent: true, cache: { ttl: '1s', staleIfError: '10s' }, retryPolicy: { maxAttempts: 1 } } as const;
    const policy: Policy = { methods: { 'loop.Echo/Say': { ...method, breaker: { consecutiveFailures: 1, openTime: '60s' } } } };
    await using at = await stage(door, policy, say, { clock });
    await at.client.say('a');
    broken = true;
    clock.advance(1000);
    for (let i = 0; i < 3; i++) expect((await at.client.say('a')).trailers['inmesh-reason']).toEqual(['client.cache/stale']);
    expect(at.seen).toHaveLength(2);
    expect((await at.client.say('b')).trailers['inmesh-reason']).toEqual(['client.breaker/open']);
  });

  test('a stale answer outlives a full bulkhead, and a hit takes no slot', async () => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() - clock.nowMs();
    const gate = new Gate();
    let held = false;
    const policy: Policy = {
      ...cached({ ttl: '1s', staleIfError: '10s' }),
      methods: { 'loop.Echo/Say': { idempotent: true, cache: { ttl: '1s', staleIfError: '10s' }, bulkhead: { slots: 1 } } },
    };
    const say: Handlers['say'] = (call, callback) =>
      held ? void gate.opened.then(() => callback(null, call.request)) : callback(null, call.request);
    await using at = await stage(door, policy, say, { clock });
    await at.client.say('a');
    held = true;
    const holder = at.client.say('b');
    await expect.poll(() => at.seen.length).toBe(2);
    expect((await at.client.say('a')).code).toBe('OK');
    expect((await at.client.say('c')).trailers['inmesh-reason']).toEqual(['client.bulkhead/queue-full']);
    clock.advance(1000);
    expect((await at.client.say('a')).trailers['inmesh-reason']).toEqual(['client.cache/stale']);
    gate.open();
    await holder;
  });
});

describe.for(clientDoors)('who may share an answer behind %s', (door) => {
  test('Q8: calls with metadata that nobody declared neither share nor keep, and a line says how to declare it', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    const as = (who: string): Promise<unknown> =>
      at.client.say('a', { metadata: metadataOf({ authorization: who }) }).then(({ text }) => text);
    expect(await Promise.all([as('anna'), as('anna'), as('ben')])).toEqual(['a 1', 'a 2', 'a 3']);
    expect(await as('anna')).toBe('a 4');
    expect(at.mesh.stats().cache).toMatchObject({ hits: 0, shared: 0, bypassed: 4, entries: 0 });
    expect(at.warnings).toHaveLength(1);
    expect(at.warnings[0]).toContain('cache: { metadata: ["authorization"] }');
    expect(at.warnings[0]).not.toContain('anna');
  });

  test('Q8 K14: declared metadata is part of the question: principals never get each other’s answers', async () => {
    await using at = await stage(door, cached({ ttl: '10s', metadata: ['authorization'] }), (call, callback) =>
      callback(null, { text: `for ${String(call.metadata.get('authorization')[0])}` }),
    );
    const whos = Array.from({ length: 60 }, (_, i) => `tenant${(i * 7) % 13}`);
    const ask = (who: string) => at.client.say('a', { metadata: metadataOf({ authorization: who }) });
    const answers = await Promise.all(whos.map(ask));
    expect(answers.map(({ text }) => text)).toEqual(whos.map((who) => `for ${who}`));
    expect(at.seen).toHaveLength(13);
    expect((await ask('tenant3')).text).toBe('for tenant3');
    expect((await at.client.say('a')).text).toBe('for undefined');
  });

  test('Q8: calls for different tenants never share', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    const as = (tenant: string) => at.client.say('a', { inmesh: { tenant } }).then(({ text }) => text);
    expect(await as('a')).toBe('a 1');
    expect(await as('b')).toBe('a 2');
    expect(await as('a')).toBe('a 1');
  });

  test('trace headers and request ids do not tell calls apart', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    await at.client.say('a', { metadata: metadataOf({ 'x-request-id': '1', traceparent: 'x' }) });
    expect((await at.client.say('a', { metadata: metadataOf({ 'x-request-id': '2' }) })).text).toBe('a 1');
  });

  test('Q8: calls with credentials of their own pass by', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    const own = credentials.createFromMetadataGenerator((_context, callback) => callback(null, new Metadata()));
    // An insecure channel refuses them; what matters is that the kept answer is not given.
    await at.client.say('a');
    expect((await at.client.say('a', { credentials: own })).text).not.toBe('a 1');
    expect(at.mesh.stats().cache.bypassed).toBe(1);
  });

  test('Q8: two clients of one mesh have nothing in common', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    using other = new EchoClient({ address: at.running.address, mesh: at.mesh, door });
    expect((await at.client.say('a')).text).toBe('a 1');
    expect((await other.say('a')).text).toBe('a 2');
    expect((await at.client.say('a')).text).toBe('a 1');
  });

  test('a stream of a method with a cache passes by', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }, { 'loop.Echo/Count': { idempotent: true, cache: { ttl: '1s' } } }));
    for (let i = 0; i < 2; i++) {
      const texts: string[] = [];
      for await (const { text } of at.client.stub.count({ text: 'x' }, new Metadata(), {})) texts.push(text);
      expect(texts).toEqual(['x 1', 'x 2', 'x 3']);
    }
    expect(at.mesh.stats().cache).toMatchObject({ hits: 0, misses: 0 });
  });
});

describe.for(clientDoors)('single-flight behind %s', (door) => {
  test('K14: calls that ask the same at the same time are one call, and each gets the answer as its own', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({}), holding(gate));
    const calls = at.client.burst(Array(50).fill('a'));
    await expect.poll(() => at.seen.length).toBe(1);
    gate.open();
    const answers = await calls;
    expect(new Set(answers.map(({ code, text }) => `${code} ${text}`))).toEqual(new Set(['OK a']));
    expect(at.seen).toEqual(['a']);
    expect(at.mesh.stats().cache).toMatchObject({ misses: 1, shared: 49, entries: 0 });
    await at.client.say('a');
    expect(at.seen).toHaveLength(2); // without a ttl nothing is kept
  });

  test('K14: nothing is joined unless asked', async () => {
    await using at = await stage(door, {});
    await at.client.burst(['a', 'a', 'a']);
    expect(at.seen).toHaveLength(3);
  });

  test('closing the mesh ends all of them, and the call that is out', async () => {
    let cancelled = 0;
    await using at = await stage(door, cached({}), (call) => void call.on('cancelled', () => cancelled++));
    const calls = at.client.burst(['a', 'a', 'a']);
    await expect.poll(() => at.seen.length).toBe(1);
    await at.mesh.close(0);
    expect((await calls).map(({ trailers }) => trailers['inmesh-reason'])).toEqual(Array(3).fill(['client.mesh/closed']));
    await expect.poll(() => cancelled).toBe(1);
  });

  test('singleFlight: false: each goes its own way', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({ ttl: '10s', singleFlight: false }), holding(gate));
    const calls = at.client.burst(['a', 'a', 'a']);
    await expect.poll(() => at.seen.length).toBe(3);
    gate.open();
    await calls;
    expect((await at.client.say('a')).code).toBe('OK');
    expect(at.mesh.stats().cache).toMatchObject({ misses: 3, shared: 0, hits: 1 });
  });

  test('a failure is everybody’s', async () => {
    const gate = new Gate();
    await using at = await stage(
      door,
      cached({}),
      (_call, callback) =>
        void gate.opened.then(() => callback({ code: Code.NOT_FOUND, details: 'none', metadata: metadataOf({ why: 'x' }) })),
    );
    const calls = at.client.burst(['a', 'a', 'a']);
    await expect.poll(() => at.seen.length).toBe(1);
    gate.open();
    for (const outcome of await calls) expect(outcome).toMatchObject({ code: 'NOT_FOUND', details: 'none', trailers: { why: ['x'] } });
    expect(at.seen).toHaveLength(1);
  });

  test('the first caller’s cancellation leaves the others their answer', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({}), holding(gate));
    const cancels: (() => void)[] = [];
    const onCall = (call: { cancel(): void }): void => void cancels.push(() => call.cancel());
    const calls = [1, 2, 3].map(() => at.client.say('a', { onCall }));
    await expect.poll(() => at.seen.length).toBe(1);
    cancels[0]?.();
    expect((await calls[0])?.code).toBe('CANCELLED');
    cancels[2]?.();
    expect((await calls[2])?.code).toBe('CANCELLED');
    gate.open();
    expect(await calls[1]).toMatchObject({ code: 'OK', text: 'a' });
    expect(at.seen).toHaveLength(1);
  });

  test('C1: when nobody waits any more, the call that is out is cancelled', async () => {
    let cancelled = 0;
    await using at = await stage(door, cached({}), (call) => void call.on('cancelled', () => cancelled++));
    const cancels: (() => void)[] = [];
    const onCall = (call: { cancel(): void }): void => void cancels.push(() => call.cancel());
    const calls = [1, 2].map(() => at.client.say('a', { onCall }));
    await expect.poll(() => at.seen.length).toBe(1);
    cancels[0]?.();
    await turn();
    expect(cancelled).toBe(0);
    cancels[1]?.();
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['CANCELLED', 'CANCELLED']);
    await expect.poll(() => cancelled).toBe(1);
  });

  test('a deadline is its own caller’s: the others ask anew, together', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({}), (call, callback) => {
      if (at.seen.length > 1) void gate.opened.then(() => callback(null, call.request));
    });
    const first = at.client.say('a', { deadline: Date.now() + 300 });
    await expect.poll(() => at.seen.length).toBe(1);
    const others = at.client.burst(['a', 'a', 'a']);
    expect((await first).code).toBe('DEADLINE_EXCEEDED');
    await expect.poll(() => at.seen.length).toBe(2);
    gate.open();
    expect((await others).map(({ code }) => code)).toEqual(['OK', 'OK', 'OK']);
    expect(at.seen).toHaveLength(2);
  });

  test('a call that takes over goes out with the metadata that it was made with', async () => {
    const whos: unknown[] = [];
    await using at = await stage(door, cached({ metadata: ['who'] }), (call, callback) => {
      whos.push(call.metadata.get('who')[0]);
      if (whos.length > 1) callback(null, call.request);
    });
    const first = at.client.say('a', { deadline: Date.now() + 300, metadata: metadataOf({ who: 'anna' }) });
    await expect.poll(() => at.seen.length).toBe(1);
    const metadata = metadataOf({ who: 'anna' });
    const second = at.client.say('a', { metadata });
    metadata.set('who', 'ben');
    expect((await first).code).toBe('DEADLINE_EXCEEDED');
    expect((await second).code).toBe('OK');
    expect(whos).toEqual(['anna', 'anna']);
  });

  test('a call that joined ends at its own deadline', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({}), holding(gate));
    const first = at.client.say('a');
    await expect.poll(() => at.seen.length).toBe(1);
    const second = await at.client.say('a', { deadline: Date.now() + 300 });
    expect(second).toMatchObject({ code: 'DEADLINE_EXCEEDED', trailers: { 'inmesh-reason': ['client.cache/deadline'] } });
    gate.open();
    expect((await first).code).toBe('OK');
  });

  test('each caller’s context is its own', async () => {
    const als = new AsyncLocalStorage<string>();
    const gate = new Gate();
    await using at = await stage(door, cached({}), holding(gate));
    const heard: string[] = [];
    const calls = ['anna', 'ben', 'carl'].map((who) =>
      als.run(
        who,
        () =>
          new Promise<void>((resolve) => {
            at.client.stub.say({ text: 'a' }, new Metadata(), {}, () => {
              heard.push(`${who}:${als.getStore()}`);
              resolve();
            });
          }),
      ),
    );
    await expect.poll(() => at.seen.length).toBe(1);
    gate.open();
    await Promise.all(calls);
    expect(heard.sort()).toEqual(['anna:anna', 'ben:ben', 'carl:carl']);
  });

  test('the channel’s end is everybody’s, and the mesh is idle after it', async () => {
    const gate = new Gate();
    await using at = await stage(door, cached({}), holding(gate));
    const calls = at.client.burst(['a', 'a', 'a']);
    await expect.poll(() => at.seen.length).toBe(1);
    at.running.kill();
    for (const { code } of await calls) expect(['UNAVAILABLE', 'CANCELLED']).toContain(code);
    await expect.poll(() => at.mesh.stats().client.active).toBe(0);
  });
});

describe.for(clientDoors)('what else a cache must leave alone behind %s', (door) => {
  test('a request that can’t be encoded fails as without a cache', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    using bare = new EchoClient({ address: at.running.address });
    const outcome = await at.client.say(UNSERIALIZABLE);
    expect(outcome).toMatchObject({ code: 'INTERNAL', details: (await bare.say(UNSERIALIZABLE)).details });
    expect(at.mesh.stats().cache.entries).toBe(0);
  });

  test('the call’s span says where its answer came from', async () => {
    const traces = startTraces();
    try {
      const clock = new FakeClock();
      clock.wallOffsetMs = Date.now() - clock.nowMs();
      let broken = false;
      const gate = new Gate();
      const say: Handlers['say'] = (call, callback) =>
        broken ? callback({ code: Code.UNAVAILABLE }) : void gate.opened.then(() => callback(null, call.request));
      const policy = cached({ ttl: '1s', staleIfError: '1s' });
      const { telemetry: _, ...traced } = policy;
      await using at = await stage(door, traced, say, { clock });
      const both = at.client.burst(['a', 'a']);
      await expect.poll(() => at.seen.length).toBe(1);
      gate.open();
      await both;
      await at.client.say('a');
      broken = true;
      clock.advance(1000);
      await at.client.say('a');
      const spans = traces.spans().filter(({ kind }) => kind === SpanKind.CLIENT);
      expect(spans.map(({ attributes }) => attributes['inmesh.cache']).sort()).toEqual(['hit', 'shared', 'stale', undefined]);
      expect(at.seen).toHaveLength(2);
    } finally {
      stopTelemetry();
    }
  });
});

describe.for(['channel', 'wrap'] as const)('kept bytes behind %s', (door) => {
  test('belong to nobody: a decoder may hand out views of what it was given', async () => {
    await using at = await stage(door, cached({ ttl: '10s' }));
    const raw = { say: { ...echoDefinition.say, responseDeserialize: (bytes: Buffer) => bytes } };
    const Stub = makeGenericClientConstructor(raw, 'loop.Echo');
    const made = new Stub(at.running.address, credentials.createInsecure(), at.mesh.client());
    const stub = (door === 'wrap' ? at.mesh.wrap(made, { interceptors: 'none' }) : made) as unknown as EchoStub;
    const say = (): Promise<string> =>
      new Promise((resolve) =>
        stub.say({ text: 'a' }, new Metadata(), {}, (_error, value) => {
          const bytes = value as unknown as Buffer;
          resolve(bytes.toString());
          bytes.fill(0);
        }),
      );
    expect([await say(), await say(), await say()]).toEqual(['a 1', 'a 1', 'a 1']);
    made.close();
  });
});

describe('a channel that is not told what kind its calls are', () => {
  test('unary calls are kept, streams pass by and wait for nothing', async () => {
    await using at = await stage('channel', {
      methods: Object.fromEntries(
        ['Say', 'Chat', 'Collect', 'Count'].map((name) => [`loop.Echo/${name}`, { idempotent: true, cache: { ttl: '10s' as const } }]),
      ),
    });
    const plain = credentials.createInsecure();
    const channelOverride = at.mesh.channel(at.running.address, plain);
    const Stub = makeGenericClientConstructor(echoDefinition, 'loop.Echo');
    const stub = new Stub(at.running.address, plain, { channelOverride }) as unknown as EchoStub;
    const say = (): Promise<unknown> =>
      new Promise((resolve) => stub.say({ text: 'a' }, new Metadata(), {}, (_error, value) => resolve(value)));
    expect([await say(), await say()]).toEqual([{ text: 'a 1' }, { text: 'a 1' }]);
    const chat = stub.chat(new Metadata(), {});
    const heard = new Promise((resolve) => chat.once('data', resolve)); // reads before it writes, and ends only later
    chat.write({ text: 'hi' });
    expect(await heard).toEqual({ text: 'hi' });
    const over = new Promise((resolve) => chat.on('end', resolve).resume());
    chat.end();
    await over;
    const collected = new Promise((resolve) => {
      const call = stub.collect(new Metadata(), {}, (_error, value) => resolve(value));
      call.write({ text: 'a' });
      call.end();
    });
    expect(await collected).toEqual({ text: 'a' });
    const counted: unknown[] = [];
    for await (const { text } of stub.count({ text: 'x' }, new Metadata(), {})) counted.push(text);
    expect(counted).toEqual(['x 1', 'x 2', 'x 3']);
    stub.close();
  });
});

describe('a cache above coalescing', () => {
  test.for(forms)('a call that goes out for others joins a batch (%s) like any other', async (form) => {
    let said = 0;
    const say: Handlers['say'] = (call, callback) => callback(null, { text: `${call.request.text} ${++said}` });
    const policy = { ...cached({ ttl: '10s' }), coalesce: coalesceIn(form) };
    await using at = await pair('channel', { say }, policy);
    const texts = Array.from({ length: 40 }, (_, i) => `q${i % 10}`);
    const first = await at.client.burst(texts);
    expect(said).toBe(10);
    for (const [i, { text }] of first.entries()) expect(text).toMatch(new RegExp(`^q${i % 10} \\d+$`));
    expect((await at.client.burst(texts)).map(({ text }) => text)).toEqual(first.map(({ text }) => text));
    expect(at.mesh.stats().cache).toMatchObject({ hits: 40, shared: 30 });
  });
});

describe('a cache at the interceptor door', () => {
  test('needs the service: without it nothing is kept, and a line says what to give', async () => {
    await using at = await stage('interceptors', cached({ ttl: '10s' }), undefined, { services: [] });
    await at.client.say('a');
    expect((await at.client.say('a')).text).toBe('a 2');
    expect(at.warnings).toEqual([expect.stringContaining('services: [Greeter.service]')]);
  });

  test('needs mesh.options(): else one client’s answers could reach another’s calls', async () => {
    await using at = await stage('interceptors', cached({ ttl: '10s' }));
    using other = new EchoClient({ address: at.running.address, options: { interceptors: at.mesh.interceptors() } });
    await other.say('a');
    expect((await other.say('a')).text).toBe('a 2');
    expect(at.warnings).toEqual([expect.stringContaining('mesh.options()')]);
  });

  test('a call that takes over runs what is below in its own caller’s context', async () => {
    const als = new AsyncLocalStorage<string>();
    const stores: unknown[] = [];
    const below: Interceptor = (options, nextCall) => {
      stores.push(als.getStore());
      return new InterceptingCall(nextCall(options));
    };
    let said = 0;
    await using at = await stage('interceptors', cached({}), (call, callback) => {
      if (++said > 1) callback(null, call.request);
    });
    using client = new EchoClient({
      address: at.running.address,
      options: { ...at.mesh.options(), interceptors: [...at.mesh.interceptors(), below] },
    });
    const first = als.run('anna', () => client.say('a', { deadline: Date.now() + 300 }));
    await expect.poll(() => said).toBe(1);
    const second = als.run('ben', () => client.say('a'));
    await Promise.all([first, second]);
    expect(stores).toEqual(['anna', 'ben']);
  });

  test('services that are none are refused', () => {
    expect(() => createMesh({}, { services: [{} as never] })).toThrow(
      'services[0]: expected a service such as Greeter.service, got an object',
    );
    const Client = Object.assign(() => {}, { service: echoDefinition });
    expect(() => createMesh({}, { services: [Client as never] })).toThrow('did you mean its property "service"?');
    expect(() => createMesh({}, { services: 'x' as never })).toThrow('services: expected a list');
  });
});

describe('cacheInterceptor', () => {
  test('keeps answers for the methods it is told, on a plain client', async () => {
    let said = 0;
    await using running = await serve({
      handlers: { say: (call, callback) => callback(null, { text: `${call.request.text} ${++said}` }) },
    });
    const cache = cacheInterceptor({ methods: ['/loop.Echo/Say'], services: [echoDefinition], ttlMs: 10_000 });
    using client = new EchoClient({ address: running.address, options: { interceptors: [cache] } });
    const answers = await client.burst(['a', 'a', 'b']);
    expect(answers.map(({ text }) => text?.slice(0, 1))).toEqual(['a', 'a', 'b']);
    expect(await client.say('a')).toEqual(answers[0]);
    expect(said).toBe(2);
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 2, shared: 1, entries: 2 });
  });

  test('stands above retry in a list, and fuses with it', async () => {
    let said = 0;
    const say: Handlers['say'] = (call, callback) => (++said === 1 ? callback({ code: Code.UNAVAILABLE }) : callback(null, call.request));
    await using running = await serve({ handlers: { say } });
    const interceptors = [
      cacheInterceptor({ methods: ['/loop.Echo/Say'], services: [echoDefinition], ttlMs: 10_000 }),
      retryInterceptor({ idempotentMethods: ['/loop.Echo/Say'] }),
    ];
    using client = new EchoClient({ address: running.address, options: { interceptors } });
    expect((await client.burst(['a', 'a'])).map(({ code }) => code)).toEqual(['OK', 'OK']);
    expect(said).toBe(2);
  });

  test.for([
    [{}, 'cache.methods: expected a list of paths, got nothing'],
    [{ methods: ['a.B/C'], services: [echoDefinition] }, 'did you mean "/a.B/C"?'],
    [{ methods: ['/a.B/C'], services: [1] }, 'cache.services[0]'],
    [{ methods: ['/a.B/C'], services: [echoDefinition], ttl: 5 }, 'cache.ttl: unknown option'],
  ] as const)('%j is refused', ([options, problem]) => {
    expect(() => cacheInterceptor(options as never)).toThrow(problem);
  });
});
