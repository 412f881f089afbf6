/**
 * Where batches are served, and where not: an item meets every interceptor that a call of its own meets, or there are no batches (F4, Q6, Q7).
 */
import {
  experimental,
  type sendUnaryData,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerOptions,
  status,
} from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { serverCredentialsWithInterceptors } from '../../src/grpc/port-lists.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { bind, EchoClient, echo, echoDefinition, Gate, type Message, method, type Outcome, serve } from '../support/loopback.ts';

const insecure = (): ServerCredentials => ServerCredentials.createInsecure();

/** Refuses one path, and writes down all it sees. */
function deny(path: string, seen: string[] = []): ServerInterceptor {
  return (definition, call) => {
    seen.push(definition.path);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (definition.path === path) call.sendStatus({ code: status.PERMISSION_DENIED, details: 'denied', metadata: null });
            else pass(metadata);
          },
        }),
    });
  };
}
const DENIED = '/loop.Echo/Tell';

/** A mesh that keeps what it says. */
function listening(policy: Policy = {}): { mesh: Mesh; said: string[] } {
  const said: string[] = [];
  return { mesh: createMesh(policy, { warn: (line) => said.push(line) }), said };
}

interface Asked {
  /** Of calls of their own. */
  readonly direct: Outcome[];
  /** Of calls made together by a client that would coalesce them. */
  readonly together: Outcome[];
  readonly carriers: number;
  readonly items: number;
  readonly turnedAway: number;
}

/** Asks both methods, alone and together. */
async function ask(address: string): Promise<Asked> {
  using bare = new EchoClient({ address });
  const mesh = createMesh({ coalesce: 'auto' });
  using client = new EchoClient({ address, mesh });
  await client.learn();
  const direct = await Promise.all([bare.say('a'), bare.say('b', { method: 'tell' })]);
  const together = await Promise.all(
    ['a', 'a2', 'b', 'b2'].map((text) => client.say(text, { method: text.startsWith('b') ? 'tell' : 'say' })),
  );
  const { carriers, items, turnedAway } = mesh.stats().coalesce;
  return { direct, together, carriers, items, turnedAway };
}

/** The verdict on `tell`, however it came; `say` is always fine. */
function verdicts({ direct, together }: Asked): string[] {
  const [say, tell] = direct;
  const [say1, say2, tell1, tell2] = together;
  expect([say?.text, say1?.text, say2?.text]).toEqual(['say a', 'say a', 'say a2']);
  return [tell, tell1, tell2].map((outcome) => `${outcome?.code}: ${outcome?.details}`);
}

const DENIALS = Array.from({ length: 3 }, () => 'PERMISSION_DENIED: denied');
const PASSES = Array.from({ length: 3 }, () => 'OK: OK');

describe('a deny by path has the same verdict direct and as item (Q6)', () => {
  test('in the options of a MeshServer', async () => {
    await using running = await serve({ server: new MeshServer({ interceptors: [deny(DENIED)] }) });
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked).toMatchObject({ carriers: 2, items: 4, turnedAway: 0 });
  });

  test('in the options given to mesh.server()', async () => {
    const { mesh, said } = listening();
    const server = new Server(mesh.server({ interceptors: [deny(DENIED)] }));
    mesh.attach(server);
    await using running = await serve({ server });
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked.items).toBe(4);
    expect(said).toEqual([]);
  });

  test('in the credentials of the port', async () => {
    const credentials = serverCredentialsWithInterceptors(insecure(), [deny(DENIED)]);
    await using running = await serve({ server: new MeshServer(), credentials });
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked.items).toBe(4);
  });

  test('in the mesh itself: a wall without slots', async () => {
    const mesh = createMesh({ server: { methodBulkheads: { 'loop.Echo/Tell': { slots: 1, queue: 0 } } } });
    const gate = new Gate();
    const entered = new Gate();
    const server = new MeshServer({ mesh });
    await using running = await serve({
      server,
      handlers: {
        tell: async (call, callback) => {
          if (call.request.text === 'holds') {
            entered.open();
            await gate.opened;
          }
          callback(null, { text: 'in' });
        },
      },
    });
    using holder = new EchoClient({ address: running.address });
    const held = holder.say('holds', { method: 'tell' });
    await entered.opened;
    const asked = await ask(running.address);
    const [one, ...rest] = verdicts(asked);
    expect(one).toMatch(/^RESOURCE_EXHAUSTED: /);
    expect(rest).toEqual([one, one]);
    expect(asked.items).toBe(4);
    gate.open();
    expect((await held).code).toBe('OK');
  });

  test('of each port by its own list', async () => {
    const server = new MeshServer();
    await using running = await serve({ server, credentials: serverCredentialsWithInterceptors(insecure(), [deny(DENIED)]) });
    const open = await bind(server);
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked.items).toBe(4);
    const askedOpen = await ask(`localhost:${open}`);
    expect(verdicts(askedOpen)).toEqual(PASSES);
    expect(askedOpen.items).toBe(4);
  });

  test('in a server made elsewhere, whose lists mesh.attach is told', async () => {
    const { mesh, said } = listening();
    const interceptors = [deny(DENIED)];
    const server = new Server({ interceptors });
    mesh.attach(server, { interceptors });
    await using running = await serve({ server });
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked.items).toBe(4);
    expect(said).toEqual([]);
  });

  test('in foreign credentials, whose list mesh.attach is told', async () => {
    const { mesh, said } = listening();
    const server = new Server();
    const list = [deny(DENIED)];
    mesh.attach(server, { interceptors: [], credentialInterceptors: list });
    await using running = await serve({ server, credentials: experimental.createServerCredentialsWithInterceptors(insecure(), list) });
    const asked = await ask(running.address);
    expect(verdicts(asked)).toEqual(DENIALS);
    expect(asked.items).toBe(4);
    expect(said).toEqual([]);
  });
});

describe('interceptors see', () => {
  test('the same order from the port to the server, direct and as item, and never the path of a batch', async () => {
    const seen: string[] = [];
    const note =
      (name: string): ServerInterceptor =>
      (definition, call) => {
        seen.push(`${name} ${definition.path}`);
        return new ServerInterceptingCall(call);
      };
    const credentials = serverCredentialsWithInterceptors(insecure(), [note('port 1'), note('port 2')]);
    await using running = await serve({ server: new MeshServer({ interceptors: [note('server 1'), note('server 2')] }), credentials });
    const one = ['port 1', 'port 2', 'server 1', 'server 2'].map((name) => `${name} /loop.Echo/Say`);
    using bare = new EchoClient({ address: running.address });
    await bare.say('a');
    expect(seen).toEqual(one);
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    seen.length = 0;
    await client.burst(['a', 'b']);
    expect(mesh.stats().coalesce.items).toBe(2);
    expect(seen).toEqual([...one, ...one]);
  });

  test('the same metadata, where one in the credentials of the port adds to it', async () => {
    const adds: ServerInterceptor = (_definition, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              metadata.add('x-user', 'somebody');
              pass(metadata);
            },
          }),
      });
    const users: unknown[] = [];
    await using running = await serve({
      server: new MeshServer(),
      credentials: serverCredentialsWithInterceptors(insecure(), [adds]),
      handlers: {
        tell: (call, callback) => {
          users.push(call.metadata.get('x-user'));
          callback(null, { text: `tell ${call.request.text}` });
        },
      },
    });
    const asked = await ask(running.address);
    expect(asked.items).toBe(4);
    expect(users).toEqual([['somebody'], ['somebody'], ['somebody']]);
  });
});

describe('no batch is served or advertised', () => {
  /** Everything goes well, and nothing travelled together. */
  async function expectPlain(address: string, verdict: readonly string[]): Promise<void> {
    const asked = await ask(address);
    expect(verdicts(asked)).toEqual(verdict);
    expect(asked).toMatchObject({ carriers: 0, turnedAway: 0 });
  }

  test("where the credentials' list can't be known, and one line says so", async () => {
    const { mesh, said } = listening();
    const credentials = experimental.createServerCredentialsWithInterceptors(insecure(), [deny(DENIED)]);
    await using running = await serve({ server: new MeshServer({ mesh }), credentials });
    await expectPlain(running.address, DENIALS);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('serverCredentialsWithInterceptors');
  });

  test('by a server made elsewhere that was attached without its lists', async () => {
    const { mesh, said } = listening();
    const server = new Server({ interceptors: [deny(DENIED)] });
    mesh.attach(server);
    await using running = await serve({ server });
    await expectPlain(running.address, DENIALS);
    expect(said).toEqual(['no batches are served: the interceptors of this server are not known']);
  });

  test('by a server whose interceptors are told but not those of its port', async () => {
    const { mesh, said } = listening();
    const server = new Server();
    mesh.attach(server, { interceptors: [] });
    await using running = await serve({
      server,
      credentials: experimental.createServerCredentialsWithInterceptors(insecure(), [deny(DENIED)]),
    });
    await expectPlain(running.address, DENIALS);
    expect(said).toHaveLength(1);
  });

  test.for([
    [
      'made elsewhere',
      (mesh: Mesh) => {
        const server = new Server();
        mesh.attach(server, { interceptors: [] });
        return server;
      },
    ],
    ['of ours', (mesh: Mesh) => new MeshServer({ mesh })],
  ] as const)('at a port that is not known beside one that is, of a server %s (Q6)', async ([, make]) => {
    const { mesh } = listening();
    await using running = await serve({ server: make(mesh) });
    const denying = await bind(running.server, experimental.createServerCredentialsWithInterceptors(insecure(), [deny(DENIED)]));
    expect(verdicts(await ask(`localhost:${denying}`))).toEqual(DENIALS);
    expect(mesh.stats().server).toMatchObject({ carriers: 0 });
  });

  test('at a server made elsewhere with other lists at other ports (Q6)', async () => {
    const { mesh } = listening();
    const server = new Server();
    mesh.attach(server, { interceptors: [] });
    await using running = await serve({ server });
    const denying = await bind(server, serverCredentialsWithInterceptors(insecure(), [deny(DENIED)]));
    expect(verdicts(await ask(`localhost:${denying}`))).toEqual(DENIALS);
    expect(verdicts(await ask(running.address))).toEqual(PASSES);
    expect(mesh.stats().server).toMatchObject({ carriers: 0 });
  });

  test('for services that were added before attach, and a line names them', async () => {
    const { mesh, said } = listening();
    const options = mesh.server({ interceptors: [deny(DENIED)] });
    const server = new Server(options);
    server.addService(echoDefinition, { ...echo });
    mesh.attach(server, options);
    const port = await bind(server);
    onTestFinished(() => server.forceShutdown());
    await expectPlain(`localhost:${port}`, DENIALS);
    expect(said.some((line) => line.includes('/loop.Echo/Say'))).toBe(true);
  });

  test('when policy says so', async () => {
    const { mesh } = listening({ server: { carriers: false } });
    await using running = await serve({ server: new MeshServer({ mesh, interceptors: [deny(DENIED)] }) });
    await expectPlain(running.address, DENIALS);
  });

  test("by servers whose options were given to each other's, also when a client believes otherwise", async () => {
    const { mesh, said } = listening();
    const optionsA: ServerOptions = mesh.server({ interceptors: [deny(DENIED)] });
    const optionsB: ServerOptions = mesh.server();
    const a = new Server(optionsA);
    const b = new Server(optionsB);
    mesh.attach(a, optionsB);
    mesh.attach(b, optionsA);
    await using runningA = await serve({ server: a });
    await using runningB = await serve({ server: b });
    const askedA = await ask(runningA.address);
    expect(verdicts(askedA)).toEqual(DENIALS);
    expect(verdicts(await ask(runningB.address))).toEqual(PASSES);
    expect(mesh.stats().server).toMatchObject({ carriers: 0, items: 0 });
    expect(askedA.turnedAway).toBe(askedA.carriers);
    expect(said.join()).toContain('turned away');
  });
});

describe('attach', () => {
  test('of several servers goes by their options', async () => {
    const { mesh } = listening();
    const strict = mesh.server({ interceptors: [deny(DENIED)] });
    const open = mesh.server();
    const servers = [new Server(strict), new Server(open)] as const;
    expect(() => mesh.attach(servers[0])).toThrow(UsageError);
    mesh.attach(servers[1], open);
    mesh.attach(servers[0]); // the only one left
    await using runningStrict = await serve({ server: servers[0] });
    await using runningOpen = await serve({ server: servers[1] });
    const [askedStrict, askedOpen] = [await ask(runningStrict.address), await ask(runningOpen.address)];
    expect(verdicts(askedStrict)).toEqual(DENIALS);
    expect(verdicts(askedOpen)).toEqual(PASSES);
    expect([askedStrict.items, askedOpen.items]).toEqual([4, 4]);
  });

  test('of the same server twice throws, also by another mesh', () => {
    const { mesh } = listening();
    const server = new MeshServer({ mesh });
    expect(() => mesh.attach(server)).toThrow('attached already');
    expect(() => listening().mesh.attach(server, { interceptors: [] })).toThrow(UsageError);
  });

  test('of something else throws', () => {
    expect(() => listening().mesh.attach({} as Server)).toThrow('two copies');
  });

  test("a user's method with our suffix is an error at register", () => {
    const server = new MeshServer();
    const definition = { sayInmeshBatch: method('SayInmeshBatch', false, false) };
    expect(() => server.addService(definition, { sayInmeshBatch: echo.say })).toThrow(
      "/loop.Echo/SayInmeshBatch: method names that end in InmeshBatch are inmesh's own",
    );
  });

  test('a method that is taken off takes its batch along, and comes back with it', async () => {
    const server = new MeshServer();
    await using running = await serve({ server });
    server.removeService(echoDefinition);
    server.addService(echoDefinition, { ...echo, say: (_call: unknown, callback: sendUnaryData<Message>) => callback(null, { text: 'say a' }) });
    using bare = new EchoClient({ address: running.address });
    expect((await bare.say('x')).text).toBe('say a');
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    expect((await client.burst(['x', 'y'])).map(({ text }) => text)).toEqual(['say a', 'say a']);
    expect(mesh.stats().coalesce.items).toBe(2);
  });
});

describe('limits count items (Q7)', () => {
  test.for([1, 3, 4])('%d items against 3 permits', async (count) => {
    const mesh = createMesh({ server: { bulkhead: { slots: 3, queue: 0 } } });
    const gate = new Gate();
    let inside = 0;
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        tell: async (call, callback) => {
          inside++;
          await gate.opened;
          callback(null, { text: call.request.text });
        },
      },
    });
    const clientMesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh: clientMesh });
    await client.learn();
    const texts = Array.from({ length: count }, (_, i) => `${i}`);
    const outcomes = client.burst(texts, { method: 'tell', inmesh: { retry: false } });
    await expect.poll(() => inside).toBe(Math.min(count, 3));
    gate.open();
    expect((await outcomes).map(({ code }) => code)).toEqual(texts.map((_, i) => (i < 3 ? 'OK' : 'RESOURCE_EXHAUSTED')));
    expect(inside).toBe(Math.min(count, 3));
    expect(clientMesh.stats().coalesce.items).toBe(count === 1 ? 0 : count);
    expect(mesh.stats().server.active).toBe(0);
  });
});
