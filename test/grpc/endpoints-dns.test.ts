import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { createMesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type Replica, SAY, startReplica, until } from '../src/grpc/replicas.ts';
import { NameServer } from './name-server.ts';

// grpc-js looks names up with getaddrinfo, which asks nobody's own server. Its other resolver differs only in that.
vi.hoisted(() => {
  process.env['GRPC_NODE_USE_ALTERNATIVE_RESOLVER'] = 'true';
});

const toClose: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

/** Ten times as fast as the real one. */
const fastClock: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * 10,
  setTimer: (fn, delayMs) => systemClock.setTimer(fn, delayMs / 10),
};
/** For intervals shorter than anybody would have outside a test. */
const QUICK = { 'grpc.dns_min_time_between_resolutions_ms': 50 };

/** Replicas at 127.0.0.1, 127.0.0.2 and so on, all on one port, and who tells their addresses. */
async function stage(count: number, policy: Policy = {}, clock: Clock = systemClock) {
  const first = await startReplica();
  const others = Array.from({ length: count - 1 }, (_, i) => startReplica(undefined, first.port, `127.0.0.${i + 2}`));
  const replicas = [first, ...(await Promise.all(others))];
  for (const replica of replicas) toClose.push(() => replica.stop());
  const names = await NameServer.start(['127.0.0.1']);
  toClose.push(() => names[Symbol.asyncDispose]());
  const mesh = createMesh({ defaults: { retryPolicy: { maxAttempts: 1 } }, ...policy }, { warn: () => {}, clock });
  const target = `dns://${names.authority}/replicas.test:${first.port}`;
  const client = new Client(target, credentials.createInsecure(), mesh.client(clock === systemClock ? {} : QUICK));
  toClose.push(() => mesh.close(0));
  return { replicas, names, mesh, client, target };
}

const same = (bytes: Buffer): Buffer => bytes;

function say(client: Client): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(SAY, same, same, Buffer.alloc(1), (error) => resolve(error ?? undefined));
  });
}

/** Calls every 10 ms; gives the errors when stopped. */
function load(client: Client): { stop(): Promise<ServiceError[]> } {
  const calls: Promise<ServiceError | undefined>[] = [];
  const timer = setInterval(() => calls.push(say(client)), 10);
  toClose.push(() => clearInterval(timer));
  return {
    async stop() {
      clearInterval(timer);
      return (await Promise.all(calls)).filter((error) => error !== undefined);
    },
  };
}

const calls = (replica: Replica | undefined): number => replica?.calls ?? 0;

describe('a name whose addresses change', () => {
  test('X10: a new address is used within two seconds, by default', async () => {
    const { replicas, names, client } = await stage(2);
    const running = load(client);
    await until(() => calls(replicas[0]) > 10);
    names.addresses = ['127.0.0.1', '127.0.0.2'];
    const changedMs = performance.now();
    await until(() => calls(replicas[1]) > 0);
    expect(performance.now() - changedMs).toBeLessThan(2_000);
    expect(await running.stop()).toEqual([]);
  });

  test('X10: replicas replaced on new addresses lose no call, though the old ones go soon after', async () => {
    const { replicas, names, client } = await stage(4);
    const running = load(client);
    names.addresses = ['127.0.0.1', '127.0.0.2'];
    await until(() => calls(replicas[1]) > 10);
    names.addresses = ['127.0.0.3', '127.0.0.4'];
    const changedMs = performance.now();
    await until(() => calls(replicas[2]) > 0 && calls(replicas[3]) > 0);
    expect(performance.now() - changedMs).toBeLessThan(2_000);
    for (const old of replicas.slice(0, 2)) old.server.tryShutdown(() => {});
    const before = replicas.slice(0, 2).map(calls);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(replicas.slice(0, 2).map(calls)).toEqual(before);
    expect(await running.stop()).toEqual([]);
  });

  test('X10: the last good addresses serve while the name server fails, and while the name is not there', async () => {
    const { replicas, names, client } = await stage(1, { endpoints: { refresh: '0.2s' } });
    const running = load(client);
    await until(() => calls(replicas[0]) > 0);
    names.failing = true;
    const asked = names.asked;
    await until(() => names.asked > asked + 1);
    names.failing = false;
    names.addresses = [];
    const later = names.asked;
    await until(() => names.asked > later + 1);
    expect(await running.stop()).toEqual([]);
  });

  test('is asked for only while there are calls', async () => {
    const { names, client } = await stage(1, { endpoints: { refresh: '2s' } }, fastClock);
    expect(await say(client)).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    const asked = names.asked;
    expect(asked).toBeGreaterThan(3);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(names.asked).toBe(asked);
    expect(await say(client)).toBeUndefined();
    await until(() => names.asked > asked);
  });

  test('is asked for only when a connection is lost with refresh: 0s, as by grpc-js alone', async () => {
    const { names, client } = await stage(1, { endpoints: { refresh: '0s' } });
    const running = load(client);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(names.asked).toBe(1);
    expect(await running.stop()).toEqual([]);
  });
});
