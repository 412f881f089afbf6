/**
 * Retry between real ends: what only a wire, a handler or grpc-js itself can show.
 */
import { createServer, type Http2Server, constants as http2, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelOptions,
  experimental,
  InterceptingCall,
  type Interceptor,
  Metadata,
  Server,
  type ServiceError,
  connectivityState as State,
} from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { retryInterceptor } from '../../interceptors/index.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { coalesceIn, type Form, forms } from '../grpc/pair.ts';
import { clientDoors, doors, EchoClient, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

const marked: Policy = { defaults: { idempotent: true, retryPolicy: { initialBackoff: '0.002s' } } };
const away = { code: 14, details: 'not now' };
const PREVIOUS = 'grpc-previous-rpc-attempts';
const target = (...running: readonly { readonly port: number }[]): string =>
  `ipv4:${running.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

/** A handler that does something else at each attempt, by number from 0, and writes down the headers. */
function scripted(...script: readonly ((call: Parameters<Handlers['say']>[0], callback: Parameters<Handlers['say']>[1]) => void)[]) {
  const seen: (string | undefined)[] = [];
  const say: Handlers['say'] = (call, callback) => {
    const step = script[Math.min(seen.length, script.length - 1)];
    seen.push(call.metadata.get(PREVIOUS)[0] as string | undefined);
    step?.(call, callback);
  };
  return { seen, handlers: { say } };
}
const ok: Handlers['say'] = (call, callback) => callback(null, { text: `say ${call.request.text}` });
const silent: Handlers['say'] = () => {};
const fails =
  (code: number): Handlers['say'] =>
  (_call, callback) =>
    callback({ code, details: 'no' });

/** The replica that is asked next falls silent. */
const NEXT = 'next';

async function ready(mesh: Mesh, client: EchoClient, address: string): Promise<void> {
  while (mesh.stats().endpoints[address]?.every((endpoint) => endpoint.ready) !== true) await client.learn();
}

describe.for(clientDoors)('the limit of a try behind %s', (door) => {
  test('R23: a silent attempt is followed by ABORTED and OK; headers absent, 1, 2', async () => {
    const { seen, handlers } = scripted(silent, fails(10), ok);
    await using running = await serve({ handlers });
    const retryPolicy = { perTryTimeout: '0.1s', initialBackoff: '0.002s', retryableStatusCodes: ['ABORTED'] } as const;
    const mesh = createMesh({ defaults: { idempotent: true, retryPolicy } });
    using client = new EchoClient({ address: running.address, mesh, door });
    expect(await client.say('a', { deadline: Date.now() + 5000 })).toMatchObject({ code: 'OK', text: 'say a' });
    expect(seen).toEqual([undefined, '1', '2']);
    await mesh.close();
    expect(mesh.stats().client).toMatchObject({ active: 0, attempts: 3, retries: 2 });
    // The silent stream was reset within the budget for that.
    expect(mesh.stats().client.resets).toMatchObject({ granted: 1, left: 0 });
  });

  test('R24: both attempts silent: DEADLINE_EXCEEDED of the call, after its own time', async () => {
    const { seen, handlers } = scripted(silent);
    await using running = await serve({ handlers });
    const mesh = createMesh({ defaults: { idempotent: true, retryPolicy: { perTryTimeout: '0.05s', maxAttempts: 2 } } });
    using client = new EchoClient({ address: running.address, mesh, door });
    const startedMs = performance.now();
    expect((await client.say('a', { deadline: Date.now() + 300 })).code).toBe('DEADLINE_EXCEEDED');
    expect(performance.now() - startedMs).toBeGreaterThan(250);
    expect(seen).toEqual([undefined, '1']);
    await mesh.close(1000);
  });

  test('a client that is closed while a try is slow throws nothing at anybody; the call ends', async () => {
    const { seen, handlers } = scripted(silent);
    await using running = await serve({ handlers });
    const mesh = createMesh({ defaults: { idempotent: true, retryPolicy: { perTryTimeout: '0.2s' } } });
    const client = new EchoClient({ address: running.address, mesh, door });
    const outcome = client.say('a', { deadline: Date.now() + 600 });
    while (seen.length === 0) await sleep(5);
    client[Symbol.dispose]();
    expect(['UNAVAILABLE', 'DEADLINE_EXCEEDED']).toContain((await outcome).code);
    await mesh.close();
    expect(mesh.stats().client.active).toBe(0);
  });

  test('learned: a replica that falls silent costs each call a try and not its deadline', async () => {
    let stopped: string | undefined;
    const replica = (name: string): Promise<RunningServer> =>
      serve({
        handlers: {
          say: (call, callback) => {
            if (stopped === NEXT) stopped = name;
            if (stopped === name) return;
            setTimeout(() => ok(call, callback), 5);
          },
        },
      });
    await using a = await replica('a');
    await using b = await replica('b');
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: target(a, b), mesh, door });
    await ready(mesh, client, target(a, b));
    for (let i = 0; i < 30; i++) await client.burst(Array(8).fill('warm'));
    stopped = NEXT;
    const outcomes: { code: string; ms: number }[] = [];
    for (let i = 0; i < 10; i++) {
      const startedMs = performance.now();
      for (const { code } of await client.burst(Array(4).fill('a'), { deadline: Date.now() + 5000 }))
        outcomes.push({ code, ms: performance.now() - startedMs });
    }
    expect(outcomes.filter(({ code }) => code !== 'OK')).toEqual([]);
    expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(2500);
    expect(mesh.stats().client.retries).toBeGreaterThan(0);
    await mesh.close(1000);
  });
});

describe.for(forms)('items of batches in %s', (form: Form) => {
  test('the limit of a try is that of each item, and the joining item finds another replica', async () => {
    let stopped: string | undefined;
    const seen = new Map<string, number>();
    const replica = (name: string): Promise<RunningServer> =>
      serve({
        server: new MeshServer({ mesh: createMesh() }),
        handlers: {
          say: (call, callback) => {
            const { text } = call.request;
            seen.set(text, (seen.get(text) ?? 0) + 1);
            if (stopped === NEXT) stopped = name;
            if (stopped === name) return;
            ok(call, callback);
          },
        },
      });
    await using a = await replica('a');
    await using b = await replica('b');
    const mesh = createMesh({
      ...marked,
      defaults: { idempotent: true, retryPolicy: { perTryTimeout: '0.2s' } },
      coalesce: coalesceIn(form),
    });
    using client = new EchoClient({ address: target(a, b), mesh });
    await ready(mesh, client, target(a, b));
    for (let i = 0; i < 40; i++) await client.burst(Array(10).fill('warm'));
    stopped = NEXT;
    const bursts = Array.from({ length: 6 }, (_, n) => Array.from({ length: 10 }, (_, i) => `m${n}.${i}`));
    for (const texts of bursts) {
      const outcomes = await client.burst(texts, { deadline: Date.now() + 5000 });
      expect(outcomes.map(({ text }) => text)).toEqual(texts.map((text) => `say ${text}`));
    }
    expect(Math.max(...bursts.flat().map((text) => seen.get(text) ?? 0))).toBe(2);
    await mesh.close(1000);
  });
});

describe.for(doors)('retry between real ends behind %s', (door) => {
  test('R20: a cancel during the second attempt reaches its handler', async () => {
    let ended = 0;
    const { seen, handlers } = scripted(fails(14), (call) => void call.on('cancelled', () => ended++));
    await using running = await serve({ handlers });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    const { code } = await client.say('a', {
      onCall: (call) => {
        const wait = (): void => void (seen.length === 2 ? call.cancel() : setImmediate(wait));
        wait();
      },
    });
    expect(code).toBe('CANCELLED');
    await expect.poll(() => ended).toBe(1);
    expect(seen).toEqual([undefined, '1']);
    await mesh.close();
  });

  test('R30: the trace of grpc-go: ten tokens, 0.5 each back', async () => {
    const answers = new Set([0, 3, 6, 10, 11, 12, 13, 14, 16, 18]);
    let served = -1;
    const say: Handlers['say'] = (call, callback) => void (answers.has(++served) ? ok : fails(14))(call, callback);
    await using running = await serve({ handlers: { say } });
    const retryPolicy = { maxAttempts: 5, initialBackoff: '0.001s', maxBackoff: '0.002s' } as const;
    const mesh = createMesh({
      defaults: { idempotent: true, retryPolicy },
      retryBudget: { throttle: { maxTokens: 10, tokenRatio: 0.5 } },
    });
    using client = new EchoClient({ address: running.address, mesh, door });
    const trace: (string | number)[][] = [];
    for (let i = 0; i < 12; i++) trace.push([(await client.say('a')).code, served]);
    expect(trace).toEqual([
      ...[0, 3, 6].map((count) => ['OK', count]),
      ...[8, 9].map((count) => ['UNAVAILABLE', count]),
      ...[10, 11, 12, 13, 14, 16].map((count) => ['OK', count]),
      ['UNAVAILABLE', 17],
    ]);
    await mesh.close();
  });

  test('R31: a call that is throttled fails at once, not after a backoff', async () => {
    await using running = await serve({ handlers: { say: fails(14) } });
    const mesh = createMesh({
      defaults: { idempotent: true, retryPolicy: { initialBackoff: '5s', maxBackoff: '5s' } },
      retryBudget: { throttle: { maxTokens: 1, tokenRatio: 0.001 } },
    });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.say('a', { method: 'tell' });
    const startedMs = performance.now();
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    expect(performance.now() - startedMs).toBeLessThan(1000); // 5 ms on a machine that does nothing else
    await mesh.close();
  });

  test('R37: calls over MAX_CONCURRENT_STREAMS wait below us: all succeed without a header or an attempt of ours', async () => {
    const { seen, handlers } = scripted((call, callback) => void setTimeout(() => ok(call, callback), 5));
    await using running = await serve({ server: new Server({ 'grpc.max_concurrent_streams': 1 }), handlers });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, door });
    const outcomes = await client.burst(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(outcomes.map(({ code }) => code)).toEqual(Array(6).fill('OK'));
    expect(seen).toEqual(Array(6).fill(undefined));
    expect(mesh.stats().client).toMatchObject({ attempts: 6, retries: 0 });
    await mesh.close();
  });

  test('R42: a try that ended with DEADLINE_EXCEEDED is sent again only where policy names the code', async () => {
    for (const named of [false, true]) {
      const { seen, handlers } = scripted(fails(4), ok);
      await using running = await serve({ handlers });
      const retryPolicy = { initialBackoff: '0.002s', ...(named ? { retryableStatusCodes: ['DEADLINE_EXCEEDED'] as const } : {}) } as const;
      const mesh = createMesh({ defaults: { idempotent: true, retryPolicy } });
      using client = new EchoClient({ address: running.address, mesh, door });
      expect((await client.say('a')).code).toBe(named ? 'OK' : 'DEADLINE_EXCEEDED');
      expect(seen).toHaveLength(named ? 2 : 1);
      await mesh.close();
    }
  });

  test('headers, then UNAVAILABLE in the trailers of a unary call: sent again, and the app sees one answer', async () => {
    const { seen, handlers } = scripted((call, callback) => {
      const headers = new Metadata();
      headers.set('which', 'first');
      call.sendMetadata(headers);
      setTimeout(() => callback(away), 20);
    }, ok);
    await using running = await serve({ handlers });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    const { code, headers } = await client.say('a');
    expect({ code, headers }).toEqual({ code: 'OK', headers: {} });
    expect(seen).toEqual([undefined, '1']);
    await mesh.close();
  });

  test('retryOnResponse is given what the door has, and its word is kept', async () => {
    const { seen, handlers } = scripted((_call, callback) => callback(null, { text: 'stale' }), ok);
    await using running = await serve({ handlers });
    const given: unknown[] = [];
    const mesh = createMesh(marked, {
      retryOnResponse: (method, response) => {
        given.push(method, response);
        return seen.length === 1;
      },
    });
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await client.say('a')).text).toBe('say a');
    const shape = (text: string): unknown => (door === 'channel' ? Buffer.from(text) : { text });
    expect(given).toEqual(['/loop.Echo/Say', shape('stale'), '/loop.Echo/Say', shape('say a')]);
    await mesh.close();
  });

  test('adaptive throttling sheds calls here, says so, and lets them through again', async () => {
    let up = false;
    let served = 0;
    const say: Handlers['say'] = (call, callback) => {
      served++;
      (up ? ok : fails(14))(call, callback);
    };
    await using running = await serve({ handlers: { say } });
    const mesh = createMesh({ adaptiveThrottle: { window: '1s' } });
    using client = new EchoClient({ address: running.address, mesh, door });
    const outcomes = [];
    for (let i = 0; i < 200; i++) outcomes.push(await client.say('a'));
    expect(served).toBeLessThan(100);
    expect(outcomes.filter(({ trailers }) => trailers['inmesh-reason']?.[0] === 'client.throttle/shed')).toHaveLength(200 - served);
    expect(outcomes.every(({ code }) => code === 'UNAVAILABLE')).toBe(true);
    expect(mesh.stats().client.refused['client.throttle/shed']).toBe(200 - served);
    up = true;
    await sleep(1100);
    for (let i = 0; i < 50; i++) expect((await client.say('a')).code).toBe('OK');
    await mesh.close();
  });
});

describe('retry with what is below', () => {
  test('R15: a status that an inner interceptor rewrites is the one that decides', async () => {
    const { seen, handlers } = scripted(ok);
    await using running = await serve({ handlers });
    let rewritten = 0;
    const rewrite: Interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start: (metadata, _listener, forward) =>
          forward(metadata, {
            onReceiveStatus: (status, pass) => pass(rewritten++ === 0 ? { ...status, code: 14, details: 'rewritten' } : status),
          }),
      });
    const retry = retryInterceptor({ idempotentMethods: ['/loop.Echo/Say'], initialBackoffMs: 2 });
    using client = new EchoClient({ address: running.address, options: { interceptors: [retry, rewrite] } });
    expect(await client.say('a')).toMatchObject({ code: 'OK', text: 'say a' });
    expect(seen).toEqual([undefined, '1']);
  });

  /** A client whose picks all end in `result`, and how many there were. */
  async function picking(policy: Policy, result: 'drop' | 'fail'): Promise<number> {
    const name = `test_${result}_${Math.random().toString(36).slice(2)}`;
    let picks = 0;
    const status = { code: 14, details: result, metadata: new Metadata() };
    const { DROP, TRANSIENT_FAILURE } = experimental.PickResultType;
    class Balancer implements experimental.LoadBalancer {
      readonly #helper: experimental.ChannelControlHelper;
      constructor(helper: experimental.ChannelControlHelper) {
        this.#helper = helper;
      }
      updateAddressList(): boolean {
        const pick = (): experimental.PickResult => {
          picks++;
          const pickResultType = result === 'drop' ? DROP : TRANSIENT_FAILURE;
          return { pickResultType, subchannel: null, status, onCallStarted: null, onCallEnded: null };
        };
        this.#helper.updateState(result === 'drop' ? State.READY : State.TRANSIENT_FAILURE, { pick }, null);
        return true;
      }
      exitIdle(): void {}
      resetBackoff(): void {}
      destroy(): void {}
      getTypeName(): string {
        return name;
      }
    }
    class Config implements experimental.TypedLoadBalancingConfig {
      static createFromJson(): Config {
        return new Config();
      }
      getLoadBalancerName(): string {
        return name;
      }
      toJsonObject(): object {
        return { [name]: {} };
      }
    }
    experimental.registerLoadBalancerType(name, Balancer, Config);
    const mesh = createMesh(policy, { warn: () => {} });
    const options: ChannelOptions = { 'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [name]: {} }] }) };
    using client = new EchoClient({ address: '127.0.0.1:1', mesh, options });
    expect(await client.say('a')).toMatchObject({ code: 'UNAVAILABLE', details: result });
    await mesh.close();
    return picks;
  }

  test("R25: a call that the balancer drops is picked for once; of a marked method it is tried again (blocked: grpc-js's drop has no mark of its own)", async () => {
    expect(await picking({}, 'drop')).toBe(1);
    expect(await picking(marked, 'drop')).toBe(3);
  });

  test('R26: picks that fail are attempts: exactly two at maxAttempts 2', async () => {
    const retryPolicy = { initialBackoff: '0.002s', maxAttempts: 2 } as const;
    expect(await picking({ defaults: { idempotent: true, retryPolicy } }, 'fail')).toBe(2);
  });

  test('R25: what the only replica refuses for overload is not sent to it again', async () => {
    const walls = createMesh({ server: { bulkhead: { slots: 1 } } });
    let finish: (() => void) | undefined;
    const tell: Handlers['tell'] = (call, callback) => {
      finish = () => callback(null, call.request);
    };
    await using running = await serve({ server: new MeshServer({ mesh: walls }), handlers: { tell } });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    const holding = client.say('hold', { method: 'tell' });
    await expect.poll(() => finish).toBeDefined();
    expect(await client.say('a')).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(mesh.stats().client).toMatchObject({ retries: 0 });
    finish?.();
    await holding;
    await mesh.close();
    await walls.close();
  });
});

/** A server below gRPC: answers `say` unless `first` deals with the stream. */
async function rawServer(first: (stream: ServerHttp2Stream, number: number) => boolean): Promise<{ port: number; headers: unknown[] }> {
  const server: Http2Server = createServer();
  const headers: unknown[] = [];
  let streams = 0;
  server.on('stream', (stream, got) => {
    stream.on('error', () => {});
    headers.push(got[PREVIOUS]);
    if (first(stream, streams++)) return;
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from('ok')]));
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, headers };
}

describe('transparent retries, which grpc-js makes below us', () => {
  test('R35: a call that a GOAWAY leaves out is sent on the next connection: no header, no attempt, no token', async () => {
    const { port, headers } = await rawServer((stream, number) => {
      if (number !== 1) return false;
      stream.session?.goaway(http2.NGHTTP2_NO_ERROR, 1); // the first stream was the last that was looked at
      return true;
    });
    const mesh = createMesh({ retryBudget: { throttle: { maxTokens: 10, tokenRatio: 0.1 } } });
    using client = new EchoClient({ address: `127.0.0.1:${port}`, mesh });
    expect((await client.say('a')).code).toBe('OK');
    expect((await client.say('b', { deadline: Date.now() + 5000 })).code).toBe('OK');
    expect(headers).toEqual([undefined, undefined, undefined]);
    expect(mesh.stats()).toMatchObject({ client: { attempts: 2, retries: 0 }, budgets: { 'loop.Echo': 5 } });
    await mesh.close();
  });

  test('R36: a stream that the server refused unseen is sent again (ten times blocked: grpc-js does so once for each attempt)', async () => {
    const { port, headers } = await rawServer((stream, number) => {
      if (number !== 0) return false;
      stream.close(http2.NGHTTP2_REFUSED_STREAM);
      return true;
    });
    const mesh = createMesh({ retryBudget: { throttle: { maxTokens: 10, tokenRatio: 0.1 } } });
    using client = new EchoClient({ address: `127.0.0.1:${port}`, mesh });
    expect((await client.say('a', { deadline: Date.now() + 5000 })).code).toBe('OK');
    expect(headers).toEqual([undefined, undefined]);
    expect(mesh.stats()).toMatchObject({ client: { attempts: 1, retries: 0 }, budgets: { 'loop.Echo': 5 } });
    await mesh.close();
  });
});

describe('a chain of services', () => {
  test('B4: of three at 100 % failure the last one is asked at most 1.2^3 times as often, not 27 times', async () => {
    let asked = 0;
    await using last = await serve({
      handlers: {
        say: (_call, callback) => {
          asked++;
          callback(away);
        },
      },
    });
    const policy: Policy = { ...marked, retryBudget: { ratio: 0.2, minPerSecond: 0 } };
    const meshes: Mesh[] = [];
    const service = async (next: string): Promise<RunningServer> => {
      const mesh = createMesh(policy);
      meshes.push(mesh);
      const client = new EchoClient({ address: next, mesh });
      onTestFinished(() => client[Symbol.dispose]());
      const say: Handlers['say'] = (call, callback) => {
        client.stub.say(call.request, new Metadata(), {}, (error: ServiceError | null) => callback(error));
      };
      return serve({ server: new MeshServer({ mesh }), handlers: { say } });
    };
    await using middle = await service(last.address);
    await using front = await service(middle.address);
    const mesh = createMesh(policy);
    using client = new EchoClient({ address: front.address, mesh });
    const calls = 400;
    for (let i = 0; i < calls; i += 20) {
      const outcomes = await client.burst(Array(20).fill('a'));
      expect(outcomes.every(({ code }) => code === 'UNAVAILABLE')).toBe(true);
    }
    expect(asked).toBeLessThanOrEqual(calls * 1.2 ** 3 + 1);
    expect(asked).toBeGreaterThan(calls);
    // What is asked again is not asked again by those in between: each adds its own fifth at most to first attempts.
    expect(mesh.stats().client.attempts).toBeLessThanOrEqual(calls * 1.2 + 1);
    for (const each of [mesh, ...meshes]) await each.close();
  });
});
