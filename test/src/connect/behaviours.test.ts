/** What else of the stack calls of Connect's client go through. */
import { Code, type Interceptor } from '@connectrpc/connect';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../../src/mesh.ts';
import { MeshServer } from '../../../src/mesh-server.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { type Call, errorOf, failing, type Handler, READ, SAY, say } from './calls.ts';
import { gate, grpcClient, loopDefinition, serveLoop, stage } from './stage.ts';

describe('Connect, unary: deadlines', () => {
  const timeLeft = (call: Call): number => Number(call.getDeadline()) - Date.now();

  test("policy's timeout ends a call, and its server is told", async () => {
    const left: number[] = [];
    const cancelled = gate();
    const handler: Handler = (call) => {
      left.push(timeLeft(call));
      call.on('cancelled', () => cancelled.open());
    };
    await using s = await stage({ policy: say({ timeout: '0.2s' }), handlers: { say: handler } });
    const error = await errorOf(s.client.say({ text: 'x' }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await cancelled.opened;
    expect(left.every((ms) => ms > 0 && ms <= 205)).toBe(true);
    expect(s.mesh.stats().client.byCode).toEqual({ DEADLINE_EXCEEDED: 1 });
  });

  test("the app's timeout wins over policy's default, and ends with Connect's words", async () => {
    const left: number[] = [];
    const handler: Handler = (call) => {
      left.push(timeLeft(call));
    };
    await using s = await stage({ policy: say({ timeout: '60s' }), handlers: { say: handler } });
    const error = await errorOf(s.client.say({ text: 'x' }, { timeoutMs: 150 }));
    expect(error).toMatchObject({ code: Code.DeadlineExceeded, rawMessage: 'the operation timed out' });
    expect(left.every((ms) => ms <= 155)).toBe(true);
    expect(s.mesh.stats().client.byCode).toEqual({ DEADLINE_EXCEEDED: 1 });
  });

  test('it ends a call whose server keeps no time', async () => {
    let signal: AbortSignal | undefined;
    const below: Interceptor = () => (request) => {
      signal = request.signal;
      return new Promise(() => {});
    };
    await using s = await stage({ policy: say({ timeout: '0.05s' }), below: [below] });
    expect((await errorOf(s.client.say({ text: 'x' }))).code).toBe(Code.DeadlineExceeded);
    expect(signal?.aborted).toBe(true);
  });

  test('without either there is none', async () => {
    let deadline: unknown;
    const handler: Handler = (call, callback) => {
      deadline = call.getDeadline();
      callback(null, { text: 'x' });
    };
    await using s = await stage({ handlers: { say: handler } });
    await s.client.say({ text: 'x' });
    expect(deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('each attempt is told what is left', async () => {
    const left: number[] = [];
    const handler: Handler = (call, callback) => {
      left.push(timeLeft(call));
      const delay = new Metadata();
      delay.set('grpc-retry-pushback-ms', '100');
      if (left.length === 1) callback({ code: status.UNAVAILABLE, details: '', metadata: delay });
      else callback(null, { text: 'x' });
    };
    await using s = await stage({ policy: say({ idempotent: true, timeout: '20s' }), handlers: { say: handler } });
    await s.client.say({ text: 'x' });
    const [first = 0, second = 0] = left;
    expect(first - second).toBeGreaterThanOrEqual(95);
  });

  test('a call made while serving one with a deadline ends no later, and is cancelled with it (D1, D2)', async () => {
    const inner: { left: number; cancelled: Promise<void> }[] = [];
    const innerHandler: Handler = (call) => {
      const cancelled = gate();
      call.on('cancelled', () => cancelled.open());
      inner.push({ left: timeLeft(call), cancelled: cancelled.opened });
    };
    await using s = await stage({ handlers: { say: innerHandler } });
    const outerMesh = createMesh();
    const outer = await serveLoop(
      {
        say: (_call, callback) => {
          s.client.say({ text: 'inner' }).then(
            ({ text }) => callback(null, { text }),
            () => callback({ code: status.UNKNOWN }),
          );
        },
      },
      new MeshServer({ mesh: outerMesh }),
    );
    const client = grpcClient(outer.baseUrl);
    const abort = new AbortController();
    const call = errorOf(client.say({ text: 'outer' }, { timeoutMs: 30_000, signal: abort.signal }));
    await expect.poll(() => inner.length).toBe(1);
    expect(inner[0]?.left).toBeGreaterThan(20_000);
    expect(inner[0]?.left).toBeLessThanOrEqual(30_005);
    abort.abort();
    await call;
    await inner[0]?.cancelled;
    await expect.poll(() => s.mesh.stats().client.byCode).toEqual({ CANCELLED: 1 });
    await outer[Symbol.asyncDispose]();
    await outerMesh.close();
  });
});

describe('Connect, unary: the rest of the stack', () => {
  test('hedging: a second attempt while the first is out, and the loser is cancelled', async () => {
    const cancelled = gate();
    let calls = 0;
    const handler: Handler = (call, callback) => {
      calls++;
      if (calls > 1) callback(null, { text: 'second' });
      else call.on('cancelled', () => cancelled.open());
    };
    const policy: Policy = { methods: { [SAY]: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.02s' } } } };
    await using s = await stage({ policy, handlers: { say: handler } });
    expect((await s.client.say({ text: 'x' })).text).toBe('second');
    expect(s.mesh.stats().client.hedges).toBe(1);
    await cancelled.opened;
  });

  test('bulkhead: what finds no slot waits its turn', async () => {
    let running = 0;
    let most = 0;
    const handler: Handler = (_call, callback) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        callback(null, { text: 'x' });
      }, 5);
    };
    await using s = await stage({ policy: say({ bulkhead: { slots: 2, queue: 100 } }), handlers: { say: handler } });
    await Promise.all(Array.from({ length: 10 }, () => s.client.say({ text: 'x' })));
    expect(most).toBe(2);
  });

  test('breaker: after so many failures in a row nothing is sent', async () => {
    const { handler, calls } = failing(Number.POSITIVE_INFINITY);
    await using s = await stage({ policy: say({ breaker: { consecutiveFailures: 3 } }), handlers: { say: handler } });
    for (let i = 0; i < 3; i++) await errorOf(s.client.say({ text: 'x' }));
    const refused = await errorOf(s.client.say({ text: 'x' }));
    expect(refused.metadata.get('inmesh-reason')).toBe('client.breaker/open');
    expect(calls.length).toBe(3);
  });

  test('adaptive limit: calls over it are refused', async () => {
    const policy = say({ limit: { initial: 1, min: 1, max: 1 } });
    await using s = await stage({ policy, handlers: { say: () => {} } });
    const first = errorOf(s.client.say({ text: 'x' }));
    expect((await errorOf(s.client.say({ text: 'x' }))).metadata.get('inmesh-reason')).toBe('client.limit/full');
    s.loop.server.forceShutdown();
    await first;
  });

  test('fallback answers for a failed call, and says so', async () => {
    await using s = await stage({
      policy: say({ fallback: {} }),
      dependencies: { fallbacks: { [SAY]: () => ({ text: 'instead', $typeName: 'loop.v1.SayResponse' }) } },
      handlers: { say: failing(1).handler },
    });
    let trailer: Headers | undefined;
    const { text } = await s.client.say({ text: 'x' }, { onTrailer: (got) => (trailer = got) });
    expect(text).toBe('instead');
    expect(trailer?.get('inmesh-reason')).toBe('client.fallback/used');
  });

  test('cache: the second of two that ask the same is answered here', async () => {
    const { handler, calls } = failing(0);
    const policy: Policy = { methods: { [READ]: { idempotent: true, cache: { ttl: '60s' } } } };
    await using s = await stage({ policy, dependencies: { services: [loopDefinition] }, handlers: { read: handler } });
    const first = await s.client.read({ text: 'x' });
    const second = await s.client.read({ text: 'x' });
    expect(second).toEqual(first);
    expect(second).not.toBe(first);
    expect(calls.length).toBe(1);
  });

  test('faults of the policy come in as they do elsewhere', async () => {
    const policy: Policy = { faults: [{ match: { methods: [SAY] }, percent: 100, abort: 'DATA_LOSS' }] };
    await using s = await stage({ policy });
    const error = await errorOf(s.client.say({ text: 'x' }));
    expect(error.code).toBe(Code.DataLoss);
    expect(error.metadata.get('inmesh-reason')).toBe('client.fault/abort');
  });

  test('coalescing is not there, and that is said once', async () => {
    const warnings: string[] = [];
    await using s = await stage({ policy: { coalesce: 'auto' }, dependencies: { warn: (line) => warnings.push(line) } });
    await Promise.all(Array.from({ length: 5 }, () => s.client.say({ text: 'x' })));
    await s.client.read({ text: 'x' });
    expect(warnings).toEqual([expect.stringMatching(/coalescing.*Connect/)]);
    expect(s.mesh.stats().coalesce.carriers).toBe(0);
  });

  test('mirroring is not there either, and that is said once', async () => {
    const warnings: string[] = [];
    const policy: Policy = { clusters: { other: { target: '127.0.0.1:1' } }, mirrors: [{ cluster: 'other' }] };
    await using s = await stage({ policy, dependencies: { warn: (line) => warnings.push(line) } });
    await s.client.say({ text: 'x' });
    await s.client.say({ text: 'x' });
    expect(warnings).toEqual([expect.stringContaining('not mirrored')]);
  });

  test('a route that names the method throws: it must not be passed by', async () => {
    const policy: Policy = { clusters: { other: { target: '127.0.0.1:1' } }, routes: [{ cluster: 'other' }] };
    await using s = await stage({ policy });
    await expect(s.client.say({ text: 'x' })).rejects.toThrow(/policy\.routes/);
    expect(s.mesh.stats().client.active).toBe(0);
  });
});
