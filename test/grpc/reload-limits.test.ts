import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { MethodPolicy, Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, EchoClient, Gate, type Handlers, type Message, type Outcome, serve } from '../support/loopback.ts';

const SAY = 'loop.Echo/Say';
const say = (rules: MethodPolicy): Policy => ({ methods: { [SAY]: rules } });

/** Holds each call until it is let go by its text. */
class Holding {
  readonly held = new Map<string, () => void>();
  readonly handlers: Partial<Handlers> = {
    say: (call, callback) => {
      const { text } = call.request as Message;
      this.held.set(text, () => callback(null, { text }));
    },
  };
  get texts(): string[] {
    return [...this.held.keys()].sort();
  }
  letGo(...texts: string[]): void {
    for (const text of texts) {
      this.held.get(text)?.();
      this.held.delete(text);
    }
  }
}

const wall = (mesh: Mesh): unknown => {
  const [limit] = mesh.overview().limits;
  return limit && { limit: limit.limit, inUse: limit.inUse, queued: limit.queued };
};

describe.for(clientDoors)('bulkhead of a client behind %s, on reload', (door) => {
  test('F5 shrinks with calls in flight: nobody is killed, what is over drains, and the queue keeps its bound', async () => {
    const rig = new Holding();
    await using running = await serve({ handlers: rig.handlers });
    const mesh = createMesh(say({ bulkhead: { slots: 4, queue: 2 } }));
    using client = new EchoClient({ address: running.address, mesh, door });
    const out = ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => client.say(text));
    await expect.poll(() => rig.texts).toEqual(['a', 'b', 'c', 'd']);
    mesh.reload(say({ bulkhead: { slots: 1, queue: 1 } }));
    expect(wall(mesh)).toEqual({ limit: 1, inUse: 4, queued: 2 });
    expect((await client.say('one too many')).trailers['inmesh-reason']).toEqual(['client.bulkhead/queue-full']);
    rig.letGo('a', 'b', 'c');
    await expect.poll(() => wall(mesh)).toEqual({ limit: 1, inUse: 1, queued: 2 });
    expect(rig.texts).toEqual(['d']); // whoever waited waits for a slot that is there
    rig.letGo('d');
    await expect.poll(() => rig.texts).toEqual(['e']);
    rig.letGo('e');
    await expect.poll(() => rig.texts).toEqual(['f']);
    rig.letGo('f');
    expect((await Promise.all(out)).map(({ code }) => code)).toEqual(Array(6).fill('OK'));
    expect(wall(mesh)).toEqual({ limit: 1, inUse: 0, queued: 0 });
    await mesh.close();
  });

  test('F5 grows with calls that wait: they go at once; without a limit nobody waits', async () => {
    const rig = new Holding();
    await using running = await serve({ handlers: rig.handlers });
    const mesh = createMesh(say({ bulkhead: { slots: 1, queue: 4 } }));
    using client = new EchoClient({ address: running.address, mesh, door });
    const out = ['a', 'b', 'c', 'd', 'e'].map((text) => client.say(text));
    await expect.poll(() => rig.texts).toEqual(['a']);
    mesh.reload(say({ bulkhead: { slots: 3, queue: 4 } }));
    await expect.poll(() => rig.texts).toEqual(['a', 'b', 'c']);
    mesh.reload({});
    await expect.poll(() => rig.texts).toEqual(['a', 'b', 'c', 'd', 'e']);
    rig.letGo(...rig.texts);
    expect((await Promise.all(out)).map(({ code }) => code)).toEqual(Array(5).fill('OK'));
    await mesh.close();
  });

  test('a bulkhead that the document says nothing new of is not touched', async () => {
    const rig = new Holding();
    await using running = await serve({ handlers: rig.handlers });
    const mesh = createMesh(say({ bulkhead: { slots: 1, queue: 1 } }));
    using client = new EchoClient({ address: running.address, mesh, door });
    const out = client.say('a');
    await expect.poll(() => rig.texts).toEqual(['a']);
    mesh.reload(say({ bulkhead: { slots: 1, queue: 1 }, timeout: '10s' }));
    expect(wall(mesh)).toEqual({ limit: 1, inUse: 1, queued: 0 });
    rig.letGo('a');
    expect((await out).code).toBe('OK');
    await mesh.close();
  });
});

describe('limits of a mesh, on reload', () => {
  test('F5 partitions change while calls are in them: every slot comes back', async () => {
    const rig = new Holding();
    await using running = await serve({ handlers: rig.handlers });
    const by = (partitions: Record<string, number>): Policy => say({ bulkhead: { slots: 4, queue: 8, by: 'tenant', partitions } });
    const mesh = createMesh(by({ red: 0.5, blue: 0.5 }));
    using client = new EchoClient({ address: running.address, mesh });
    const of = (tenant: string, text: string): Promise<Outcome> => client.say(text, { inmesh: { tenant } });
    const out = [
      of('red', 'r1'),
      of('red', 'r2'),
      of('blue', 'b1'),
      of('green', 'g1'),
      of('blue', 'b2'),
      of('red', 'r3'),
      of('green', 'g2'),
    ];
    await expect.poll(() => rig.held.size).toBe(5); // blue's second gets in at once: its share was lent
    mesh.reload(by({ green: 0.5, blue: 0.25 }));
    mesh.reload(say({ bulkhead: { slots: 4, queue: 8 } }));
    mesh.reload(say({ bulkhead: { slots: 4, queue: 8, by: 'priority', partitions: { critical: 0.5 } } }));
    const done = Promise.all(out);
    for (let i = 0; i < 7; i++) {
      await expect.poll(() => rig.held.size).toBeGreaterThan(0);
      rig.letGo(rig.texts[0] ?? '');
    }
    expect((await done).map(({ code }) => code)).toEqual(Array(7).fill('OK'));
    expect(wall(mesh)).toEqual({ limit: 4, inUse: 0, queued: 0 });
    await mesh.close();
  });

  test('F5 limits of a server shrink, grow and go with calls in them', async () => {
    const rig = new Holding();
    const serverMesh = createMesh({ server: { bulkhead: { slots: 2, queue: 4 }, methodBulkheads: { [SAY]: { slots: 2, queue: 4 } } } });
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }), handlers: rig.handlers });
    using client = new EchoClient({ address: running.address });
    const out = ['a', 'b', 'c', 'd'].map((text) => client.say(text));
    await expect.poll(() => rig.texts).toEqual(['a', 'b']);
    serverMesh.reload({ server: { bulkhead: { slots: 3, queue: 4 }, methodBulkheads: { [SAY]: { slots: 1, queue: 4 } } } });
    rig.letGo('a', 'b');
    await expect.poll(() => rig.texts).toEqual(['c']);
    serverMesh.reload({});
    await expect.poll(() => rig.texts).toEqual(['c', 'd']);
    rig.letGo('c', 'd');
    expect((await Promise.all(out)).map(({ code }) => code)).toEqual(Array(4).fill('OK'));
    await expect.poll(() => serverMesh.stats().server.active).toBe(0);
    await serverMesh.close();
  });

  test('F5 adaptive limits go on from where they are, within the new bounds, on both sides', async () => {
    const rig = new Holding();
    const serverMesh = createMesh({ server: { limit: { algorithm: 'vegas', initial: 10 } } });
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }), handlers: rig.handlers });
    const mesh = createMesh(say({ limit: { algorithm: 'aimd', initial: 8 } }));
    using client = new EchoClient({ address: running.address, mesh });
    const out = ['a', 'b', 'c'].map((text) => client.say(text));
    await expect.poll(() => rig.texts).toEqual(['a', 'b', 'c']);
    mesh.reload(say({ limit: { algorithm: 'aimd', initial: 8, max: 16 } }));
    expect(mesh.stats().limits[`/${SAY}`]).toEqual({ limit: 8, inFlight: 3, queued: 0 });
    mesh.reload(say({ limit: { algorithm: 'gradient', initial: 2, max: 2 } }));
    expect(mesh.stats().limits[`/${SAY}`]).toEqual({ limit: 2, inFlight: 3, queued: 0 });
    expect((await client.say('full')).trailers['inmesh-reason']).toEqual(['client.limit/full']);
    serverMesh.reload({ server: { limit: { algorithm: 'vegas', min: 50 } } });
    expect(serverMesh.stats().limits['server']).toEqual({ limit: 50, inFlight: 3, queued: 0 });
    serverMesh.reload({});
    expect(serverMesh.stats().limits).toEqual({});
    rig.letGo('a', 'b', 'c');
    expect((await Promise.all(out)).map(({ code }) => code)).toEqual(Array(3).fill('OK'));
    await expect.poll(() => mesh.stats().limits[`/${SAY}`]?.inFlight).toBe(0);
    await mesh.close();
    await serverMesh.close();
  });

  test('an open breaker stays open by its new rule, is not touched by an equal one, and goes with it; one opened by hand stays', async () => {
    await using running = await serve({ handlers: { say: (_call, callback) => callback({ code: status.UNAVAILABLE }) } });
    const rule = (consecutiveFailures: number): Policy => say({ breaker: { consecutiveFailures, openTime: '60s', maxOpenTime: '60s' } });
    const mesh = createMesh(rule(2));
    using client = new EchoClient({ address: running.address, mesh });
    for (let i = 0; i < 2; i++) await client.say('fails');
    const refused = async (): Promise<unknown> => (await client.say('?')).trailers['inmesh-reason'];
    expect(await refused()).toEqual(['client.breaker/open']);
    mesh.reload({ ...rule(2), retryBudget: { ratio: 0.5 } });
    expect(await refused()).toEqual(['client.breaker/open']);
    mesh.reload(rule(5));
    expect(await refused()).toEqual(['client.breaker/open']);
    mesh.reload({});
    expect(await refused()).toBeUndefined();
    mesh.breaker(SAY).isolate();
    mesh.reload(rule(3));
    expect(await refused()).toEqual(['client.breaker/isolated']);
    mesh.reload({});
    expect(await refused()).toEqual(['client.breaker/isolated']);
    mesh.breaker(SAY).release();
    expect(await refused()).toBeUndefined();
    await mesh.close();
  });

  test('F7 a throttle stays as full as it was, and so does a budget', async () => {
    await using running = await serve({ handlers: { say: (_call, callback) => callback({ code: status.UNAVAILABLE }) } });
    const rules: Policy = say({ idempotent: true, retryPolicy: { maxAttempts: 2, initialBackoff: '0.001s', maxBackoff: '0.001s' } });
    const throttle = (maxTokens: number): Policy => ({ ...rules, retryBudget: { throttle: { maxTokens, tokenRatio: 0.1 } } });
    const mesh = createMesh(throttle(10));
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('two attempts'); // 8 of 10 are left, 3 failures above half
    expect(mesh.stats().budgets['loop.Echo']).toBe(3);
    mesh.reload(throttle(100));
    expect(mesh.stats().budgets['loop.Echo']).toBe(30);
    mesh.reload(throttle(10));
    expect(mesh.stats().budgets['loop.Echo']).toBe(3);
    mesh.reload({ ...rules, retryBudget: { ratio: 0, minPerSecond: 1, ttl: '10s' } });
    expect(mesh.stats().budgets).toEqual({}); // of another kind: made anew with the next call
    await client.say('one retry');
    expect(mesh.stats().budgets['loop.Echo']).toBe(9);
    mesh.reload({ ...rules, retryBudget: { ratio: 0, minPerSecond: 10, ttl: '10s' } });
    expect(mesh.stats().budgets['loop.Echo']).toBe(90);
    mesh.reload({ ...rules, retryBudget: { ratio: 0, minPerSecond: 10, ttl: '20s' } });
    expect(mesh.stats().budgets['loop.Echo']).toBe(180);
    await mesh.close();
  });

  test('a cache keeps its answers unless its own rule changes', async () => {
    let asked = 0;
    await using running = await serve({ handlers: { say: (_call, callback) => callback(null, { text: `answer ${++asked}` }) } });
    const cached = (ttl: `${number}s`, more: Policy = {}): Policy => ({ ...more, ...say({ idempotent: true, cache: { ttl } }) });
    const mesh = createMesh(cached('60s'));
    using client = new EchoClient({ address: running.address, mesh });
    expect((await client.say('q')).text).toBe('answer 1');
    mesh.reload(cached('60s', { defaults: { timeout: '5s' } }));
    expect((await client.say('q')).text).toBe('answer 1');
    mesh.reload(cached('90s'));
    expect((await client.say('q')).text).toBe('answer 2');
    expect(mesh.stats().cache).toMatchObject({ hits: 1, misses: 2, entries: 1 });
    await mesh.close();
  });

  test('adaptive throttling comes, keeps what it has counted, and goes', async () => {
    await using running = await serve({ handlers: { say: (_call, callback) => callback({ code: status.RESOURCE_EXHAUSTED }) } });
    const mesh = createMesh({ adaptiveThrottle: { k: 1 } }, { random: () => 0 });
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('counts');
    const shed = async (): Promise<boolean> => (await client.say('?')).trailers['inmesh-reason']?.[0] === 'client.throttle/shed';
    expect(await shed()).toBe(true);
    mesh.reload({ adaptiveThrottle: { k: 1.5 } });
    expect(await shed()).toBe(true);
    mesh.reload({});
    expect(await shed()).toBe(false);
    await mesh.close();
  });

  test('endpoints take new limits with the calls that are out', async () => {
    const gate = new Gate();
    await using running = await serve({ handlers: { say: (call, callback) => void gate.opened.then(() => callback(null, call.request)) } });
    const mesh = createMesh({ balance: { maxInFlight: 2 } });
    using client = new EchoClient({ address: running.address, mesh });
    const out = [client.say('a'), client.say('b')];
    const inFlight = (): number | undefined => Object.values(mesh.stats().endpoints).flat()[0]?.inFlight;
    await expect.poll(inFlight).toBe(2);
    expect((await client.say('c')).code).toBe('RESOURCE_EXHAUSTED');
    mesh.reload({ balance: { maxInFlight: 3 }, outlierDetection: { consecutiveFailures: 0 } });
    out.push(client.say('d'));
    await expect.poll(inFlight).toBe(3);
    mesh.reload({ balance: { maxInFlight: 2 } });
    expect((await client.say('e')).code).toBe('RESOURCE_EXHAUSTED');
    gate.open();
    expect((await Promise.all(out)).map(({ code }) => code)).toEqual(['OK', 'OK', 'OK']);
    await mesh.close();
  });
});
