/**
 * Attaching servers to a mesh, and what a batch counts for on them (F4, Q7).
 */
import { Server, type sendUnaryData } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { EchoClient, echo, echoDefinition, Gate, type Message, method, serve } from '../support/loopback.ts';
import { ask, DENIALS, DENIED, deny, listening, PASSES, verdicts } from './lists-stage.ts';

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
    server.addService(echoDefinition, {
      ...echo,
      say: (_call: unknown, callback: sendUnaryData<Message>) => callback(null, { text: 'say a' }),
    });
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
