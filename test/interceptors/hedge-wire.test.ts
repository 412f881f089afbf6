/**
 * Hedging between real ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientUnaryCall, Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { hedgeClient } from '../../interceptors/hedge.ts';
import { balanceOptions } from '../../interceptors/index.ts';
import { placed } from '../../interceptors/pipeline.ts';
import { hedgeInterceptor } from '../../interceptors/standalone/hedge.ts';
import { systemClock } from '../../src/clock.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { resolveHedgeOptions } from '../../src/hedge/options.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { PREVIOUS_ATTEMPTS } from '../../src/observe/names.ts';
import type { HedgingPolicy, Policy } from '../../src/policy/policy.gen.ts';
import { seededRandom } from '../../src/random.ts';
import { RetryBudgets } from '../../src/retry/budgets.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import { startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { clientDoors, EchoClient, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

vi.setConfig({ testTimeout: 30_000 });

const PREVIOUS = 'grpc-previous-rpc-attempts';
const SAY = 'loop.Echo/Say';
const AMPLE = { ratio: 10, minPerSecond: 1000 };
const hedging = (hedgingPolicy: HedgingPolicy, more: Policy = {}): Policy => ({
  retryBudget: AMPLE,
  methods: { [SAY]: { idempotent: true, hedgingPolicy } },
  ...more,
});
const target = (servers: readonly RunningServer[]): string => `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

/** What servers saw of calls to `say`. */
class Replicas implements AsyncDisposable {
  servers: RunningServer[] = [];
  /** `text` of each attempt, with its replica and its number. */
  readonly seen: { readonly text: string; readonly replica: number; readonly attempt: number }[] = [];
  /** Handlers that have not answered and not heard of a cancellation. */
  open = 0;
  cancelled = 0;

  static async start(count: number, answerMs: (replica: number, attempt: number, text: string) => number): Promise<Replicas> {
    const replicas = new Replicas();
    for (let replica = 0; replica < count; replica++) {
      const say: Handlers['say'] = (call, callback) => {
        const { text } = call.request;
        const attempt = Number(call.metadata.get(PREVIOUS)[0] ?? 0);
        replicas.seen.push({ text, replica, attempt });
        replicas.open++;
        let done = false;
        const end = (): boolean => {
          if (done) return false;
          done = true;
          replicas.open--;
          return true;
        };
        call.on('cancelled', () => {
          if (end()) replicas.cancelled++;
        });
        const trailers = new Metadata();
        trailers.set('from', String(replica));
        const afterMs = answerMs(replica, attempt, text);
        trailers.set('after', String(afterMs));
        setTimeout(() => {
          if (end()) callback(null, { text: `from ${replica}` }, trailers);
        }, afterMs);
      };
      replicas.servers.push(await serve({ handlers: { say } }));
    }
    return replicas;
  }
  get target(): string {
    return target(this.servers);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) server.kill();
  }
}

/** Waits until it is so, at most two seconds. */
async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 2000; !isSo() && Date.now() < endMs; ) await sleep(5);
}

/** Waits until the client is connected to all of them: with one alone a hedge would go where the original went. */
async function connected(client: EchoClient, mesh: Mesh): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.stub.waitForReady(Date.now() + 5000, (error) => (error === undefined ? resolve() : reject(error)));
  });
  await until(() => Object.values(mesh.stats().endpoints).every((endpoints) => endpoints.every(({ ready }) => ready)));
}

describe.for(clientDoors)('hedging over the wire behind %s', (door) => {
  test('H3: a silent replica costs the delay, not the deadline, and every answer is given once', async () => {
    await using replicas = await Replicas.start(3, (replica) => (replica === 0 ? 60_000 : 1));
    const mesh = createMesh(hedging({ hedgingDelay: '0.02s' }));
    using client = new EchoClient({ address: replicas.target, mesh, door });
    await connected(client, mesh);
    for (let i = 0; i < 30; i++) {
      const startMs = performance.now();
      const outcome = await client.say(`call ${i}`, { deadline: Date.now() + 10_000 });
      expect(outcome.code).toBe('OK');
      expect(outcome.text).not.toBe('from 0');
      expect(performance.now() - startMs).toBeLessThan(2000);
    }
    expect(mesh.stats().client.hedges).toBeGreaterThan(0);
    expect(mesh.stats().client).toMatchObject({ calls: 30, failed: 0 });
    await mesh.close();
  });

  test('H13: a cancel leaves no stream open at any server', async () => {
    await using replicas = await Replicas.start(3, () => 60_000);
    const mesh = createMesh(hedging({ maxAttempts: 3, hedgingDelay: '0.01s' }));
    using client = new EchoClient({ address: replicas.target, mesh, door });
    let call: ClientUnaryCall | undefined;
    const outcome = client.say('one', {
      onCall: (made) => {
        call = made;
      },
    });
    await until(() => replicas.open === 3);
    expect(replicas.open).toBe(3);
    call?.cancel();
    expect(await outcome).toMatchObject({ code: 'CANCELLED' });
    await until(() => replicas.open === 0);
    expect(replicas).toMatchObject({ open: 0, cancelled: 3 });
    await mesh.close();
  });

  test('H12: at the deadline all attempts end, and the call with DEADLINE_EXCEEDED', async () => {
    await using replicas = await Replicas.start(2, () => 60_000);
    const mesh = createMesh(hedging({ hedgingDelay: '0.01s' }));
    using client = new EchoClient({ address: replicas.target, mesh, door });
    await connected(client, mesh);
    const outcome = await client.say('one', { deadline: Date.now() + 200 });
    expect(outcome.code).toBe('DEADLINE_EXCEEDED');
    await until(() => replicas.open === 0);
    expect(replicas.open).toBe(0);
    expect(replicas.seen.length).toBeLessThanOrEqual(2);
    await mesh.close();
  });

  test.for(['0s', '0.01s'] as const)('H14: attempts %s apart go to different replicas', async (hedgingDelay) => {
    await using replicas = await Replicas.start(3, () => 300);
    const mesh = createMesh(hedging({ maxAttempts: 3, hedgingDelay }));
    using client = new EchoClient({ address: replicas.target, mesh, door });
    await connected(client, mesh);
    await Promise.all(Array.from({ length: 20 }, (_, i) => client.say(`call ${i}`)));
    for (let i = 0; i < 20; i++) {
      const attempts = replicas.seen.filter(({ text }) => text === `call ${i}`);
      expect(attempts).toHaveLength(3);
      expect(new Set(attempts.map(({ replica }) => replica)).size).toBe(3);
    }
    await mesh.close();
  });

  test('H14: with a batch on its way a hedge goes by itself, to another replica', async () => {
    await using replicas = await Replicas.start(2, (_, attempt) => (attempt === 0 ? 100 : 1));
    const mesh = createMesh(hedging({ hedgingDelay: '0.02s' }, { coalesce: 'auto' }));
    using client = new EchoClient({ address: replicas.target, mesh, door });
    await connected(client, mesh);
    await client.learn();
    const outcomes = await client.burst(Array.from({ length: 20 }, (_, i) => `call ${i}`));
    expect(outcomes.map(({ code }) => code)).toEqual(Array(20).fill('OK'));
    for (let i = 0; i < 20; i++) {
      const [first, second] = replicas.seen.filter(({ text }) => text === `call ${i}`);
      expect(second?.replica).not.toBe(first?.replica);
    }
    await mesh.close();
  });
});

test('H18: a mesh that closes takes losers along that were left to finish', async () => {
  await using replicas = await Replicas.start(2, (_, attempt) => (attempt === 0 ? 60_000 : 1));
  const mesh = createMesh(hedging({ hedgingDelay: '0.02s' }));
  const client = new EchoClient({ address: replicas.target, mesh });
  await connected(client, mesh);
  expect((await client.say('one')).code).toBe('OK');
  expect(replicas.open).toBe(1);
  const startMs = performance.now();
  await mesh.close();
  await until(() => replicas.open === 0);
  expect(replicas.open).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(900);
});

describe('hedging of streams over the wire', () => {
  test('H15: the first replica to give a message has the stream', async () => {
    const count =
      (waitMs: number): Handlers['count'] =>
      (call) => {
        setTimeout(() => {
          for (let i = 1; i <= 3; i++) call.write({ text: `${waitMs} ${i}` });
          call.end();
        }, waitMs);
      };
    await using slow = await serve({ handlers: { count: count(2000) } });
    await using quick = await serve({ handlers: { count: count(1) } });
    const mesh = createMesh({ retryBudget: AMPLE, defaults: { idempotent: true, hedgingPolicy: { hedgingDelay: '0.01s' } } });
    using client = new EchoClient({ address: target([slow, quick]), mesh });
    await connected(client, mesh);
    for (let i = 0; i < 10; i++) {
      const heard: string[] = [];
      for await (const message of client.stub.count({ text: 'x' }, new Metadata(), {})) heard.push((message as { text: string }).text);
      expect(heard).toEqual(['1 1', '1 2', '1 3']);
    }
    expect(mesh.stats().client.hedges).toBeGreaterThan(0);
    await mesh.close();
  });

  test('H15: what a client stream has sent is played to the hedge, whole and in order', async () => {
    const silent: Handlers['collect'] = (call) => void call.on('data', () => {});
    await using slow = await serve({ handlers: { collect: silent } });
    await using quick = await serve();
    const mesh = createMesh({ retryBudget: AMPLE, defaults: { idempotent: true, hedgingPolicy: { hedgingDelay: '0.03s' } } });
    using client = new EchoClient({ address: target([slow, quick]), mesh });
    await connected(client, mesh);
    const send = async (): Promise<string | undefined> => {
      const answer = Promise.withResolvers<string | undefined>();
      const call = client.stub.collect(new Metadata(), {}, (_, value) => answer.resolve(value?.text));
      for (let i = 0; i < 10; i++) {
        call.write({ text: String(i) });
        await sleep(10);
      }
      call.end();
      return answer.promise;
    };
    const answers = await Promise.all(Array.from({ length: 10 }, send));
    expect(answers).toEqual(Array(10).fill('0+1+2+3+4+5+6+7+8+9'));
    await mesh.close();
  });
});

describe('hedging and its spans', () => {
  afterEach(stopTelemetry);

  test("H20: each attempt has a span with its outcome; the call's peer, trailers and outcome are the winner's", async () => {
    const { spans } = startTraces();
    await using replicas = await Replicas.start(2, (_, attempt) => (attempt === 0 ? 150 : 1));
    const mesh = createMesh(hedging({ hedgingDelay: '0.02s' }));
    using client = new EchoClient({ address: replicas.target, mesh });
    await connected(client, mesh);
    await client.learn();
    replicas.seen.length = 0;
    let peer = '';
    const outcome = await client.say('one', { onCall: (call) => call.on('status', () => (peer = call.getPeer())) });
    const winner = replicas.seen.find(({ attempt }) => attempt === 1)?.replica ?? -1;
    expect(outcome).toMatchObject({ code: 'OK', text: `from ${winner}`, trailers: { from: [String(winner)], after: ['1'] } });
    expect(peer).toBe(`127.0.0.1:${replicas.servers[winner]?.port}`);
    const attempts = () => spans().filter(({ name }) => name === `Attempt.${SAY}`);
    await until(() => attempts().length === 4); // the call before was hedged as well
    const ends = attempts().map(({ attributes }) => `${attributes[PREVIOUS_ATTEMPTS]} ${attributes['rpc.status_code']}`);
    expect(ends.sort()).toEqual(['0 OK', '0 OK', '1 OK', '1 OK']);
    const call = spans().findLast(({ name }) => name === SAY);
    expect(call?.attributes).toMatchObject({ 'rpc.status_code': 'OK', 'network.peer.port': replicas.servers[winner]?.port });
    await mesh.close();
  });
});

describe('a long tail over the wire', () => {
  const CALLERS = 24;
  const CALLS = 1200;
  const SLOW_MS = 800;

  /** Pauses of this process: each one hedges every call that is out, for the servers are in here too. */
  async function pausesDuring(run: () => Promise<unknown>): Promise<number> {
    let pauses = 0;
    let seenMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - seenMs > 20) pauses++;
      seenMs = nowMs;
    }, 5);
    await run();
    clearInterval(timer);
    return pauses;
  }

  test('H17: of originals that are forty times slower a fifth at most is waited for, for 6 % more attempts', async () => {
    const random = seededRandom(5);
    let slowOriginals = 0;
    // Few take as long as the p95, so that it is not this machine's moods which decide how many are hedged.
    const answerMs = (_: number, attempt: number): number => {
      const draw = random();
      if (draw >= 0.01) return draw < 0.06 ? 30 + 100 * random() : 20;
      if (attempt === 0) slowOriginals++;
      return SLOW_MS;
    };
    await using replicas = await Replicas.start(3, answerMs);
    const mesh = createMesh({ methods: { [SAY]: { idempotent: true, hedgingPolicy: { percentile: 0.95 } } } });
    using client = new EchoClient({ address: replicas.target, mesh });
    await connected(client, mesh);
    let waitedFor = 0;
    let left = CALLS;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        // Until the delay is learned there are no hedges.
        const learned = left < CALLS - 150;
        if (!learned) slowOriginals = 0;
        const { code, trailers } = await client.say('x');
        expect(code).toBe('OK');
        if (learned && trailers['after']?.[0] === String(SLOW_MS)) waitedFor++;
      }
    };
    const pauses = await pausesDuring(() => Promise.all(Array.from({ length: CALLERS }, caller)));
    const { hedges } = mesh.stats().client;
    expect(slowOriginals).toBeGreaterThan(3);
    expect(waitedFor).toBeLessThanOrEqual(slowOriginals / 5);
    expect(hedges).toBeGreaterThan(0);
    // So few calls scatter by as much as three standard deviations; the simulation (tail.test.ts) has enough of them.
    expect(hedges).toBeLessThanOrEqual(0.06 * CALLS + 3 * Math.sqrt(0.05 * CALLS) + pauses * CALLERS);
    await mesh.close();
  });
});

/** Losers of one connection as fast as they go, 100 at a time, until a call fails: each original answers, its hedge is held. */
async function lose(client: EchoClient, losers: number): Promise<readonly string[]> {
  const failed: string[] = [];
  for (let lost = 0; lost < losers && failed.length === 0; lost += 100) {
    const hedged = client.burst(Array<string>(100).fill('hedged'));
    const innocent = client.burst(Array<string>(10).fill('innocent'), { method: 'tell' });
    const codes = [...(await hedged), ...(await innocent)].map(({ code }) => code);
    failed.push(...codes.filter((code) => code !== 'OK'));
  }
  return failed;
}
const slowHedges = (_: number, attempt: number): number => (attempt === 0 ? 20 : 400);

describe('losers and the guard against rapid resets (M5)', () => {
  test('H18: losers on one connection: no call of anybody fails, and resets stay within 500 and 16 a second', async () => {
    await using replicas = await Replicas.start(1, slowHedges);
    const mesh = createMesh(hedging({ hedgingDelay: '0s' }));
    using client = new EchoClient({ address: replicas.target, mesh });
    await client.learn();
    const startMs = performance.now();
    expect(await lose(client, 1600)).toEqual([]);
    const { hedges, resets } = mesh.stats().client;
    expect(hedges).toBeGreaterThanOrEqual(1600);
    expect(resets.withheld).toBeGreaterThan(0);
    expect(resets.granted).toBeLessThanOrEqual(500 + (16 * (performance.now() - startMs)) / 1000 + 1);
    expect(replicas.cancelled).toBeLessThanOrEqual(resets.granted);
    await until(() => replicas.open === 0);
    expect(replicas.open).toBe(0);
    await mesh.close();
  });

  test('H18: the same with hedgeInterceptor alone, on a client of its own', async () => {
    await using replicas = await Replicas.start(1, slowHedges);
    const interceptors = [hedgeInterceptor({ methods: [`/${SAY}`], delayMs: 0, budget: AMPLE })];
    using client = new EchoClient({ address: replicas.target, options: { ...balanceOptions(), interceptors } });
    await client.learn();
    const startMs = performance.now();
    expect(await lose(client, 700)).toEqual([]);
    await until(() => replicas.open === 0);
    expect(replicas.cancelled).toBeGreaterThan(0);
    expect(replicas.cancelled).toBeLessThanOrEqual(500 + (16 * (performance.now() - startMs)) / 1000 + 1);
  });

  test('H18: without the reset budget calls fail (the trap is real)', async () => {
    await using replicas = await Replicas.start(1, slowHedges);
    const hook = hedgeClient({
      clock: systemClock,
      rules: () => ({ hedge: resolveHedgeOptions({ delayMs: 0 }, 'hedge'), idempotent: true, retry: { chainStop: true } }),
      budgets: new RetryBudgets(AMPLE, systemClock),
      latencies: new MethodLatencies(systemClock),
    });
    const unbounded = asInterceptor(
      placed('retry', (info, next) => (info.method === `/${SAY}` ? hook(info, next) : undefined) ?? next(info)),
    );
    using client = new EchoClient({ address: replicas.target, options: { interceptors: [unbounded] } });
    await client.learn();
    expect((await lose(client, 4000)).length).toBeGreaterThan(0);
  });
});
