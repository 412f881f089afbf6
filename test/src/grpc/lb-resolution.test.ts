import { Client, credentials, experimental, status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoints } from '../../../src/balance/endpoints.ts';
import { newBook } from '../../../src/grpc/lb-policy.ts';
import { prepareChannelOptions } from '../../../src/grpc/service-config.ts';
import { type Handler, type Replica, readyIn, say, slow, startReplica, until } from './replicas.ts';

const toClose: (() => void)[] = [];

afterEach(() => {
  for (const close of toClose.splice(0).reverse()) close();
});

async function replicasOf(...handlers: (Handler | undefined)[]): Promise<Replica[]> {
  const replicas = await Promise.all(handlers.map((handler) => startReplica(handler)));
  for (const replica of replicas) toClose.push(() => replica.stop());
  return replicas;
}

/** A resolver whose answers the test pushes. */
class PushResolver implements experimental.Resolver {
  static latest: PushResolver | undefined;
  static asked = 0;
  readonly #listener: experimental.ResolverListener;

  constructor(_target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#listener = listener;
    PushResolver.latest = this;
  }
  updateResolution(): void {
    PushResolver.asked++;
  }
  push(replicas: readonly Replica[]): void {
    const endpoints = replicas.map((replica) => ({ addresses: [{ host: '127.0.0.1', port: replica.port }] }));
    this.#listener(experimental.statusOrFromValue(endpoints), {}, null, '');
  }
  fail(): void {
    this.#listener(experimental.statusOrFromError({ code: status.UNAVAILABLE, details: 'resolver is down' }), {}, null, '');
  }
  destroy(): void {}
  static getDefaultAuthority(): string {
    return 'push';
  }
}

describe('name resolution and the LB policy', () => {
  beforeAll(() => {
    experimental.registerResolver('inmesh-push', PushResolver);
  });

  async function pushed(replicas: readonly Replica[]): Promise<{ client: Client; book: Endpoints; resolver: PushResolver }> {
    const book = newBook();
    const { options } = prepareChannelOptions({}, book, 'peak_ewma');
    const client = new Client('inmesh-push:x', credentials.createInsecure(), options);
    toClose.push(() => client.close());
    client.getChannel().getConnectivityState(true);
    const resolver = PushResolver.latest;
    if (resolver === undefined) throw new Error('no resolver');
    resolver.push(replicas);
    await until(() => readyIn(book).length === replicas.length);
    return { client, book, resolver };
  }

  test('L2: keeps connections and statistics of addresses that come again', async () => {
    const [a, b, c] = await replicasOf(undefined, undefined, undefined);
    if (a === undefined || b === undefined || c === undefined) throw new Error('no replicas');
    const { client, book, resolver } = await pushed([a, b]);
    await Promise.all(Array.from({ length: 20 }, () => say(client)));
    const before = book.find(a.address);
    resolver.push([c, a, a]);
    expect(book.find(a.address)).toBe(before);
    expect(before?.ready).toBe(true);
    expect(before?.latencyMs(performance.now())).toBeGreaterThan(0);
    await until(() => readyIn(book).length === 2);
    b.calls = 0;
    expect((await Promise.all(Array.from({ length: 40 }, () => say(client)))).filter(Boolean)).toEqual([]);
    expect(b.calls).toBe(0);
    expect(c.calls).toBeGreaterThan(0);
  });

  test('lets calls in flight on an address that goes away end well', async () => {
    const [a, b] = await replicasOf(slow(50), undefined);
    if (a === undefined || b === undefined) throw new Error('no replicas');
    const { client, book, resolver } = await pushed([a]);
    const call = say(client);
    await until(() => a.calls === 1);
    const endpoint = book.find(a.address);
    resolver.push([b]);
    expect(await call).toBeUndefined();
    expect(endpoint?.inFlight).toBe(0);
  });

  test('keeps the last good addresses when the resolver fails', async () => {
    const [a] = await replicasOf(undefined);
    if (a === undefined) throw new Error('no replica');
    const { client, book, resolver } = await pushed([a]);
    resolver.fail();
    expect(readyIn(book)).toEqual([a.address]);
    expect(await say(client)).toBeUndefined();
  });

  test('fails calls with the reason of the resolver when there never was an address', async () => {
    const { client, resolver } = await pushed([]);
    resolver.fail();
    expect((await say(client))?.details).toContain('resolver is down');
  });

  test('L9: fails calls when the list is empty from the start, and recovers', async () => {
    const [a] = await replicasOf(undefined);
    if (a === undefined) throw new Error('no replica');
    const { client, book, resolver } = await pushed([]);
    expect((await say(client))?.details).toContain('No addresses resolved');
    resolver.push([a]);
    await until(() => readyIn(book).length === 1);
    expect(await say(client)).toBeUndefined();
  });

  test('L9 X10: keeps the last good addresses when the list becomes empty', async () => {
    const [a] = await replicasOf(undefined);
    if (a === undefined) throw new Error('no replica');
    const { client, book, resolver } = await pushed([a]);
    resolver.push([]);
    expect(readyIn(book)).toEqual([a.address]);
    expect(await say(client)).toBeUndefined();
  });

  test('X10: serves from the old addresses as long as all new ones are bad', async () => {
    const [a, gone] = await replicasOf(undefined, undefined);
    if (a === undefined || gone === undefined) throw new Error('no replicas');
    gone.stop();
    const { client, resolver } = await pushed([a]);
    resolver.push([gone]);
    for (let i = 0; i < 20; i++) {
      expect(await say(client)).toBeUndefined();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(a.calls).toBe(20);
  });

  test('is asked again and again while there are calls', async () => {
    const { client } = await pushed(await replicasOf(undefined));
    const asked = PushResolver.asked;
    const startMs = performance.now();
    while (PushResolver.asked === asked) {
      expect(await say(client)).toBeUndefined();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test('is asked again when a connection is lost', async () => {
    const [a, b] = await replicasOf(undefined, undefined);
    if (a === undefined || b === undefined) throw new Error('no replicas');
    const { book } = await pushed([a, b]);
    const asked = PushResolver.asked;
    a.stop();
    await until(() => readyIn(book).length === 1);
    await until(() => PushResolver.asked > asked);
  });
});
