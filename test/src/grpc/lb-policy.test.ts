import { type Client, experimental, Metadata, connectivityState as State, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { balanceOptions } from '../../../interceptors/balance.ts';
import type { Endpoints } from '../../../src/balance/endpoints.ts';
import { type AttemptContext, attemptContext } from '../../../src/grpc/client-call.ts';
import { attemptOf, newBook, PEAK_EWMA, PeakEwmaConfig, registerPeakEwma, withAttempt } from '../../../src/grpc/lb-policy.ts';
import { prepareChannelOptions } from '../../../src/grpc/service-config.ts';
import { clientOf, type Handler, type Replica, readyIn, say, slow, startReplica, until } from './replicas.ts';

const toClose: (() => void)[] = [];

afterEach(() => {
  for (const close of toClose.splice(0).reverse()) close();
});

async function replicasOf(...handlers: (Handler | undefined)[]): Promise<Replica[]> {
  const replicas = await Promise.all(handlers.map((handler) => startReplica(handler)));
  for (const replica of replicas) toClose.push(() => replica.stop());
  return replicas;
}

/** A balanced client whose endpoints are all ready, and its book. */
async function balanced(replicas: readonly Replica[]): Promise<{ client: Client; book: Endpoints }> {
  const book = newBook();
  const { options } = prepareChannelOptions({ 'grpc.initial_reconnect_backoff_ms': 100 }, book, 'peak_ewma');
  const client = clientOf(replicas, options);
  toClose.push(() => client.close());
  client.getChannel().getConnectivityState(true);
  await until(() => readyIn(book).length === replicas.length);
  return { client, book };
}

/** Metadata for one attempt, and its context. */
function attempt(part?: Partial<AttemptContext>): { metadata: Metadata; context: AttemptContext } {
  const metadata = new Metadata();
  const context = attemptContext(part);
  withAttempt(metadata, context);
  return { metadata, context };
}

function count(replica: Replica | undefined): number {
  return replica?.calls ?? 0;
}

describe('registration of the LB policy', () => {
  test('is idempotent and leaves the one alone that is there', () => {
    registerPeakEwma();
    registerPeakEwma();
    expect(experimental.isLoadBalancerNameRegistered(PEAK_EWMA)).toBe(true);
  });

  test('of a second copy of inmesh works through the policy of the first, with a book of its own', async () => {
    registerPeakEwma();
    vi.resetModules();
    const copy = await import('../../../src/grpc/service-config.ts');
    const { newBook: newBookOfCopy } = await import('../../../src/grpc/lb-policy.ts');
    expect(newBookOfCopy).not.toBe(newBook);
    const book = newBookOfCopy();
    const replicas = await replicasOf(undefined, undefined);
    expect(experimental.parseLoadBalancingConfig({ [PEAK_EWMA]: {} })).toBeInstanceOf(PeakEwmaConfig);
    const client = clientOf(replicas, copy.prepareChannelOptions({}, book, 'peak_ewma').options);
    toClose.push(() => client.close());
    expect(await say(client)).toBeUndefined();
    await until(() => readyIn(book).length === 2);
  });

  test('parses its options and refuses wrong ones', () => {
    registerPeakEwma();
    const config = experimental.parseLoadBalancingConfig({ [PEAK_EWMA]: { decayMs: 5_000 } });
    expect(config.toJsonObject()).toMatchObject({ [PEAK_EWMA]: { decayMs: 5_000, penalty: 10 } });
    expect(() => experimental.parseLoadBalancingConfig({ [PEAK_EWMA]: { decay: 5 } })).toThrow('decay');
  });
});

describe('context of an attempt', () => {
  test('survives clones of the metadata, keeps other options and never reaches the wire', () => {
    const metadata = new Metadata({ waitForReady: true });
    const context = attemptContext();
    withAttempt(metadata, context);
    const clone = metadata.clone();
    expect(attemptOf(clone)).toBe(context);
    expect(clone.getOptions().waitForReady).toBe(true);
    expect(Object.keys(clone.toHttp2Headers())).toEqual([]);
    expect(attemptOf(new Metadata())).toBeUndefined();
  });
});

describe('LB policy on real connections', () => {
  test('connects to every address and publishes them in the book of the channel', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const { book, client } = await balanced(replicas);
    expect(book.attached).toBe(true);
    expect(readyIn(book).sort()).toEqual(replicas.map((replica) => replica.address).sort());
    expect(client.getChannel().getConnectivityState(false)).toBe(State.READY);
  });

  test('spreads 300 calls made in one tick evenly over 3 replicas', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const { client } = await balanced(replicas);
    const results = await Promise.all(Array.from({ length: 300 }, () => say(client)));
    expect(results.filter(Boolean)).toEqual([]);
    for (const replica of replicas) expect(Math.abs(replica.calls - 100)).toBeLessThanOrEqual(5);
  });

  test('spreads calls that were queued on a cold channel over those that connect', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const client = clientOf(replicas, balanceOptions());
    toClose.push(() => client.close());
    expect((await Promise.all(Array.from({ length: 60 }, () => say(client)))).filter(Boolean)).toEqual([]);
  });

  test('O30: gives a replica that is 20 times slower under 10 % of the calls of the first 2 s', async () => {
    const replicas = await replicasOf(slow(80), slow(4), slow(4));
    const { client, book } = await balanced(replicas);
    const calls: Promise<void>[] = [];
    const startMs = performance.now();
    while (performance.now() - startMs < 2_000) {
      calls.push(
        say(client).then((error) => {
          expect(error).toBeUndefined();
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(calls);
    expect(count(replicas[0]) / calls.length).toBeLessThan(0.1);
    expect(book.endpoints.map((endpoint) => endpoint.inFlight)).toEqual([0, 0, 0]);
  });

  test('gives load back whatever becomes of a call: answered, failed, cancelled, late', async () => {
    const replicas = await replicasOf((_call, reply) => reply({ code: status.INTERNAL }), slow(30));
    const { client, book } = await balanced(replicas);
    const late = Array.from({ length: 20 }, () => say(client, undefined, 5));
    const done = Array.from({ length: 20 }, () => say(client));
    const same = (bytes: Buffer): Buffer => bytes;
    for (let i = 0; i < 20; i++) client.makeUnaryRequest('/inmesh.test.Replica/Say', same, same, Buffer.alloc(1), () => {}).cancel();
    await Promise.all([...late, ...done]);
    await until(() => book.endpoints.every((endpoint) => endpoint.inFlight === 0));
  });

  test('does not leak load when grpc-js fails a call for two authorization values', async () => {
    const { client, book } = await balanced(await replicasOf(undefined));
    const metadata = new Metadata();
    metadata.add('authorization', 'one');
    metadata.add('authorization', 'two');
    expect((await say(client, metadata))?.code).toBe(status.INTERNAL);
    expect(book.endpoints[0]?.inFlight).toBe(0);
  });

  test('sends nothing more to a replica that was killed, and uses it again when it is back', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const { client, book } = await balanced(replicas);
    const victim = replicas[1];
    if (victim === undefined) throw new Error('no replica');
    victim.stop();
    await until(() => !readyIn(book).includes(victim.address));
    const before = victim.calls;
    const results = await Promise.all(Array.from({ length: 100 }, () => say(client)));
    expect(results.filter(Boolean)).toEqual([]);
    expect(victim.calls).toBe(before);
    const again = await startReplica(undefined, victim.port);
    toClose.push(() => again.stop());
    await until(() => readyIn(book).includes(victim.address));
    for (let i = 0; i < 60; i++) await say(client);
    expect(again.calls).toBeGreaterThan(5);
  });

  test('keeps private statistics when its book is in use by another channel', async () => {
    const replicas = await replicasOf(undefined);
    const book = newBook();
    const { options } = prepareChannelOptions({}, book, 'peak_ewma');
    for (const client of [clientOf(replicas, options), clientOf(await replicasOf(undefined), options)]) {
      toClose.push(() => client.close());
      expect(await say(client)).toBeUndefined();
    }
    expect(readyIn(book)).toEqual([replicas[0]?.address]);
  });

  test('gives the book back when the channel is closed', async () => {
    const { client, book } = await balanced(await replicasOf(undefined));
    client.close();
    expect([book.attached, book.endpoints]).toEqual([false, []]);
  });
});

describe('attempts at the picker', () => {
  test('learn which endpoint was picked and that a stream was opened', async () => {
    const replicas = await replicasOf(undefined, undefined);
    const { client } = await balanced(replicas);
    const { metadata, context } = attempt();
    expect(await say(client, metadata)).toBeUndefined();
    expect(replicas.find((replica) => replica.calls === 1)?.address).toBe(context.picked);
    expect(context.started).toBe(true);
  });

  test('R43: avoid endpoints already tried while there is another', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const { client } = await balanced(replicas);
    const tried = new Set(replicas.slice(0, 2).map((replica) => replica.address));
    await Promise.all(Array.from({ length: 20 }, () => say(client, attempt({ avoid: tried }).metadata)));
    expect(replicas.map((replica) => replica.calls)).toEqual([0, 0, 20]);
    const all = new Set(replicas.map((replica) => replica.address));
    expect(await say(client, attempt({ avoid: all }).metadata)).toBeUndefined();
  });

  test('that are pinned go to that endpoint only', async () => {
    const replicas = await replicasOf(undefined, undefined, undefined);
    const { client } = await balanced(replicas);
    const pin = replicas[2]?.address;
    await Promise.all(Array.from({ length: 20 }, () => say(client, attempt({ pin }).metadata)));
    expect(replicas.map((replica) => replica.calls)).toEqual([0, 0, 20]);
  });

  test.each([false, true])(
    'that are pinned to an endpoint not ready are dropped, never queued (wait for ready: %s)',
    async (waitForReady) => {
      const { client } = await balanced(await replicasOf(undefined));
      const { metadata, context } = attempt({ pin: '127.0.0.1:1' });
      metadata.setOptions({ ...metadata.getOptions(), waitForReady });
      const error = await say(client, metadata);
      expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'inmesh: pinned endpoint 127.0.0.1:1 is not ready' });
      expect(error?.metadata.get('inmesh-reason')).toEqual(['client.balance/pin-not-ready']);
      expect([context.started, context.picked]).toEqual([false, '']);
    },
  );

  test('that are pinned are dropped while no endpoint at all is ready', async () => {
    const [replica] = await replicasOf(undefined);
    if (replica === undefined) throw new Error('no replica');
    const { client, book } = await balanced([replica]);
    replica.stop();
    await until(() => readyIn(book).length === 0);
    const error = await say(client, attempt({ pin: replica.address }).metadata);
    expect(error?.details).toBe(`inmesh: pinned endpoint ${replica.address} is not ready`);
  });

  test('are not counted when whoever pinned them counts items', async () => {
    const { client, book } = await balanced(await replicasOf(slow(20)));
    const endpoint = book.endpoints[0];
    const both = [say(client, attempt({ pin: endpoint?.address, counted: true }).metadata), say(client)];
    await until(() => (endpoint?.inFlight ?? 0) > 0);
    expect(endpoint?.inFlight).toBe(1);
    await Promise.all(both);
    expect(endpoint?.inFlight).toBe(0);
  });

  test('that stream do not teach a latency', async () => {
    const { client, book } = await balanced(await replicasOf(slow(20)));
    expect(await say(client, attempt({ streaming: true }).metadata)).toBeUndefined();
    expect(book.endpoints[0]).toMatchObject({ inFlight: 0 });
    expect(book.endpoints[0]?.latencyMs(0)).toBe(0);
  });

  test('know that nothing was sent when nothing listens', async () => {
    const [gone] = await replicasOf(undefined);
    if (gone === undefined) throw new Error('no replica');
    gone.stop();
    const client = clientOf([gone], balanceOptions());
    toClose.push(() => client.close());
    const { metadata, context } = attempt();
    const error = await say(client, metadata);
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(error?.details).toMatch(/^inmesh_peak_ewma: No connection established. Last error: .*ECONNREFUSED/);
    expect([context.started, context.picked]).toEqual([false, '']);
  });
});
