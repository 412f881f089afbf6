/**
 * Unary calls become calls of the service's own batch method, and nothing else about them changes: at all doors.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ChannelCredentials, InterceptingCall, type Interceptor, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { clientDoors, Gate, metadataOf } from '../support/loopback.ts';
import { LibraryClient, LibraryServer, library, type Mode, open, policyOf, RULES } from '../support/native.ts';
import { nextUncaught } from './pair.ts';

const REQUESTS: Readonly<Record<Mode, readonly object[]>> = {
  GetBook: [{ name: 'a' }, { name: '' }, { name: 'a' }, { name: 'é'.repeat(200) }],
  GetUser: [{ id: 1 }, { id: -5 }, { id: 3 }, { id: 0 }, { id: 1 }],
  GetEntity: [{ id: 1 }, { id: 3 }, { id: 2 ** 40 }, { id: 0 }, { id: -2 }],
  CreateRow: [{ row: { key: 'a', value: Buffer.from([1, 2, 0]) } }, { row: { key: 'bad b' } }, {}, { row: { key: 'missing' } }],
  Check: [{ text: 'a' }, { text: 'bad', level: 2 }, { text: 'code 1001' }, { text: 'code -3' }, {}, { level: 0 }],
  Price: [{ symbol: 'abc' }, { symbol: 'bad' }, { symbol: '' }, { symbol: 'code 77' }],
  Count: [{ id: 4 }, { id: 0 }, { id: 4_000_000_000 }],
};

describe.each(clientDoors)('at door %s', (door) => {
  test.each(Object.keys(RULES) as Mode[])(
    '%s: direct and merged calls have the same outcome, and the batch ran once (K1, K2, K5)',
    async (mode) => {
      await using all = await open(door, policyOf([mode]));
      using bare = new LibraryClient(all.server.port);
      const direct = await bare.burst(mode, REQUESTS[mode]);
      all.server.log.length = 0;
      const merged = await all.client.burst(mode, REQUESTS[mode]);
      for (const [i, { code, response, details }] of merged.entries()) {
        expect({ code, response }).toEqual({ code: direct[i]?.code, response: direct[i]?.response });
        if (mode !== 'GetUser' && mode !== 'GetEntity') expect(details).toBe(direct[i]?.details);
      }
      expect(all.mesh.stats().native).toMatchObject({ batches: 1, items: REQUESTS[mode].length });
      expect(all.server.log).toHaveLength(1);
    },
  );

  test('a lone call goes as it is', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    expect((await all.client.call('GetBook', { name: 'a' })).response).toMatchObject({ name: 'a' });
    expect(all.server.log).toEqual(['GetBook a']);
    expect(all.mesh.stats().native).toMatchObject({ batches: 0, plain: { alone: 1 } });
  });

  test('fields of the group are hoisted, and only calls that agree in them share a batch (K3)', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const mask = { paths: ['title', 'name'] };
    const one = all.client.burst('GetBook', [
      { name: 'a', parent: 'p', readMask: mask },
      { name: 'b', parent: 'p', readMask: mask },
    ]);
    const two = all.client.burst('GetBook', [
      { name: 'c', parent: 'q' },
      { name: 'd', parent: 'q' },
    ]);
    const three = all.client.burst('GetBook', [{ name: 'e' }, { name: 'f' }]);
    const titles = (await Promise.all([one, two, three])).flat().map(({ response }) => response?.['title']);
    expect(titles).toEqual([
      'a of p title,name',
      'b of p title,name',
      'c of q undefined',
      'd of q undefined',
      'e of  undefined',
      'f of  undefined',
    ]);
    expect(all.mesh.stats().native).toMatchObject({ batches: 3, items: 6 });
  });

  test('a call with a field that the batch has no place for goes alone, and keeps it (K22)', async () => {
    await using all = await open(
      door,
      policyOf(['GetBook', 'GetUser'], (rule) => ({ ...rule, groupBy: [] })),
    );
    await all.client.burst('GetBook', [{ name: 'a', verbose: true }, { name: 'b', parent: 'p' }, { name: 'c' }, { name: 'd' }]);
    expect(all.server.log.toSorted()).toEqual(['BatchGetBooks c,d', 'GetBook a', 'GetBook b']);
    // Unset is not the default value where the field says so.
    await all.client.burst('GetUser', [{ id: 1, view: '' }, { id: 2 }, { id: 4 }]);
    expect(all.mesh.stats().native).toMatchObject({ batches: 2, items: 4, plain: { field: 3 } });
  });

  test('tenants, and keys that the batch could carry for one only, split batches (K3, Q8)', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const calls = ['a', 'b'].flatMap((tenant) =>
      [1, 2].map((i) => all.client.call('GetBook', { name: `${tenant}${i}` }, { metadata: metadataOf({ authorization: tenant }) })),
    );
    const ids = ['x', 'x', 'y', 'y'].map((id, i) =>
      all.client.call('GetBook', { name: `${i}` }, { metadata: metadataOf({ 'x-request-id': id }) }),
    );
    await Promise.all([...calls, ...ids]);
    expect(all.server.log.toSorted()).toEqual(['BatchGetBooks 0,1', 'BatchGetBooks 2,3', 'BatchGetBooks a1,a2', 'BatchGetBooks b1,b2']);
    expect(all.server.metadata.map((metadata) => [metadata.get('authorization')[0], metadata.get('x-request-id')[0]]).toSorted()).toEqual(
      [
        ['a', undefined],
        ['b', undefined],
        [undefined, 'x'],
        [undefined, 'y'],
      ].toSorted(),
    );
  });

  test('calls that ask to go alone, or are not to be repeated, do', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }], { inmesh: { coalesce: 'never' } });
    await all.client.burst('GetBook', [{ name: 'c' }, { name: 'd' }], { inmesh: { idempotent: false } });
    expect(all.server.log.toSorted()).toEqual(['GetBook a', 'GetBook b', 'GetBook c', 'GetBook d']);
    expect(all.mesh.stats().native.plain.asked).toBe(4);
  });

  test('more calls than maxItems make more batches', async () => {
    await using all = await open(
      door,
      policyOf(['Count'], (rule) => ({ ...rule, maxItems: 4 })),
    );
    const outcomes = await all.client.burst(
      'Count',
      Array.from({ length: 10 }, (_, id) => ({ id })),
    );
    expect(outcomes.map(({ response }) => response?.['count'])).toEqual(Array.from({ length: 10 }, (_, id) => id * 1000));
    expect(all.mesh.stats().native).toMatchObject({ batches: 3, items: 10 });
  });

  test('each call ends at its own deadline and the others go on; one that is cancelled leaves at once (K7, K8)', async () => {
    const gate = new Gate();
    await using all = await open(door, policyOf(['GetBook']));
    let left: unknown;
    all.server.instead['BatchGetBooks'] = async (call: ServerUnaryCall<{ names: string[] }, object>, callback: sendUnaryData<object>) => {
      left = call.getDeadline();
      await gate.opened;
      callback(null, { books: call.request.names.map((name) => ({ name })) });
    };
    const hour = Date.now() + 3_600_000;
    const short = all.client.call('GetBook', { name: 'short' }, { deadline: Date.now() + 150 });
    const long = all.client.call('GetBook', { name: 'long' }, { deadline: hour });
    const cancelled = all.client.call(
      'GetBook',
      { name: 'cancelled' },
      {
        deadline: hour,
        onCall: (call) => setImmediate(() => setImmediate(() => call.cancel())),
      },
    );
    expect(await cancelled).toMatchObject({ code: 1 });
    const late = await short;
    expect(late.code).toBe(4);
    expect(late.trailers.get('inmesh-reason')).toEqual(['client.native/deadline']);
    expect(Number(left)).toBeGreaterThan(Date.now() + 3_000_000);
    gate.open();
    expect((await long).response).toMatchObject({ name: 'long' });
    expect(all.mesh.stats().client.active).toBe(0);
  });

  test('when the last call of a batch is cancelled, so is the batch (K7)', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const ended = new Gate();
    const came = new Gate();
    all.server.instead['BatchGetBooks'] = (call: ServerUnaryCall<object, object>) => {
      call.on('cancelled', () => ended.open());
      came.open();
    };
    const calls: { cancel(): void }[] = [];
    const outcomes = all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }], { onCall: (call) => calls.push(call) });
    await came.opened;
    for (const call of calls) call.cancel();
    expect((await outcomes).map(({ code }) => code)).toEqual([1, 1]);
    await ended.opened;
  });

  test('every callback runs in the context of its own call, also after a fallback (Q8)', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const store = new AsyncLocalStorage<string>();
    for (const names of [
      ['a', 'b', 'c'],
      ['d', 'bad', 'f'],
    ]) {
      const seen = await Promise.all(
        names.map((name) => store.run(name, () => all.client.call('GetBook', { name }).then(() => store.getStore()))),
      );
      expect(seen).toEqual(names);
    }
  });

  test('an app that throws in its callback keeps nobody from its answer (K20)', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const surfaced = nextUncaught();
    const stub = all.client.stub as unknown as { GetBook(request: object, callback: () => void): void };
    const before = all.client.call('GetBook', { name: 'a' });
    stub.GetBook({ name: 'thrower' }, () => {
      throw new Error('of the app');
    });
    const after = all.client.call('GetBook', { name: 'b' });
    expect([(await before).response?.['name'], (await after).response?.['name']]).toEqual(['a', 'b']);
    expect(await surfaced).toMatchObject({ message: 'of the app' });
    expect(all.mesh.stats().native).toMatchObject({ batches: 1, items: 3 });
  });

  test('a status with details in an item arrives as grpc-status-details-bin', async () => {
    await using all = await open(door, policyOf(['Check']));
    const any = { typeUrl: 'type.googleapis.com/x', value: Buffer.from([1, 2]) };
    all.server.tamper['BatchCheck'] = () => ({
      results: [{ status: { code: 9, message: 'no', details: [any] } }, { reply: { verdict: 'v' } }],
    });
    const [failed, fine] = await all.client.burst('Check', [{ text: 'a' }, { text: 'b' }]);
    expect(failed).toMatchObject({ code: 9, details: 'no' });
    expect(failed?.trailers.get('grpc-status-details-bin')[0]).toBeInstanceOf(Buffer);
    expect(fine?.response).toEqual({ verdict: 'v' });
  });

  test('the message is read when the call is made, whatever the app does to it then', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const message = { name: 'before' };
    const first = all.client.call('GetBook', message);
    message.name = 'after';
    const second = all.client.call('GetBook', { name: 'other' });
    expect((await first).response).toMatchObject({ name: 'before' });
    expect((await second).code).toBe(0);
  });

  test('headers and trailers of the batch come with every answer, as copies', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    all.server.instead['BatchGetBooks'] = (call: ServerUnaryCall<{ names: string[] }, object>, callback: sendUnaryData<object>) => {
      call.sendMetadata(metadataOf({ served: 'by one' }));
      callback(null, { books: call.request.names.map((name) => ({ name })) }, metadataOf({ cost: '2' }));
    };
    const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
    for (const { headers, trailers } of outcomes) {
      expect(headers?.get('served')).toEqual(['by one']);
      expect(trailers.get('cost')).toEqual(['2']);
      headers?.set('served', 'changed');
    }
  });
});

test('a channel of the mesh, for a library that takes one, merges too', async () => {
  await using server = await new LibraryServer().listen();
  const mesh = createMesh(policyOf(['GetBook']), { descriptors: library });
  const channel = mesh.channel(`localhost:${server.port}`, ChannelCredentials.createInsecure());
  using client = new LibraryClient(server.port, undefined, 'channel', [], { channelOverride: channel });
  await client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
  expect(server.log).toEqual(['BatchGetBooks a,b']);
});

describe('at the interceptor door', () => {
  test('the first call goes alone: it shows that nobody else stands below', async () => {
    await using server = await new LibraryServer().listen();
    const mesh = createMesh(policyOf(['GetBook']), { descriptors: library });
    using client = new LibraryClient(server.port, mesh, 'interceptors');
    await client.burst('GetBook', [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    expect(mesh.stats().native).toMatchObject({ batches: 1, items: 2, plain: { door: 1 } });
  });

  test('interceptors of others below ours see every call, for none is merged', async () => {
    const said: string[] = [];
    await using server = await new LibraryServer().listen();
    const mesh = createMesh(policyOf(['GetBook']), { descriptors: library, warn: (line) => said.push(line) });
    const seen: string[] = [];
    const other: Interceptor = (options, next) => {
      seen.push(options.method_definition.path);
      return new InterceptingCall(next(options));
    };
    using client = new LibraryClient(server.port, mesh, 'interceptors', [other]);
    for (const _ of [1, 2]) await client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
    expect(seen).toEqual(Array.from({ length: 4 }, () => '/library.v1.Library/GetBook'));
    expect(mesh.stats().native).toMatchObject({ batches: 0, plain: { door: 4 } });
    expect(said).toHaveLength(1);
  });
});
