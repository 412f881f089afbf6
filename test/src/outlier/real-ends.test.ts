/** Ejection between real ends: what callers see of a replica that fails, is slow, or does not answer any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EndpointStats } from '../../../src/grpc/client-doors.ts';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { type Handler, type Replica, SAY, slow, startReplica } from '../grpc/replicas.ts';
import { untilEjected } from './until-ejected.ts';

const same = (bytes: Buffer): Buffer => bytes;

interface Fleet {
  readonly mesh: Mesh;
  readonly replicas: readonly Replica[];
  /** One call; its status code and how long it took. */
  call(timeoutMs?: number): Promise<{ readonly code: number; readonly ms: number }>;
  stats(replica: Replica | undefined): EndpointStats | undefined;
}

/** Replicas with these handlers behind one client. */
async function fleet(handlers: readonly (Handler | undefined)[], policy: Policy): Promise<Fleet> {
  const replicas = await Promise.all(handlers.map((handler) => startReplica(handler)));
  const mesh = createMesh(policy);
  const target = `ipv4:${replicas.map(({ address }) => address).join(',')}`;
  const client = new Client(target, credentials.createInsecure(), mesh.client());
  onTestFinished(async () => {
    client.close();
    await mesh.close(0);
    for (const replica of replicas) replica.stop();
  });
  const call: Fleet['call'] = (timeoutMs = 1_000) => {
    const startedMs = performance.now();
    return new Promise((resolve) => {
      const ended = (error: ServiceError | null): void => resolve({ code: error?.code ?? status.OK, ms: performance.now() - startedMs });
      client.makeUnaryRequest(SAY, same, same, Buffer.alloc(1), new Metadata(), { deadline: Date.now() + timeoutMs }, ended);
    });
  };
  const stats: Fleet['stats'] = (replica) => mesh.stats().endpoints[target]?.find(({ address }) => address === replica?.address);
  while (replicas.some((replica) => stats(replica)?.ready !== true)) await call();
  return { mesh, replicas, call, stats };
}

/** Calls at an even rate, whatever becomes of them. What a busy machine makes it miss it does not make up for: that would be a burst. */
async function run({ call }: Fleet, perSecond: number, forMs: number, timeoutMs?: number): Promise<{ code: number; ms: number }[]> {
  const calls: ReturnType<Fleet['call']>[] = [];
  const endMs = performance.now() + forMs;
  for (let nextMs = performance.now(); nextMs < endMs; nextMs = Math.max(nextMs + 1_000 / perSecond, performance.now())) {
    await sleep(nextMs - performance.now());
    calls.push(call(timeoutMs));
  }
  return Promise.all(calls);
}

const failures = (outcomes: readonly { code: number }[]): number => outcomes.filter(({ code }) => code !== status.OK).length;

/** A handler that can be made to fail. */
class Fickle {
  failsSinceMs: number | undefined;
  code: number = status.UNAVAILABLE;
  readonly handler: Handler = (_call, reply) => {
    if (this.#failing) this.failsSinceMs ??= performance.now();
    const error = this.#failing ? { code: this.code } : null;
    setTimeout(() => reply(error, Buffer.alloc(0)), 5);
  };
  #failing = false;
  fail(code: number = status.UNAVAILABLE): void {
    this.code = code;
    this.#failing = true;
  }
}

describe('a bad replica of five at 100 calls a second', () => {
  const INTERVAL_MS = 500;
  const once = { retryPolicy: { maxAttempts: 1 } };
  const good = slow(10);
  /** Any failure counts: our picker leaves a failing replica few calls to be judged by. */
  const a50: Policy['outlierDetection'] = {
    interval: '0.5s',
    consecutiveFailures: 0,
    failurePercentageEjection: { requestVolume: 1, threshold: 0 },
  };

  test('O27: gRFC A50 ejects it within the interval and 100 ms; callers see no more errors than its share of that', async () => {
    const bad = new Fickle();
    const group = await fleet([bad.handler, good, good, good, good], { defaults: once, outlierDetection: a50 });
    await run(group, 100, 300);
    bad.fail();
    const seen = untilEjected(() => group.stats(group.replicas[0])?.ejected === true);
    const outcomes = await run(group, 100, 1_200);
    const { atMs, stoodStillMs } = await seen;
    expect(atMs - (bad.failsSinceMs ?? 0)).toBeLessThanOrEqual(INTERVAL_MS + 100 + stoodStillMs);
    expect(failures(outcomes)).toBeLessThanOrEqual((100 / 5) * (INTERVAL_MS / 1_000));
    expect(failures(outcomes)).toBeGreaterThan(0);
  }, 20_000);

  test('O27: by default callers see as few errors without an interval, and with retry none', async () => {
    for (const [defaults, most] of [
      [once, (100 / 5) * (INTERVAL_MS / 1_000)],
      [{ idempotent: true }, 0],
    ] as const) {
      const bad = new Fickle();
      const group = await fleet([bad.handler, good, good, good, good], { defaults });
      await run(group, 100, 300);
      bad.fail();
      expect(failures(await run(group, 100, 1_000))).toBeLessThanOrEqual(most);
      expect(bad.failsSinceMs).toBeDefined();
    }
  }, 20_000);
});

describe('a replica of three', () => {
  test('O30: that is 20 times slower has under 10 % of the calls within 2 s, and is not ejected', async () => {
    const group = await fleet([slow(60), slow(3), slow(3)], {});
    const before = group.replicas.map(({ calls }) => calls);
    await run(group, 100, 2_000);
    const had = group.replicas.map(({ calls }, index) => calls - (before[index] ?? 0));
    expect((had[0] ?? 0) / had.reduce((sum, calls) => sum + calls, 0)).toBeLessThan(0.1);
    expect(group.stats(group.replicas[0])?.ejected).toBe(false);
  }, 20_000);

  test('X2: that stops answering is out within 1.2 s, costs 15 slow calls or fewer, and is back within 5 s', async () => {
    let stopped = false;
    let firstMs: number | undefined;
    const held: (() => void)[] = [];
    const stoppable: Handler = (_call, reply) => {
      const answer = (): void => reply(null, Buffer.alloc(0));
      if (!stopped) setTimeout(answer, 20);
      else {
        held.push(answer);
        firstMs ??= performance.now();
      }
    };
    const group = await fleet([stoppable, slow(20), slow(20)], { defaults: { retryPolicy: { maxAttempts: 1 } } });
    await run(group, 100, 600);
    stopped = true;
    const seen = untilEjected(() => group.stats(group.replicas[0])?.ejected === true);
    await run(group, 200, 2_000);
    const { atMs, stoodStillMs } = await seen;
    // Silence is measured by what is usual, and on a machine that stands still nothing is.
    expect(atMs - (firstMs ?? 0)).toBeLessThanOrEqual(1_200 + 5 * stoodStillMs);
    expect(held.length).toBeLessThanOrEqual(15);
    stopped = false;
    for (const answer of held) answer();
    const before = group.replicas[0]?.calls ?? 0;
    const healedMs = performance.now();
    const isBack = (): boolean => group.stats(group.replicas[0])?.ejected === false && (group.replicas[0]?.calls ?? 0) > before + 10;
    while (!isBack() && performance.now() - healedMs < 10_000) await run(group, 100, 100);
    expect(performance.now() - healedMs).toBeLessThan(5_000);
  }, 30_000);
});

describe('what counts against a replica', () => {
  async function ejections(code: number): Promise<number | undefined> {
    const fickle = new Fickle();
    const group = await fleet([fickle.handler], { defaults: { retryPolicy: { maxAttempts: 1 } } });
    fickle.fail(code);
    for (let i = 0; i < 10; i++) await group.call();
    return group.stats(group.replicas[0])?.ejections;
  }

  test.each([
    ["the app's INVALID_ARGUMENT", status.INVALID_ARGUMENT],
    ['a denied authorization', status.PERMISSION_DENIED],
    ['a cancellation', status.CANCELLED],
    ['load that it sheds', status.RESOURCE_EXHAUSTED],
  ])('O26: %s does not', async (_title, code) => {
    expect(await ejections(code)).toBe(0);
  });

  test.each([
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['INTERNAL', status.INTERNAL],
  ])('O26: %s does', async (_title, code) => {
    expect(await ejections(code)).toBeGreaterThan(0);
  });

  test('O26: a timeout does, and a cancellation of ours or a refusal of our bulkhead does not', async () => {
    const deaf: Handler = () => {};
    const group = await fleet([undefined, undefined], { defaults: { bulkhead: { slots: 50 }, retryPolicy: { maxAttempts: 1 } } });
    const refused = await Promise.all(Array.from({ length: 100 }, () => group.call()));
    expect(failures(refused)).toBe(50);
    expect(group.replicas.map((replica) => group.stats(replica)?.ejections)).toEqual([0, 0]);

    const silent = await fleet([deaf, undefined], { defaults: { retryPolicy: { maxAttempts: 1 } } }).catch(() => undefined);
    expect(silent).toBeDefined();
    if (silent === undefined) return;
    const ejected = (): number | undefined => silent.stats(silent.replicas[0])?.ejections;
    for (let i = 0; i < 200 && ejected() === 0; i++) await Promise.all(Array.from({ length: 6 }, () => silent.call(30)));
    expect(ejected()).toBeGreaterThan(0);
  }, 20_000);
});
