/**
 * Calls of one turn travel together, and nothing else about them changes: cases K1 to K22 at both doors.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type ClientUnaryCall, Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { doors, EchoClient, Gate, type Message, metadataOf, serve } from '../support/loopback.ts';
import { nextUncaught, pair } from './pair.ts';

describe.each(doors)('at door %s', (door) => {
  test('calls of one turn travel together, and each has its own answer (K1)', async () => {
    await using all = await pair(door);
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
    expect((await all.client.burst(texts)).map(({ text }) => text)).toEqual(texts.map((text) => `say ${text}`));
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 50 });
    expect(all.serverMesh.stats().server).toMatchObject({ carriers: 1, items: 50, calls: 51 });
  });

  test('a lone call goes as it is (K12)', async () => {
    await using all = await pair(door);
    for (let i = 0; i < 3; i++) expect((await all.client.say('a')).text).toBe('say a');
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 0, items: 0, plain: { alone: 3 } });
  });

  test('many calls go in batches of maxItems, and no more of them at a time than maxCarriers but for the hold (K12)', async () => {
    await using all = await pair(door, {}, { coalesce: { mode: 'auto', maxItems: 4, maxCarriers: 8 } });
    const texts = Array.from({ length: 16 }, (_, i) => `${i}`);
    expect((await all.client.burst(texts)).map(({ code }) => code)).toEqual(texts.map(() => 'OK'));
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 4, items: 16 });
  });

  test('more calls than the queue takes lose nothing (K16)', async () => {
    await using all = await pair(door, {}, { coalesce: { mode: 'auto', maxItems: 2, maxCarriers: 1 } });
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
    expect((await all.client.burst(texts)).map(({ text }) => text)).toEqual(texts.map((text) => `say ${text}`));
    expect(all.mesh.stats().coalesce.plain['queue-full']).toBeGreaterThan(0);
    expect(all.serverMesh.stats().server.calls).toBe(101);
  });

  test('different methods and metadata never share a batch (K3)', async () => {
    await using all = await pair(door);
    const one = all.client.burst(['a', 'b'], { metadata: metadataOf({ tenant: 'one' }) });
    const two = all.client.burst(['c', 'd'], { metadata: metadataOf({ tenant: 'two' }) });
    const three = all.client.burst(['e', 'f'], { method: 'tell' });
    const four = all.client.burst(['g', 'h']);
    const outcomes = (await Promise.all([one, two, three, four])).flat();
    expect(outcomes.map(({ text }) => text)).toEqual(['say a', 'say b', 'say c', 'say d', 'tell e', 'tell f', 'say g', 'say h']);
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 4, items: 8 });
  });

  test('only methods that policy names, only calls that do not forbid it', async () => {
    await using all = await pair(door, {}, { coalesce: { methods: ['loop.Echo/Say'] } });
    await all.client.burst(['a', 'b'], { method: 'tell' });
    await all.client.burst(['a', 'b'], { inmesh: { coalesce: 'never' } });
    expect(all.mesh.stats().coalesce.items).toBe(0);
    await all.client.burst(['a', 'b']);
    expect(all.mesh.stats().coalesce.items).toBe(2);
  });

  test('an item that fails leaves its siblings alone (K4, K6)', async () => {
    await using all = await pair(door, {
      say: (call, callback) => {
        if (call.request.text === 'throws') throw new Error('out of the handler');
        if (call.request.text === 'fails') return callback({ code: 9, details: 'no' });
        callback(null, { text: call.request.text });
      },
    });
    const outcomes = await all.client.burst(['a', 'throws', 'unreadable', 'fails', 'b']);
    expect(outcomes.map(({ code, text }) => text ?? code)).toEqual(['a', 'UNKNOWN', 'INTERNAL', 'FAILED_PRECONDITION', 'b']);
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 5 });
    expect(all.mesh.stats().client.retries).toBe(0);
  });

  test('a slow item holds nobody: results come as they finish (K9)', async () => {
    const gate = new Gate();
    await using all = await pair(door, {
      say: async (call, callback) => {
        if (call.request.text === 'slow') await gate.opened;
        callback(null, { text: call.request.text });
      },
    });
    const slow = all.client.say('slow');
    const quick = all.client.burst(Array.from({ length: 63 }, (_, i) => `${i}`));
    expect((await quick).every(({ code }) => code === 'OK')).toBe(true);
    gate.open();
    expect((await slow).text).toBe('slow');
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 64 });
  });

  test('a server killed in the middle: answers that came are kept, the rest may have run and is not sent again (K17)', async () => {
    const came: string[] = [];
    await using all = await pair(door, {
      say: (call, callback) => {
        came.push(call.request.text);
        if (call.request.text === 'quick') callback(null, { text: 'quick' });
      },
    });
    const outcomes = ['quick', 'a', 'b'].map((text) => all.client.say(text));
    expect((await outcomes[0])?.code).toBe('OK');
    all.running.kill();
    for (const outcome of await Promise.all(outcomes.slice(1))) {
      expect(['UNAVAILABLE', 'CANCELLED']).toContain(outcome.code); // as grpc-js calls a reset
      expect(outcome.trailers).toMatchObject({ 'inmesh-ambiguous': ['1'] });
    }
    expect(came).toEqual(['quick', 'a', 'b']);
  });

  test('an interceptor of the server that throws for one item ends that one, and its error surfaces (K4)', async () => {
    let calls = 0;
    const throws: ServerInterceptor = (_definition, call) => {
      if (++calls === 3) throw new Error('of the interceptor');
      return new ServerInterceptingCall(call);
    };
    await using running = await serve({ server: new MeshServer({ interceptors: [throws] }) });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    const surfaced = nextUncaught();
    expect((await client.burst(['a', 'b', 'c'])).map(({ code, text }) => text ?? code)).toEqual(['say a', 'UNKNOWN', 'say c']);
    expect(await surfaced).toMatchObject({ message: 'of the interceptor' });
    expect(mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 3 });
  });

  test('an app that throws in its callback keeps nobody from its answer, and its error surfaces (K20)', async () => {
    await using all = await pair(door);
    const surfaced = nextUncaught();
    const before = all.client.say('a');
    all.client.stub.say({ text: 'thrower' }, new Metadata(), {}, () => {
      throw new Error('of the app');
    });
    const after = all.client.say('b');
    expect([(await before).text, (await after).text]).toEqual(['say a', 'say b']);
    expect(await surfaced).toMatchObject({ message: 'of the app' });
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 3 });
  });

  test('streams are left alone (K22)', async () => {
    await using all = await pair(door);
    const { stub } = all.client;
    const collected = new Promise<string | undefined>((resolve) => {
      const call = stub.collect(new Metadata(), {}, (_error, value) => resolve(value?.text));
      for (const text of ['a', 'b', 'c']) call.write({ text });
      call.end();
    });
    const count = stub.count({ text: 'n' }, new Metadata(), {}).toArray() as Promise<Message[]>;
    const chat = stub.chat(new Metadata(), {});
    const chatted = chat.toArray() as Promise<Message[]>;
    chat.write({ text: 'x' });
    chat.end({ text: 'y' });
    expect(await collected).toBe('a+b+c');
    expect((await count).map(({ text }) => text)).toEqual(['n 1', 'n 2', 'n 3']);
    expect((await chatted).map(({ text }) => text)).toEqual(['x', 'y']);
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 0, plain: { 'no-peer': 1, alone: 0 } });
  });

  test('the message is read when the call is made, whatever the app does to it then', async () => {
    await using all = await pair(door);
    const message = { text: 'before' };
    const answer = new Promise<string | undefined>((resolve) => {
      all.client.stub.say(message, new Metadata(), {}, (_error, value) => resolve(value?.text));
    });
    message.text = 'after';
    const other = all.client.say('other');
    expect(await answer).toBe('say before');
    expect((await other).code).toBe('OK');
    expect(all.mesh.stats().coalesce.items).toBe(2);
  });

  test('metadata belongs to the caller: its changes after the call reach nobody, and ours do not reach it', async () => {
    await using all = await pair(door, { say: (call, callback) => callback(null, { text: String(call.metadata.get('tenant')) }) });
    const metadata = metadataOf({ tenant: 'one' });
    const first = all.client.say('a', { metadata });
    metadata.set('tenant', 'two');
    const second = all.client.say('b', { metadata });
    expect([(await first).text, (await second).text]).toEqual(['one', 'two']);
    expect(metadata.getMap()).toEqual({ tenant: 'two' });
  });

  test("a call's peer is the endpoint", async () => {
    await using all = await pair(door);
    const calls: ClientUnaryCall[] = [];
    await Promise.all(['a', 'b'].map((text) => all.client.say(text, { onCall: (call) => calls.push(call) })));
    expect(calls.map((call) => call.getPeer())).toEqual([`127.0.0.1:${all.running.port}`, `127.0.0.1:${all.running.port}`]);
  });

  test('a client closed before its calls have left settles every one of them', async () => {
    await using all = await pair(door);
    const outcomes = ['a', 'b', 'c'].map((text) => all.client.say(text));
    all.client.stub.close();
    for (const { code } of await Promise.all(outcomes)) expect(['OK', 'UNAVAILABLE']).toContain(code);
  });

  test('mesh.close() waits for calls that are queued and out (K19)', async () => {
    await using all = await pair(door);
    const outcomes = all.client.burst(['a', 'b']);
    await all.mesh.close();
    expect((await outcomes).map(({ code }) => code)).toEqual(['OK', 'OK']);
    expect(await all.client.say('late').catch((error: Error) => error.message)).toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('batches leave no stream behind', async () => {
    await using all = await pair(door);
    let streams = 0;
    const opened = (): void => void streams++;
    const closed = (): void => void streams--;
    subscribe('http2.client.stream.start', opened);
    subscribe('http2.client.stream.close', closed);
    onTestFinished(() => {
      unsubscribe('http2.client.stream.start', opened);
      unsubscribe('http2.client.stream.close', closed);
    });
    for (let round = 0; round < 5; round++) await all.client.burst(['a', 'b']);
    await expect.poll(() => streams).toBe(0);
    expect(all.mesh.stats().coalesce.carriers).toBe(5);
  });
});
