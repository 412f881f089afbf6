import { Metadata, Server } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { balanceOptions, retryInterceptor } from '../../interceptors/index.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { doors, EchoClient, Gate, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

const marked: Policy = { defaults: { idempotent: true, retryPolicy: { initialBackoff: '0.002s' } } };
const away = { code: 14, details: 'not now' };

/** Counts the calls that a server is given, and answers them by `answer`. */
function counting(answer: (attempt: number, metadata: Metadata) => { code: number; metadata?: Metadata } | null) {
  const seen = { calls: 0 };
  const handlers: Partial<Handlers> = {
    say: (call, callback) => {
      seen.calls++;
      const error = answer(seen.calls, call.metadata);
      callback(error, error === null ? { text: `after ${seen.calls}` } : null);
    },
  };
  return { seen, handlers };
}
const target = (...running: readonly RunningServer[]): string => `ipv4:${running.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

describe.for(doors)('retry over the wire behind %s', (door) => {
  test('R1, R5: attempts stop at success and at maxAttempts', async () => {
    const { seen, handlers } = counting((attempt) => (attempt === 2 ? null : away));
    await using running = await serve({ handlers });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await client.say('a')).text).toBe('after 2');
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    expect(seen.calls).toBe(2 + 3);
    await mesh.close();
  });

  test.for([
    ['R27', '-1'],
    ['R28', 'xxx'],
  ])('%s: a pushback of %s stops it', async ([, pushback = '']) => {
    const metadata = new Metadata();
    metadata.set('grpc-retry-pushback-ms', pushback);
    const { seen, handlers } = counting(() => ({ ...away, metadata }));
    await using running = await serve({ handlers });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    expect(seen.calls).toBe(1);
    await mesh.close();
  });

  test('R29: two pushback values stop it', async () => {
    const metadata = new Metadata();
    metadata.add('grpc-retry-pushback-ms', '1');
    metadata.add('grpc-retry-pushback-ms', '1');
    const { seen, handlers } = counting(() => ({ ...away, metadata }));
    await using running = await serve({ handlers });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.say('a');
    expect(seen.calls).toBe(1);
    await mesh.close();
  });

  test('R19: a call that is cancelled in its backoff ends at once, and the server never sees attempt 2', async () => {
    const { seen, handlers } = counting(() => away);
    await using running = await serve({ handlers });
    const mesh = createMesh({ defaults: { idempotent: true, retryPolicy: { initialBackoff: '0.05s' } } });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    seen.calls = 0;
    const outcome = client.say('a', {
      onCall: (call) => {
        const wait = (): void => void (mesh.stats().client.retries > 2 ? call.cancel() : setImmediate(wait));
        wait(); // the first call has had two retries; one more is the backoff of this one
      },
    });
    expect((await outcome).code).toBe('CANCELLED');
    await new Promise((resolve) => void setTimeout(resolve, 100));
    expect(seen.calls).toBe(1);
    await mesh.close();
  });

  test.for(['retryPolicy', 'hedgingPolicy'])("R40: a service config's %s is not run below ours: attempts never multiply", async (key) => {
    const { seen, handlers } = counting(() => away);
    await using running = await serve({ handlers });
    const policyOfTheirs =
      key === 'retryPolicy'
        ? { maxAttempts: 4, initialBackoff: '0.001s', maxBackoff: '0.01s', backoffMultiplier: 1, retryableStatusCodes: ['UNAVAILABLE'] }
        : { maxAttempts: 4, hedgingDelay: '0s', nonFatalStatusCodes: ['UNAVAILABLE'] };
    const config = JSON.stringify({ loadBalancingConfig: [], methodConfig: [{ name: [{ service: 'loop.Echo' }], [key]: policyOfTheirs }] });
    const mesh = createMesh(marked, { warn: () => {} });
    using client = new EchoClient({ address: running.address, mesh, door, options: { 'grpc.service_config': config } });
    await client.say('a');
    // Ours says nothing of maxAttempts, so theirs is taken over, whichever it is.
    expect(seen.calls).toBe(4);
    await mesh.close();
  });

  test("R40: a service config's maxAttempts stands below ours", async () => {
    const { seen, handlers } = counting(() => away);
    await using running = await serve({ handlers });
    const retryPolicy = {
      maxAttempts: 4,
      initialBackoff: '0.001s',
      maxBackoff: '0.01s',
      backoffMultiplier: 1,
      retryableStatusCodes: ['UNAVAILABLE'],
    };
    const config = JSON.stringify({ loadBalancingConfig: [], methodConfig: [{ name: [{}], retryPolicy }] });
    const mesh = createMesh({ services: { 'loop.Echo': { idempotent: true, retryPolicy: { maxAttempts: 2 } } } });
    using client = new EchoClient({ address: running.address, mesh, door, options: { 'grpc.service_config': config } });
    await client.say('a');
    expect(seen.calls).toBe(2);
    await mesh.close();
  });

  test('R42: an unmarked call that a dead endpoint never saw is sent to another', async () => {
    const { seen, handlers } = counting(() => null);
    await using alive = await serve({ handlers });
    const dead = await serve();
    const mesh = createMesh();
    using client = new EchoClient({ address: target(dead, alive), mesh, door });
    for (let i = 0; i < 10; i++) expect((await client.say('a')).code).toBe('OK');
    dead.kill();
    for (let i = 0; i < 50; i++) expect((await client.say('a')).code).toBe('OK');
    expect(seen.calls).toBeGreaterThanOrEqual(50);
    await mesh.close();
  });

  test('R42: an unmarked call that the bulkhead of a MeshServer refused is run elsewhere; no trailer of ours is left', async () => {
    const held = new Gate();
    let busy = 0;
    const walls = createMesh({ server: { bulkhead: { slots: 1 } } });
    await using full = await serve({
      server: new MeshServer({ mesh: walls }),
      handlers: {
        tell: (call, callback) => {
          busy++;
          void held.opened.then(() => callback(null, call.request));
        },
      },
    });
    await using free = await serve();
    const filler = new EchoClient({ address: full.address });
    const filling = filler.say('fill', { method: 'tell' });
    while (busy === 0) await new Promise(setImmediate);
    const mesh = createMesh();
    using client = new EchoClient({ address: target(full, free), mesh, door });
    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, i) => client.say(String(i))));
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 'OK'));
    expect(outcomes.every(({ trailers }) => Object.keys(trailers).length === 0)).toBe(true);
    expect(mesh.stats().client.retries).toBeGreaterThan(0);
    held.open();
    await filling;
    filler[Symbol.dispose]();
    await mesh.close();
    await walls.close();
  });

  test('R43: a repeated attempt goes to an endpoint that was not tried', async () => {
    const attempts = new Map<string, string[]>();
    const replica = (name: string): Promise<RunningServer> =>
      serve({
        handlers: {
          say: (call, callback) => {
            const list = attempts.get(call.request.text) ?? [];
            attempts.set(call.request.text, list);
            list.push(name);
            callback(away);
          },
        },
      });
    await using a = await replica('a');
    await using b = await replica('b');
    await using c = await replica('c');
    const mesh = createMesh({ ...marked, retryBudget: { minPerSecond: 1000 } });
    using client = new EchoClient({ address: target(a, b, c), mesh, door });
    while (mesh.stats().endpoints[target(a, b, c)]?.every(({ ready }) => ready) !== true) await client.learn();
    attempts.clear();
    for (let i = 0; i < 30; i++) await client.say(String(i));
    for (const list of attempts.values()) expect(list.toSorted()).toEqual(['a', 'b', 'c']);
    expect(attempts.size).toBe(30);
    await mesh.close();
  });

  test('R2: a client stream of a hundred messages is repeated whole and in order', async () => {
    let calls = 0;
    await using running = await serve({
      handlers: {
        collect: (call, callback) => {
          const fails = ++calls === 1;
          const heard: string[] = [];
          call.on('data', ({ text }) => heard.push(text));
          call.on('end', () => callback(fails ? away : null, { text: heard.join(' ') }));
        },
      },
    });
    const mesh = createMesh(marked);
    using client = new EchoClient({ address: running.address, mesh, door });
    const texts = Array.from({ length: 100 }, (_, i) => `m${i}`);
    const answer = await new Promise<string>((resolve, reject) => {
      const stream = client.stub.collect(new Metadata(), {}, (error, value) =>
        error === null ? resolve(value?.text ?? '') : reject(error),
      );
      for (const text of texts) stream.write({ text });
      stream.end();
    });
    expect(answer).toBe(texts.join(' '));
    expect(calls).toBe(2);
    await mesh.close();
  });

  test('a stream whose first attempt dies before it took a message goes on writing on the next', async () => {
    await using running = await serve();
    const { port } = running;
    running.kill();
    const mesh = createMesh({
      defaults: { idempotent: true, retryPolicy: { maxAttempts: 5, initialBackoff: '0.2s', backoffMultiplier: 1 } },
    });
    using client = new EchoClient({
      address: `127.0.0.1:${port}`,
      mesh,
      door,
      options: { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 100 },
    });
    const answer = new Promise<string>((resolve, reject) => {
      const stream = client.stub.collect(new Metadata(), {}, (error, value) =>
        error === null ? resolve(value?.text ?? '') : reject(error),
      );
      for (const text of ['a', 'b', 'c']) stream.write({ text });
      stream.end();
    });
    while (mesh.stats().client.retries === 0) await new Promise(setImmediate);
    await using back = await serve({ port, server: new Server() });
    expect(back.port).toBe(port);
    expect(await answer).toBe('a+b+c');
    await mesh.close();
  });

  test('B1: with everything failing, attempts stay within calls (1 + ratio) and the floor', async () => {
    const { seen, handlers } = counting(() => away);
    await using running = await serve({ handlers });
    const mesh = createMesh({ ...marked, retryBudget: { ratio: 0.1, minPerSecond: 0.5, ttl: '10s' } });
    using client = new EchoClient({ address: running.address, mesh, door });
    const startedMs = performance.now();
    for (let i = 0; i < 10; i++) await client.burst(Array.from({ length: 50 }, String));
    const seconds = (performance.now() - startedMs) / 1000;
    expect(seen.calls).toBeGreaterThan(500);
    expect(seen.calls).toBeLessThanOrEqual(500 * 1.1 + 0.5 * (seconds + 10) + 1);
    await mesh.close();
  });
});

describe('retryInterceptor alone', () => {
  test('repeats marked methods only, and what its picker knows was never sent', async () => {
    const { seen, handlers } = counting(() => away);
    await using running = await serve({ handlers });
    const options = {
      ...balanceOptions(),
      interceptors: [retryInterceptor({ idempotentMethods: ['/loop.Echo/Say'], initialBackoffMs: 1 })],
    };
    using client = new EchoClient({ address: running.address, options });
    await client.say('a');
    expect(seen.calls).toBe(3);
    const unmarked = { interceptors: [retryInterceptor({ initialBackoffMs: 1 })] };
    using other = new EchoClient({ address: running.address, options: unmarked });
    seen.calls = 0;
    await other.say('a');
    expect(seen.calls).toBe(1);
  });
});
