import type { EventEmitter } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { doors, EchoClient, type Handlers, serve } from '../support/loopback.ts';
import { coalesceIn, forms } from './pair.ts';

const leftMs = (call: { getDeadline(): Date | number }): number => Number(call.getDeadline()) - Date.now();
const within = (ms: number) => ({ deadline: Date.now() + ms });

/** Both ends are meshes with policies of their own. */
async function ends(server: Policy, handlers: Partial<Handlers>, client: Policy = {}, door: (typeof doors)[number] = 'channel') {
  const serving = createMesh(server);
  const running = await serve({ server: new MeshServer({ mesh: serving }), handlers });
  const mesh = createMesh(client);
  const echo = new EchoClient({ address: running.address, mesh, door });
  const close = async (): Promise<void> => {
    await mesh.close();
    running.kill();
  };
  return { serving, running, mesh, client: echo, [Symbol.asyncDispose]: close };
}

describe('D3: calls that come to a server without a deadline', () => {
  const never: Handlers['say'] = (call, callback) => {
    if (call.request.text === 'learn') callback(null, call.request);
    else if (call.request.text === 'left') callback(null, { text: String(Math.ceil(leftMs(call))) });
    else (call as EventEmitter).on('cancelled', () => void 0);
  };

  test.for(['alone', ...forms] as const)('end when the server has given them its default, %s', async (how) => {
    let cancelled = 0;
    const say: Handlers['say'] = (call, callback) => {
      (call as EventEmitter).on('cancelled', () => call.request.text === 'never' && cancelled++);
      never(call, callback);
    };
    await using made = await ends({ server: { defaultTimeout: '0.2s' } }, { say }, how === 'alone' ? {} : { coalesce: coalesceIn(how) });
    await made.client.learn();
    const [left] = await made.client.burst(['left', 'left']);
    expect(Number(left?.text)).toBeGreaterThan(0);
    expect(Number(left?.text)).toBeLessThanOrEqual(200);
    const startMs = performance.now();
    const [first, second] = await made.client.burst(['never', 'never']);
    expect(performance.now() - startMs).toBeGreaterThan(150);
    expect([first?.code, second?.code]).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED']);
    expect(first?.trailers['inmesh-reason']).toEqual(['server.deadline/timeout']);
    await expect.poll(() => cancelled).toBe(2);
    await expect.poll(() => made.serving.stats().server.active).toBe(0);
    // They have run, so they were not dropped.
    expect(made.serving.stats().server.late).toBe(0);
  });

  test('a method may have another, or none; a deadline of the call wins', async () => {
    const tell: Handlers['tell'] = (call, callback) => callback(null, { text: String(call.getDeadline()) });
    const policy: Policy = { server: { defaultTimeout: '0.2s', methodTimeouts: { 'loop.Echo/Tell': '0s' } } };
    await using made = await ends(policy, { say: never, tell });
    expect((await made.client.say('x', { method: 'tell' })).text).toBe('Infinity');
    const { text } = await made.client.say('left', within(5000));
    expect(Number(text)).toBeGreaterThan(1000);
  });

  test('what the handler answers after it reaches nobody, and its own calls inherit the default', async () => {
    const inner = Promise.withResolvers<string>();
    let toB: EchoClient | undefined;
    const say: Handlers['say'] = (call, callback) => {
      if (call.request.text !== 'outer') return;
      // Both ends at the same instant: which of the two timers is first is nobody's promise, so the answer waits for both.
      const ended = new Promise((resolve) => (call as EventEmitter).once('cancelled', resolve));
      void toB?.say('never').then(async ({ code }) => {
        inner.resolve(code);
        await ended;
        callback(null, { text: 'too late' });
      });
    };
    await using made = await ends({ server: { defaultTimeout: '0.2s' } }, { say });
    toB = made.client;
    expect((await made.client.say('outer')).code).toBe('DEADLINE_EXCEEDED');
    expect(['DEADLINE_EXCEEDED', 'CANCELLED']).toContain(await inner.promise);
  });
});

describe.for(doors)('D4: streams behind %s', (door) => {
  const ended = (stream: EventEmitter): Promise<ServiceError> => new Promise((resolve) => stream.once('error', resolve));
  /** Says something every so often. */
  const ticking = (everyMs: number): Partial<Handlers> => ({
    count: (call) => {
      const timer = setInterval(() => call.write({ text: 'tick' }), everyMs);
      call.on('cancelled', () => clearInterval(timer));
    },
    chat: (call) => void call.on('data', (message) => call.write(message)),
  });

  test('a deadline covers the whole stream, however lively it is', async () => {
    await using made = await ends({}, ticking(10), {}, door);
    const startMs = performance.now();
    const stream = made.client.stub.count({ text: 'x' }, new Metadata(), within(200));
    let heard = 0;
    stream.on('data', () => heard++);
    expect((await ended(stream)).code).toBe(4);
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(heard).toBeGreaterThan(2);
  });

  test('an idle timeout ends one on which nothing happens, and no other', async () => {
    await using made = await ends(
      {},
      ticking(20),
      { methods: { 'loop.Echo/Count': { idleTimeout: '0.3s' }, 'loop.Echo/Chat': { idleTimeout: '0.3s' } } },
      door,
    );
    const lively = made.client.stub.count({ text: 'x' }, new Metadata(), {});
    const idle = made.client.stub.chat(new Metadata(), {});
    let over = '';
    lively.on('data', () => {}).on('error', () => (over = 'lively'));
    idle.on('data', () => {});
    idle.write({ text: 'hello' });
    const startMs = performance.now();
    const error = await ended(idle);
    expect(performance.now() - startMs).toBeGreaterThan(250);
    expect(error.code).toBe(4);
    expect(error.metadata.get('inmesh-reason')).toEqual(['client.deadline/idle']);
    await sleep(100);
    expect(over).toBe('');
    lively.cancel();
  });

  test('a unary call has none', async () => {
    const say: Handlers['say'] = (call, callback) => void setTimeout(() => callback(null, call.request), 200);
    await using made = await ends({}, { say }, { defaults: { idleTimeout: '0.05s' } }, door);
    expect((await made.client.say('x')).code).toBe('OK');
  });
});

test.for(doors)(
  'D5: a call that is late, or has less left than the hop margin, sends 0 bytes and spends nothing behind %s',
  async (door) => {
    await using running = await serve();
    let bytes = 0;
    const pipe = (from: Socket): void => {
      const to = connect(running.port, '127.0.0.1');
      from.on('data', (chunk) => (bytes += chunk.length));
      from.pipe(to).pipe(from);
      for (const socket of [from, to]) socket.on('error', () => socket.destroy());
    };
    const proxy = createServer(pipe).listen(0, '127.0.0.1');
    await new Promise((resolve) => proxy.once('listening', resolve));
    const mesh = createMesh({ defaults: { idempotent: true } });
    const client = new EchoClient({ address: `127.0.0.1:${(proxy.address() as { port: number }).port}`, mesh, door });
    await client.learn();
    await sleep(50);
    const before = { bytes, attempts: mesh.stats().client.attempts, retries: mesh.stats().client.retries };
    for (const late of [0, -1, -1000]) expect((await client.say('x', within(late))).code).toBe('DEADLINE_EXCEEDED');
    await sleep(50);
    const { attempts, retries } = mesh.stats().client;
    expect({ bytes, attempts, retries }).toEqual(before);
    await mesh.close();
    proxy.close();
  },
);

describe('D6: calls whose time is over before their handler runs', () => {
  test('in the queue of the bulkhead: dropped, counted, and the client hears DEADLINE_EXCEEDED', async () => {
    const seen: string[] = [];
    const held: (() => void)[] = [];
    const say: Handlers['say'] = (call, callback) => {
      seen.push(call.request.text);
      if (call.request.text === 'hold') held.push(() => callback(null, call.request));
      else callback(null, call.request);
    };
    await using made = await ends({ server: { bulkhead: { slots: 1, queue: 10 } } }, { say });
    await made.client.learn();
    const first = made.client.say('hold');
    await expect.poll(() => held.length).toBe(1);
    const waiting = await made.client.burst(['a', 'b', 'c'], within(400)); // time enough to be sent on a busy machine
    expect(waiting.map(({ code }) => code)).toEqual(Array(3).fill('DEADLINE_EXCEEDED'));
    await sleep(400); // the server counts from when it has read them
    for (const answer of held) answer();
    expect((await first).code).toBe('OK');
    expect(seen).toEqual(['learn', 'hold']);
    expect(made.serving.stats().server.late).toBe(3);
    expect(made.serving.stats().server.active).toBe(0);
  });

  test('M14: with 1 ms left it is dropped at one of the two ends, or was in time', async () => {
    const late: number[] = [];
    const say: Handlers['say'] = (call, callback) => {
      if (call.request.text === 'x' && leftMs(call) < -1) late.push(leftMs(call));
      callback(null, call.request);
    };
    await using made = await ends({}, { say });
    await made.client.learn();
    for (let i = 0; i < 50; i++) {
      const { code } = await made.client.say('x', within(1));
      expect(['OK', 'DEADLINE_EXCEEDED']).toContain(code);
    }
    // A handler may run out of time while it runs, but none begins when it has none: a busy machine may stop the process in between.
    expect(late.length).toBeLessThanOrEqual(2);
  });
});

describe('D7 (blocked: grpc-js reads its own header before any interceptor, and takes it out)', () => {
  /** What a handler of grpc-js is given for a header: the ms it thinks are left, or the call's end without a handler. */
  async function readBy(address: string, timeout: string): Promise<string> {
    const session = connectHttp2(`http://${address}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/loop.Echo/Say',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': timeout,
    });
    stream.end(Buffer.from([0, 0, 0, 0, 1, 0x78]));
    let body = '';
    let status = '';
    stream.on('response', (headers) => (status = String(headers['grpc-status'] ?? '')));
    stream.on('trailers', (trailers) => (status = String(trailers['grpc-status'])));
    stream.on('data', (chunk: Buffer) => (body += chunk.subarray(5).toString()));
    await new Promise((resolve) => stream.on('close', resolve).on('error', resolve));
    session.close();
    return body === '' ? `status ${status}` : body;
  }

  test.for<[string, string]>([
    ['-5m', 'anchored nowhere: 5 ms, or too late'],
    ['100000000S', 'nine digits: too late at once, or a long time'],
    ['1.5S', 'the 5S at its end'],
    ['5x', 'refused'],
    ['99999999H', 'a long time'],
  ])('D7 (blocked: grpc-js reads its own header): %s is taken for: %s', async ([timeout, meaning]) => {
    const say: Handlers['say'] = (call, callback) => callback(null, { text: String(Math.round(leftMs(call))) });
    await using made = await ends({}, { say });
    const answer = await readBy(made.running.address, timeout);
    // Whatever grpc-js made of it: the call ends, and no timer fires early for a long time.
    if (meaning === 'refused') expect(answer).toMatch(/^status \d+$/);
    else if (timeout === '1.5S') expect(Number(answer)).toBeGreaterThan(1000);
    else expect(answer).toMatch(/^-?\d+$|^status (?:4|8|13)?$|^Infinity$/);
  });
});

describe('D8: the wall clock jumps by an hour while a call is out', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.for([3_600_000, -3_600_000])('%d ms: a call in time is answered, a late one ends in time', async (jumpMs) => {
    const say: Handlers['say'] = (call, callback) => {
      if (call.request.text === 'never') return;
      setTimeout(() => callback(null, call.request), 50);
    };
    await using made = await ends({}, { say });
    await made.client.learn();
    const now = Date.now.bind(Date);
    const inTime = made.client.say('x', within(1000));
    const late = made.client.say('never', within(300));
    const startMs = performance.now();
    // Before grpc-js writes its header, in a later microtask.
    vi.spyOn(Date, 'now').mockImplementation(() => now() + jumpMs);
    expect((await inTime).code).toBe('OK');
    expect((await late).code).toBe('DEADLINE_EXCEEDED');
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(2000);
  });
});
