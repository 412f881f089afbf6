import { describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { clientDoors, EchoClient, echoDefinition, Gate, type Handlers, type RunningServer, serve } from '../support/loopback.ts';

const says = (who: string): Partial<Handlers> => ({ say: (_call, callback) => callback(null, { text: who }) });
const to = ({ address }: RunningServer): Policy => ({ clusters: { other: { target: address } }, routes: [{ cluster: 'other' }] });
/** Targets that the mesh has channels to. */
const targets = (mesh: Mesh): string[] => Object.keys(mesh.stats().endpoints).sort();

describe.for(clientDoors)('routes of a client behind %s, on reload', (door) => {
  test('a cluster comes, moves and goes while the client stays; ways that nobody takes any more are closed', async () => {
    await using own = await serve({ handlers: says('own') });
    await using one = await serve({ handlers: says('one') });
    await using two = await serve({ handlers: says('two') });
    const mesh = createMesh({});
    using client = new EchoClient({ address: own.address, mesh, door });
    expect((await client.say('?')).text).toBe('own');
    mesh.reload(to(one));
    expect((await client.say('?')).text).toBe('one');
    expect(targets(mesh)).toEqual([own.address, one.address].sort());
    mesh.reload({ ...to(one), defaults: { timeout: '5s' } });
    expect((await client.say('?')).text).toBe('one');
    mesh.reload(to(two));
    expect(targets(mesh)).toEqual([own.address]);
    expect((await client.say('?')).text).toBe('two');
    mesh.reload({});
    expect(targets(mesh)).toEqual([own.address]);
    expect((await client.say('?')).text).toBe('own');
    await mesh.close();
  });

  test('F4 a call on its way to a cluster that is taken away ends there; the way is closed after it', async () => {
    const held = new Gate();
    await using own = await serve({ handlers: says('own') });
    await using one = await serve({ handlers: { say: (_call, callback) => void held.opened.then(() => callback(null, { text: 'one' })) } });
    const mesh = createMesh(to(one));
    using client = new EchoClient({ address: own.address, mesh, door });
    const out = client.say('out');
    await expect.poll(() => targets(mesh)).toEqual([one.address]);
    await expect.poll(() => mesh.stats().endpoints[one.address]?.[0]?.inFlight).toBe(1);
    mesh.reload({});
    expect((await client.say('?')).text).toBe('own');
    expect(targets(mesh)).toContain(one.address);
    held.open();
    expect((await out).text).toBe('one');
    await expect.poll(() => targets(mesh), { timeout: 5_000 }).toEqual([own.address]);
    await mesh.close();
  });
});

describe('traffic policy, on reload', () => {
  test('counts go on; a mirror and a fault that the document says nothing new of keep theirs', async () => {
    await using own = await serve({ handlers: says('own') });
    await using shadow = await serve({ handlers: says('own') });
    const rules: Policy = {
      clusters: { shadow: { target: shadow.address } },
      mirrors: [{ cluster: 'shadow', compare: true }],
      faults: [{ percent: 50, abort: 'ABORTED' }],
    };
    const mesh = createMesh(rules, { services: [echoDefinition] });
    using client = new EchoClient({ address: own.address, mesh });
    const codes = [(await client.say('1')).code];
    mesh.reload({ ...rules, retryBudget: { ratio: 0.3 } });
    codes.push((await client.say('2')).code);
    expect(codes.sort()).toEqual(['ABORTED', 'OK']); // every second call, over the reload
    await expect.poll(() => mesh.stats().traffic.mirrors[0]?.sent).toBe(2);
    mesh.reload({ ...rules, faults: [{ abort: 'ABORTED' }] });
    await client.say('3');
    expect(mesh.stats().traffic.faults.client.aborted).toBe(2);
    await mesh.close();
  });

  test('credentials of a cluster wait for a cluster that comes later', async () => {
    const { ChannelCredentials } = await import('@grpc/grpc-js');
    await using one = await serve({ handlers: says('one') });
    const mesh = createMesh(to(one), { clusters: { other: { credentials: ChannelCredentials.createInsecure() } } });
    mesh.reload({});
    mesh.reload(to(one));
    using client = new EchoClient({ address: one.address, mesh });
    expect((await client.say('?')).text).toBe('one');
    await mesh.close();
  });

  test('front nodes hand on by the new policy, and their batches stay as small as they were said to be', async () => {
    let calls = 0;
    await using back = await serve({
      handlers: {
        say: (call, callback) => {
          calls++;
          if (call.request.text === 'fails') callback({ code: 14, details: 'down' });
          else callback(null, call.request);
        },
      },
    });
    const mesh = createMesh({});
    const front = new MeshServer({ mesh });
    const { ChannelCredentials, ServerCredentials } = await import('@grpc/grpc-js');
    mesh.forward({ target: back.address, credentials: ChannelCredentials.createInsecure() }).addTo(front, echoDefinition);
    const port = await new Promise<number>((resolve, reject) =>
      front.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    using client = new EchoClient({ address: `127.0.0.1:${port}` });
    expect((await client.say('one')).text).toBe('one');
    mesh.reload({ defaults: { idempotent: true, retryPolicy: { maxAttempts: 4, initialBackoff: '0.001s', maxBackoff: '0.001s' } } });
    calls = 0;
    expect((await client.say('fails')).code).toBe('UNAVAILABLE');
    expect(calls).toBe(4);
    mesh.reload({});
    calls = 0;
    await client.say('fails');
    expect(calls).toBe(1);
    await mesh.close();
    front.forceShutdown();
  });

  test('F6 versions that no call is under way with leave no timer; with one there is a timer, which ends with it', async () => {
    const held = new Gate();
    await using own = await serve({ handlers: { say: (_call, callback) => void held.opened.then(() => callback(null, { text: '' })) } });
    const clock = new FakeClock();
    const mesh = createMesh({}, { clock });
    const client = new EchoClient({ address: own.address, mesh });
    for (let i = 0; i < 20; i++) mesh.reload({ retryBudget: { minPerSecond: i } });
    clock.endTurn();
    const before = clock.pending;
    const out = client.say('out');
    await expect.poll(() => mesh.stats().client.active).toBe(1);
    clock.endTurn();
    const during = clock.pending;
    for (let i = 0; i < 20; i++) mesh.reload({ retryBudget: { ratio: i / 20 } });
    expect(clock.pending).toBe(during + 1);
    held.open();
    await out;
    const left = (): number => {
      clock.endTurn();
      clock.advance(1_000);
      return clock.pending;
    };
    await expect.poll(left).toBeLessThanOrEqual(Math.max(before, during));
    client[Symbol.dispose]();
    await mesh.close();
    clock.endTurn();
    expect(clock.pending).toBe(0);
  });
});
