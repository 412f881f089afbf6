import type { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { type CallOptions, Metadata, propagate, Server, type ServerUnaryCall } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { deadlineServer } from '../../interceptors/deadline.ts';
import { Code } from '../../src/call.ts';
import { LOCAL } from '../../src/errors.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { Rig } from '../doors/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { doors, EchoClient, Gate, type Message, serve } from '../support/loopback.ts';

const HOUR_MS = 3_600_000;

describe.for(doors)('deadlines of client calls behind %s', (door) => {
  test.for<[string, Policy, number | undefined, number | undefined]>([
    ['none is invented', {}, undefined, undefined],
    ['D3: a method of 0s has none', { defaults: { timeout: '2s' }, methods: { 'loop.Echo/Say': { timeout: '0s' } } }, undefined, undefined],
    ["a call's own is kept", {}, 700, 700],
    ['D3: a call without one gets the default of its method', { methods: { 'loop.Echo/Say': { timeout: '2s' } } }, undefined, 2000],
    ['a call with one of its own keeps it, sooner', { defaults: { timeout: '2s' } }, 700, 700],
    ['a call with one of its own keeps it, later', { defaults: { timeout: '2s' } }, 5000, 5000],
  ])('%s', ([, policy, givenMs, expectedMs]) => {
    const rig = new Rig(door, { policy });
    const nowMs = rig.clock.nowMs();
    rig.unary(givenMs === undefined ? undefined : nowMs + givenMs);
    expect(rig.last.deadlineMs).toBe(expectedMs === undefined ? Number.POSITIVE_INFINITY : nowMs + expectedMs);
    rig.last.end(Code.OK);
    expect(rig.clock.pending).toBe(0);
  });

  test.for([0, -1, -HOUR_MS])('D5: with %d ms left it is refused here and nothing goes out', async (leftMs) => {
    const rig = new Rig(door);
    const { ear } = rig.unary(rig.clock.nowMs() + leftMs);
    await turn();
    expect(rig.lowers).toHaveLength(0);
    expect(ear.log).toEqual(door === 'channel' ? ['status'] : ['null', 'status']);
    expect(ear.status).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      details: 'inmesh: the deadline was over before the call was made',
      [LOCAL]: { reason: 'client.deadline/late', unprocessed: true },
    });
    expect(ear.status?.metadata.get('inmesh-reason')).toEqual(['client.deadline/late']);
  });

  test.for([HOUR_MS, -HOUR_MS])('D8: a jump of the wall clock by %d ms moves no deadline', async (jumpMs) => {
    const rig = new Rig(door, { policy: { defaults: { bulkhead: { slots: 1, queue: 1 } } } });
    const { clock } = rig;
    const { ear: first } = rig.unary();
    const { ear } = rig.unary(clock.nowMs() + 1000); // waits for the slot
    clock.wallOffsetMs += jumpMs;
    clock.advance(999);
    await turn();
    expect(ear.log).toEqual([]);
    clock.advance(1);
    await turn();
    expect(ear.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    rig.last.end(Code.OK);
    expect(first.status?.code).toBe(Code.OK);
    expect(clock.pending).toBe(0);
  });
});

/** A server A whose handler does `work`, in front of a server B that tells what it sees. */
async function twoHops(
  policy: Policy,
  work: (b: EchoClient, call: ServerUnaryCall<Message, Message>) => Promise<string>,
  door: (typeof doors)[number],
  serverOfB = new Server(),
) {
  const seen: { deadlines: number[]; cancelled: number; handled: number } = { deadlines: [], cancelled: 0, handled: 0 };
  const held = new Gate();
  const arrived = new Gate();
  const b = await serve({
    server: serverOfB,
    handlers: {
      say: (call, callback) => {
        const deadline = call.getDeadline();
        seen.deadlines.push((typeof deadline === 'number' ? deadline : deadline.getTime()) - Date.now());
        seen.handled++;
        call.on('cancelled', () => seen.cancelled++);
        arrived.open();
        if (call.request.text === 'hold') void held.opened.then(() => callback(null, call.request));
        else callback(null, call.request);
      },
    },
  });
  const mesh = createMesh(policy);
  const toB = new EchoClient({ address: b.address, mesh, door });
  const a = await serve({
    server: new MeshServer({ mesh }),
    handlers: { say: (call, callback) => void work(toB, call).then((text) => callback(null, { text })) },
  });
  const toA = new EchoClient({ address: a.address });
  const close = async (): Promise<void> => {
    held.open();
    toA[Symbol.dispose]();
    await mesh.close();
    a.kill();
    b.kill();
  };
  return { toA, toB, seen, held, arrived, close, [Symbol.asyncDispose]: close };
}
const withTimeout = (ms: number): CallOptions => ({ deadline: Date.now() + ms });

describe.for(doors)('propagation through a server call to its client calls behind %s', (door) => {
  test('D1: what is left of the served call, less the hop margin, is what its call gets', async () => {
    await using hops = await twoHops({ deadline: { hopMargin: '0.5s' } }, async (b) => (await b.say('x')).text ?? '', door);
    await hops.toA.say('go', withTimeout(10_000));
    const [left = 0] = hops.seen.deadlines;
    expect(left).toBeLessThanOrEqual(9500);
    expect(left).toBeGreaterThan(8000);
  });

  test('D1: what its handler has spent before is gone', async () => {
    await using hops = await twoHops(
      { deadline: { hopMargin: '0.1s' } },
      async (b) => {
        await new Promise((resolve) => void setTimeout(resolve, 300));
        return (await b.say('x')).text ?? '';
      },
      door,
    );
    await hops.toA.say('go', withTimeout(10_000));
    const [left = 0] = hops.seen.deadlines;
    expect(left).toBeLessThanOrEqual(9600);
    expect(left).toBeGreaterThan(8000);
  });

  test('D2: the earlier of the served call and the own deadline wins', async () => {
    await using hops = await twoHops({}, async (b) => (await b.say('x', withTimeout(2000))).text ?? '', door);
    await hops.toA.say('go', withTimeout(10_000));
    await hops.toA.say('go', withTimeout(1000));
    const [own = 0, parents = 0] = hops.seen.deadlines;
    expect(own).toBeLessThanOrEqual(2000);
    expect(own).toBeGreaterThan(1000);
    expect(parents).toBeLessThanOrEqual(1000);
  });

  test('propagate false leaves calls without a deadline', async () => {
    await using hops = await twoHops({ deadline: { propagate: false } }, async (b) => (await b.say('x')).text ?? '', door);
    await hops.toA.say('go', withTimeout(10_000));
    expect(hops.seen.deadlines).toEqual([Number.POSITIVE_INFINITY]);
  });

  test('D5: a handler whose time is over makes no call that leaves', async () => {
    const outcome = Promise.withResolvers<string>();
    await using hops = await twoHops(
      { deadline: { hopMargin: '20s' } },
      async (b) => {
        const { code, trailers } = await b.say('x');
        outcome.resolve(`${code} ${trailers['inmesh-reason']}`);
        return '';
      },
      door,
    );
    await hops.toA.say('go', withTimeout(10_000));
    expect(await outcome.promise).toBe('DEADLINE_EXCEEDED client.deadline/late');
    expect(hops.seen.handled).toBe(0);
  });

  test.for(['implicitly', 'by parent:'])('C4: a cancelled server call cancels its calls, handed on %s', async (how) => {
    const inner = Promise.withResolvers<string>();
    await using hops = await twoHops(
      {},
      async (b, call) => {
        const { code } = await b.say('hold', how === 'implicitly' ? {} : { parent: call });
        inner.resolve(code);
        return '';
      },
      door,
    );
    const outcome = hops.toA.say('go', { onCall: (call) => void hops.arrived.opened.then(() => call.cancel()) });
    expect((await outcome).code).toBe('CANCELLED');
    expect(await inner.promise).toBe('CANCELLED');
  });

  test('C4: propagate_flags without CANCELLATION leave the child alone', async () => {
    const inner = Promise.withResolvers<string>();
    await using hops = await twoHops(
      {},
      async (b, call) => {
        const { code } = await b.say('hold', { parent: call, propagate_flags: propagate.DEADLINE });
        inner.resolve(code);
        return '';
      },
      door,
    );
    await hops.toA.say('go', { onCall: (call) => void hops.arrived.opened.then(() => call.cancel()) });
    await turn();
    hops.held.open();
    expect(await inner.promise).toBe('OK');
  });

  test('a served call that was answered leaves the calls that it still has out alone', async () => {
    const inner = Promise.withResolvers<string>();
    await using hops = await twoHops(
      {},
      async (b) => {
        void b.say('hold').then(({ code }) => inner.resolve(code));
        await hops.arrived.opened;
        return 'answered';
      },
      door,
    );
    expect((await hops.toA.say('go')).text).toBe('answered');
    await turn();
    hops.held.open();
    expect(await inner.promise).toBe('OK');
  });

  test('1000 calls of one parent leave one listener on it', async () => {
    let listeners = 0;
    await using hops = await twoHops(
      {},
      async (b, call) => {
        for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, () => b.say('x', { parent: call })));
        listeners = (call as EventEmitter).listenerCount('cancelled');
        return '';
      },
      door,
    );
    await hops.toA.say('go');
    expect(hops.seen.handled).toBe(1000);
    expect(listeners).toBe(1);
  });
});

describe('server deadlines', () => {
  test('D6: a call that is late when it arrives never meets its handler, and the client hears why', async () => {
    const clock = new FakeClock();
    let handled = 0;
    // The server's clock runs a minute ahead: every deadline has passed when it comes.
    clock.wallOffsetMs = Date.now() + 60_000 - clock.nowMs();
    const server = new Server({ interceptors: [asServerInterceptor(deadlineServer({ clock }))] });
    await using running = await serve({
      server,
      handlers: {
        say: (call, callback) => {
          handled++;
          callback(null, call.request);
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    const { code, trailers } = await client.say('x', withTimeout(10_000));
    expect(code).toBe('DEADLINE_EXCEEDED');
    expect(trailers['inmesh-reason']).toEqual(['server.deadline/late']);
    expect(handled).toBe(0);
    expect((await client.say('x')).code).toBe('OK'); // no deadline, never late
  });

  test('D9: with a fraction of 0.5 every second late call is served, with 0 all of them, and told', async () => {
    for (const [rejectFraction, expected] of [
      [0.5, [1, 2]],
      [0, [0, 4]],
    ] as const) {
      const clock = new FakeClock();
      clock.wallOffsetMs = Date.now() + 60_000 - clock.nowMs();
      let lateServed = 0;
      let late = 0;
      const layer = deadlineServer({ clock, rejectFraction, onLate: () => late++, onLateServed: () => lateServed++ });
      await using running = await serve({ server: new Server({ interceptors: [asServerInterceptor(layer)] }) });
      using client = new EchoClient({ address: running.address });
      const codes: string[] = [];
      for (let i = 0; i < 4; i++) codes.push((await client.say('x', withTimeout(10_000))).code);
      expect(late + lateServed).toBe(4);
      expect(codes.filter((code) => code === 'OK')).toHaveLength(lateServed);
      expect(late).toBeGreaterThanOrEqual(expected[0]);
      expect(lateServed).toBeGreaterThanOrEqual(expected[1]);
    }
  });

  test.for(['collect', 'count', 'chat'] as const)('D6: the same for %s', async (name) => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() + 60_000 - clock.nowMs();
    let handled = 0;
    const handler = (): void => void handled++;
    const server = new Server({ interceptors: [asServerInterceptor(deadlineServer({ clock }))] });
    await using running = await serve({ server, handlers: { [name]: handler } });
    using client = new EchoClient({ address: running.address });
    const options = withTimeout(10_000);
    const { promise, resolve } = Promise.withResolvers<number>();
    const call =
      name === 'collect'
        ? client.stub.collect(new Metadata(), options, () => {})
        : name === 'count'
          ? client.stub.count({ text: 'a' }, new Metadata(), options)
          : client.stub.chat(new Metadata(), options);
    (call as EventEmitter).on('error', () => {});
    (call as EventEmitter).on('status', ({ code }: { code: number }) => resolve(code));
    expect(await promise).toBe(Code.DEADLINE_EXCEEDED);
    expect(handled).toBe(0);
  });
});
