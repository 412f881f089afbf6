/**
 * A front node hands calls and items on to back-end nodes as they are: bytes, metadata, deadline, cancellation, status (F4, K1, K5, K7, K22, Q15).
 */
import { ChannelCredentials, Metadata, Server, type ServiceDefinition, status } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { ForwardOptions } from '../../src/grpc/forward.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { bind, EchoClient, echoDefinition, flat, Gate, type Handlers, metadataOf, type RunningServer, serve } from '../support/loopback.ts';

const credentials = ChannelCredentials.createInsecure();
const POLICY: Policy = { coalesce: 'auto', defaults: { idempotent: true } };

interface Stage extends AsyncDisposable {
  readonly nodes: readonly RunningServer[];
  readonly front: { readonly mesh: Mesh; readonly address: string };
  /** Calls one by one, and in batches: through the front node, and past it. */
  readonly plain: EchoClient;
  readonly batches: EchoClient;
  readonly batchMesh: Mesh;
  readonly direct: EchoClient;
}

/** Back-end nodes with these handlers, a front node, clients. */
async function stage(
  handlers: readonly Partial<Handlers>[],
  policy: Policy = POLICY,
  options: Partial<ForwardOptions> = {},
): Promise<Stage> {
  const nodes = await Promise.all(handlers.map((one) => serve({ server: new MeshServer({ mesh: createMesh() }), handlers: one })));
  const mesh = createMesh(policy);
  const server = new MeshServer({ mesh });
  const target = `ipv4:${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  mesh.forward({ target, credentials, ...options }).addTo(server, echoDefinition);
  const address = `localhost:${await bind(server)}`;
  const batchMesh = createMesh({ coalesce: 'auto', defaults: { retryPolicy: { maxAttempts: 1 } } });
  const plain = new EchoClient({ address });
  const batches = new EchoClient({ address, mesh: batchMesh });
  const direct = new EchoClient({ address: nodes[0]?.address ?? '' });
  // Every connection stands, and everybody knows who takes batches.
  await Promise.all([plain.say('learn'), direct.say('learn'), batches.learn(), ...nodes.map(() => plain.say('learn'))]);
  const dispose = async (): Promise<void> => {
    for (const client of [plain, batches, direct]) client[Symbol.dispose]();
    await expect.poll(() => mesh.stats().server.active).toBe(0);
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    // The balancer hears of a call's end from grpc-js, a moment after its caller.
    await expect
      .poll(() =>
        Object.values(mesh.stats().endpoints)
          .flat()
          .filter(({ inFlight }) => inFlight !== 0),
      )
      .toEqual([]);
    await mesh.close();
    server.forceShutdown();
    for (const node of nodes) node.kill();
  };
  return { nodes, front: { mesh, address }, plain, batches, batchMesh, direct, [Symbol.asyncDispose]: dispose };
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);
const until = (done: () => boolean): Promise<void> => expect.poll(done, { timeout: 5000 }).toBe(true);

const scenes: readonly { readonly name: string; readonly say: Handlers['say'] }[] = [
  { name: 'an answer', say: (call, callback) => callback(null, { text: `${call.request.text} ü €` }) },
  { name: 'an empty answer', say: (_call, callback) => callback(null, { text: '' }) },
  {
    name: 'headers and trailers, binary and several of a kind',
    say: (call, callback) => {
      call.sendMetadata(metadataOf({ 'x-head': ['a', 'b'], 'x-head-bin': 'ff00' }));
      callback(null, call.request, metadataOf({ 'x-plain': ['one', 'two'], 'x-data-bin': ['00ff10', '01'] }));
    },
  },
  {
    name: 'an error with details and rich status',
    say: (_call, callback) =>
      callback({
        code: status.NOT_FOUND,
        details: 'no such thing: ü % €',
        metadata: metadataOf({ 'grpc-status-details-bin': '0a0b', 'x-why': 'gone' }),
      }),
  },
  {
    name: 'an error after headers',
    say: (call, callback) => {
      call.sendMetadata(metadataOf({ 'x-head': 'a' }));
      callback({ code: status.ABORTED, details: 'late thought' });
    },
  },
];

describe('forward', () => {
  test.each(scenes)('K5: $name comes through a front node as it is', async ({ say }) => {
    const policy: Policy = { ...POLICY, defaults: { retryPolicy: { maxAttempts: 1 } } };
    await using all = await stage(
      [{ say: (call, callback) => (call.request.text === 'learn' ? callback(null, call.request) : say(call, callback)) }],
      policy,
    );
    const want = await all.direct.say('x');
    expect(await all.plain.say('x')).toEqual(want);
    const batch = await all.batches.burst(['x', 'x', 'x']);
    for (const outcome of batch) expect(outcome).toEqual(want);
    expect(all.batchMesh.stats().coalesce.items).toBeGreaterThanOrEqual(3);
  });

  test('K22: a front node decodes and encodes nothing', async () => {
    const refuse = (): never => {
      throw new Error('decoded');
    };
    const opaque = Object.fromEntries(
      Object.entries(echoDefinition).map(([name, method]) => [name, { ...method, requestDeserialize: refuse, responseSerialize: refuse }]),
    ) as ServiceDefinition;
    await using node = await serve();
    const mesh = createMesh();
    const server = new Server();
    onTestFinished(() => server.forceShutdown());
    mesh.forward({ target: node.address, credentials }).addTo(server, opaque);
    using client = new EchoClient({ address: `localhost:${await bind(server)}` });
    expect((await client.say('bytes')).text).toBe('say bytes');
    await mesh.close();
    expect(await client.say('after')).toMatchObject({ code: 'UNAVAILABLE' });
  });

  test("Q15: the caller's metadata goes on, that of the hop and forged marks of ours do not", async () => {
    const seen: Record<string, readonly string[]>[] = [];
    const say: Handlers['say'] = (call, callback) => {
      if (call.request.text !== 'learn') seen.push({ ...flat(call.metadata), 'user-agent': call.metadata.get('user-agent').map(String) });
      callback(
        null,
        call.request,
        metadataOf({ 'inmesh-capability': '1;items=7', 'inmesh-unprocessed': '1', 'inmesh-reason': 'server.tunnel/draining' }),
      );
    };
    await using all = await stage([{ say }]);
    const metadata = metadataOf({
      authorization: 'Bearer t',
      'x-id-bin': '00ff',
      'x-many': ['a', 'b'],
      'inmesh-reason': 'forged',
      'inmesh-unprocessed': '1',
      'grpc-previous-rpc-attempts': '9',
    });
    const outcome = await all.plain.say('x', { metadata });
    expect(outcome.trailers).toEqual({});
    const { 'user-agent': agent, ...rest } = seen[0] ?? {};
    expect(rest).toEqual({ authorization: ['Bearer t'], 'x-id-bin': ['0x00ff'], 'x-many': ['a, b'] });
    expect(agent).toHaveLength(1);
  });

  test('K8: the deadline goes on, and the call ends at it', async () => {
    let leftMs = 0;
    const never: Handlers['say'] = (call, callback) => {
      if (call.request.text === 'learn') return callback(null, call.request);
      leftMs = Number(call.getDeadline()) - Date.now();
    };
    await using all = await stage([{ say: never }]);
    const outcome = await all.plain.say('x', { deadline: Date.now() + 400 });
    expect(outcome.code).toBe('DEADLINE_EXCEEDED');
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(401);
  });

  test('K7: cancelling a call, or one of a batch, cancels it at its node and no other', async () => {
    const open = new Map<string, Gate>();
    const cancelled: string[] = [];
    const say: Handlers['say'] = (call, callback) => {
      const { text } = call.request;
      if (text === 'learn') return callback(null, call.request);
      const gate = new Gate();
      open.set(text, gate);
      call.once('cancelled', () => open.has(text) && cancelled.push(text));
      void gate.opened.then(() => {
        open.delete(text);
        callback(null, call.request);
      });
    };
    await using all = await stage([{ say }], { ...POLICY, coalesce: 'never' });
    for (const client of [all.plain, all.batches]) {
      open.clear();
      cancelled.length = 0;
      let cancel = (): void => undefined;
      const outcomes = ['a', 'b', 'c'].map((text) =>
        client.say(text, {
          onCall: (call) => {
            if (text === 'b') cancel = () => call.cancel();
          },
        }),
      );
      await until(() => open.size === 3);
      cancel();
      expect((await outcomes[1])?.code).toBe('CANCELLED');
      if (client === all.plain) await until(() => cancelled.join() === 'b');
      for (const text of ['a', 'c', 'b']) open.get(text)?.open();
      expect((await Promise.all(outcomes)).map(({ code }) => code)).toEqual(['OK', 'CANCELLED', 'OK']);
    }
  });

  test('K7, K8: at a plain server too, deadline and cancellation go on', async () => {
    const events: string[] = [];
    await using node = await serve({
      handlers: {
        say: (call) => {
          events.push(Number(call.getDeadline()) < Date.now() + 60_000 ? 'soon' : 'late');
          call.once('cancelled', () => events.push('cancelled'));
        },
      },
    });
    const mesh = createMesh();
    const server = new Server();
    onTestFinished(() => server.forceShutdown());
    mesh.forward({ target: node.address, credentials }).addTo(server, echoDefinition);
    using client = new EchoClient({ address: `localhost:${await bind(server)}` });
    let cancel = (): void => undefined;
    const outcome = client.say('x', {
      deadline: Date.now() + 30_000,
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await until(() => events.length === 1);
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
    await until(() => events.length === 2);
    expect(events).toEqual(['soon', 'cancelled']);
    await mesh.close();
  });

  test('K1: a batch is spread over the nodes and merged again, every item run once, most of them in batches', async () => {
    const ran = new Map<string, number>();
    const byNode = [0, 0, 0];
    const handlers = byNode.map(
      (_, node): Partial<Handlers> => ({
        say: (call, callback) => {
          const { text } = call.request;
          if (text !== 'learn') {
            ran.set(text, (ran.get(text) ?? 0) + 1);
            byNode[node] = (byNode[node] ?? 0) + 1;
          }
          setImmediate(() => callback(null, { text: `say ${text}` }));
        },
      }),
    );
    await using all = await stage(handlers, { coalesce: { mode: 'auto', carrier: 'envelope' } });
    for (let n = 0; n < 30; n++) await all.plain.say('learn'); // all three nodes have said that they take batches
    const before = all.front.mesh.stats().coalesce.items;
    const texts = numbers(64);
    const outcomes = await all.batches.burst(texts);
    expect(outcomes.map(({ text }) => text)).toEqual(texts.map((text) => `say ${text}`));
    expect([...ran.values()].every((times) => times === 1)).toBe(true);
    expect(ran.size).toBe(64);
    expect(byNode.filter((items) => items > 0).length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...byNode)).toBeLessThanOrEqual(48);
    expect(all.front.mesh.stats().coalesce.items - before).toBeGreaterThanOrEqual(32);
  });

  test('methods that are served here are not handed on, and only what is named is', async () => {
    await using node = await serve({ server: new MeshServer() });
    const mesh = createMesh();
    const server = new MeshServer({ mesh });
    onTestFinished(() => server.forceShutdown());
    const way = mesh.forward({ target: node.address, credentials, methods: ['loop.Echo/Say'] });
    const { definition, implementation } = way.service(echoDefinition, {
      chat: (call: { on(event: string, listener: (message: unknown) => void): void; write(message: unknown): void; end(): void }) => {
        call.on('data', (message) => call.write(message));
        call.on('end', () => call.end());
      },
    });
    expect(Object.keys(implementation).sort()).toEqual(['chat', 'say']);
    server.addService(definition, implementation);
    using client = new EchoClient({ address: `localhost:${await bind(server)}` });
    expect((await client.say('a')).text).toBe('say a');
    expect((await client.say('a', { method: 'tell' })).code).toBe('UNIMPLEMENTED');
    const heard: unknown[] = [];
    const chat = client.stub.chat(new Metadata(), {});
    chat.on('data', (message) => heard.push(message));
    chat.write({ text: 'here' });
    chat.end();
    await new Promise((resolve) => chat.on('end', resolve));
    expect(heard).toEqual([{ text: 'here' }]);
    await mesh.close();
  });

  test.each([
    [{ target: '' }, 'forward.target: expected the address of the nodes, got ""'],
    [{ target: 'localhost:1', maxItems: 1 }, 'forward.maxItems: expected a whole number >= 2 and <= 1024, got 1'],
    [{ target: 'localhost:1', method: [] }, 'forward.method: unknown option; did you mean methods?'],
    [{ target: 'localhost:1', methods: 'a' }, 'forward.methods: expected a list of names, got "a"'],
  ])('%j is refused', (options, text) => {
    const make = (): unknown => createMesh().forward({ credentials, ...options } as unknown as ForwardOptions);
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(text);
  });

  test('a method that the service does not have is refused with the nearest name', async () => {
    const mesh = createMesh();
    const way = mesh.forward({ target: 'localhost:1', credentials, methods: ['other.Service/X', 'loop.Echo/Sai'] });
    expect(() => way.service(echoDefinition)).toThrow('forward.methods[1]: no such method: "loop.Echo/Sai"; did you mean loop.Echo/Say?');
    await mesh.close();
  });
});

describe('three nodes', () => {
  const sleeping = (ms: number, served: { count: number }): Partial<Handlers> => ({
    say: (call, callback) => {
      if (call.request.text !== 'learn') served.count++;
      setTimeout(() => callback(null, call.request), ms);
    },
  });
  /** `callers` sequential callers for a while; all outcomes by code. */
  async function load(client: EchoClient, callers: number, ms: number): Promise<Map<string, number>> {
    const codes = new Map<string, number>();
    const untilMs = performance.now() + ms;
    await Promise.all(
      numbers(callers).map(async (caller) => {
        for (let n = 0; performance.now() < untilMs; n++) {
          const { code } = await client.say(`${caller}.${n}`);
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }
      }),
    );
    return codes;
  }

  test('one that is 20 times slower gets less than 10 % of the items', { timeout: 20_000 }, async () => {
    const served = [{ count: 0 }, { count: 0 }, { count: 0 }];
    await using all = await stage(served.map((count, node) => sleeping(node === 2 ? 60 : 3, count)));
    await load(all.batches, 32, 1000); // learns
    for (const one of served) one.count = 0;
    const codes = await load(all.batches, 32, 2000);
    expect([...codes.keys()]).toEqual(['OK']);
    const total = served.reduce((sum, { count }) => sum + count, 0);
    expect(total).toBeGreaterThan(500);
    expect((served[2]?.count ?? 0) / total).toBeLessThan(0.1);
  });

  test('one that is killed with calls in it loses no idempotent call', { timeout: 20_000 }, async () => {
    let kill = (): void => undefined;
    const handlers = [0, 1, 2].map((node): Partial<Handlers> => {
      const served = { count: 0 };
      const { say } = sleeping(5, served);
      return {
        say: (call, callback) => {
          say?.(call, callback);
          if (node === 1 && served.count === 50) kill();
        },
      };
    });
    await using all = await stage(handlers);
    kill = () => all.nodes[1]?.kill();
    const codes = await load(all.batches, 32, 1500);
    expect([...codes.keys()]).toEqual(['OK']);
    expect(all.front.mesh.stats().client.retries).toBeGreaterThan(0);
  });
});
