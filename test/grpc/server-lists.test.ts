/**
 * Where batches are served, and where not: an item meets every interceptor that a call of its own meets, or there are no batches (F4, Q6, Q7).
 */
import { experimental, Server, ServerInterceptingCall, type ServerInterceptor, type ServerOptions } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serverCredentialsWithInterceptors } from '../../src/grpc/port-lists.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { bind, EchoClient, echo, echoDefinition, Gate, serve } from '../support/loopback.ts';
import { ask, DENIALS, DENIED, deny, insecure, listening, PASSES, verdicts } from './lists-stage.ts';

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
