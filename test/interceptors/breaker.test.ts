import { setImmediate as turn } from 'node:timers/promises';
import { CountBreaker } from 'cockatiel';
import { describe, expect, test } from 'vitest';
import { breakerInterceptor } from '../../interceptors/standalone/breaker.ts';
import { Code } from '../../src/call.ts';
import { ConfigError, LOCAL } from '../../src/errors.ts';
import { createMesh } from '../../src/mesh.ts';
import type { CircuitBreaker, Policy } from '../../src/policy/policy.gen.ts';
import { Rig, succeed } from '../doors/rig.ts';
import { doors, EchoClient, serve } from '../support/loopback.ts';

const policy = (breaker: CircuitBreaker, more: Policy['defaults'] = {}): Policy => ({
  defaults: { breaker, retryPolicy: { maxAttempts: 1 }, ...more },
});

describe.for(doors)('circuit breaker behind %s', (door) => {
  /** A call that ends with this code at the server. */
  function call(rig: Rig, code: number): number | undefined {
    const { ear } = rig.unary();
    if (code === Code.OK) succeed(rig.last);
    else rig.last.end(code);
    return ear.status?.code;
  }

  test('O28: after so many failures in a row it refuses at once with UNAVAILABLE, says who, and nothing goes out', async () => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 2 }) });
    for (let i = 0; i < 2; i++) expect(call(rig, Code.UNAVAILABLE)).toBe(Code.UNAVAILABLE);
    const { ear } = rig.unary();
    await turn();
    expect(ear.status).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'inmesh: the breaker of /loop.Echo/Say is open: its last calls failed',
      [LOCAL]: { reason: 'client.breaker/open', unprocessed: true },
    });
    expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
    expect(rig.lowers).toHaveLength(2);
    expect(rig.counts.client).toMatchObject({ calls: 3, active: 0, attempts: 2, refused: { 'client.breaker/open': 1 } });
  });

  test('O28: by the share of failures in its window', async () => {
    const rig = new Rig(door, { policy: policy({ failureRatio: 0.5, minimumCalls: 4, window: '10s' }) });
    for (const code of [Code.OK, Code.INTERNAL, Code.OK, Code.INTERNAL]) call(rig, code);
    rig.unary();
    await turn();
    expect(rig.lowers).toHaveLength(4);
  });

  test('O28: half open it lets one call out, and others when that succeeded', async () => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 1, openTime: '2s' }) });
    call(rig, Code.UNAVAILABLE);
    rig.clock.advance(2_000);
    rig.unary();
    rig.unary();
    expect(rig.lowers).toHaveLength(2);
    succeed(rig.last);
    expect(call(rig, Code.OK)).toBe(Code.OK);
    expect(call(rig, Code.OK)).toBe(Code.OK);
  });

  test('O28: a failed probe makes it wait twice as long', () => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 1, openTime: '1s', maxOpenTime: '3s' }) });
    call(rig, Code.UNAVAILABLE);
    for (const waitMs of [1_000, 2_000, 3_000, 3_000]) {
      rig.clock.advance(waitMs - 1);
      rig.unary();
      const before = rig.lowers.length;
      rig.clock.advance(1);
      call(rig, Code.UNAVAILABLE);
      expect(rig.lowers).toHaveLength(before + 1);
    }
  });

  test.each([
    ['a cancellation by the caller', Code.CANCELLED],
    ["the app's INVALID_ARGUMENT", Code.INVALID_ARGUMENT],
    ['a denied authorization', Code.PERMISSION_DENIED],
    ['NOT_FOUND', Code.NOT_FOUND],
  ])('O26: %s is no failure', (_title, code) => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 1 }) });
    for (let i = 0; i < 3; i++) expect(call(rig, code)).toBe(code);
    expect(rig.lowers).toHaveLength(3);
  });

  test('O26: a refusal of ours below, of the bulkhead, is no failure', async () => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 1 }, { bulkhead: { slots: 1 } }) });
    rig.unary();
    const { ear } = rig.unary();
    await turn();
    expect(ear.status?.code).toBe(Code.RESOURCE_EXHAUSTED);
    succeed(rig.last);
    expect(call(rig, Code.OK)).toBe(Code.OK);
  });

  test('O26: a timeout is one', async () => {
    const rig = new Rig(door, { policy: policy({ consecutiveFailures: 1 }) });
    expect(call(rig, Code.DEADLINE_EXCEEDED)).toBe(Code.DEADLINE_EXCEEDED);
    rig.unary();
    await turn();
    expect(rig.lowers).toHaveLength(1);
  });

  test('it stands above retry: a call is one outcome, and a refusal is not worth another attempt', async () => {
    const rig = new Rig(door, { policy: { defaults: { breaker: { consecutiveFailures: 2 }, idempotent: true } } });
    rig.unary();
    rig.last.end(Code.UNAVAILABLE);
    rig.clock.advance(500);
    rig.last.end(Code.UNAVAILABLE);
    rig.clock.advance(500);
    succeed(rig.last);
    expect(rig.lowers).toHaveLength(3);
    for (let failed = 0; failed < 2; failed++) {
      rig.unary();
      for (let attempt = 0; attempt < 3; attempt++) {
        rig.last.end(Code.UNAVAILABLE);
        rig.clock.advance(500);
      }
    }
    const before = rig.lowers.length;
    const { ear } = rig.unary();
    await turn();
    expect(ear.status).toMatchObject({ [LOCAL]: { reason: 'client.breaker/open' } });
    expect(rig.lowers).toHaveLength(before);
    expect(rig.clock.pending).toBe(0);
  });

  test('without a policy it adds no layer', () => {
    const rig = new Rig(door);
    for (let i = 0; i < 50; i++) call(rig, Code.UNAVAILABLE);
    expect(rig.lowers).toHaveLength(50);
  });
});

describe.for(doors)('the breaker of a mesh behind %s', (door) => {
  test('opens by real failures, by hand, and shows itself', async () => {
    let failing = true;
    await using running = await serve({
      handlers: { say: (call, callback) => callback(failing ? { code: Code.INTERNAL } : null, call.request) },
    });
    const mesh = createMesh({ methods: { 'loop.Echo/Say': { breaker: { consecutiveFailures: 3, openTime: '0.1s' } } } });
    using client = new EchoClient({ address: running.address, mesh, door });
    for (let i = 0; i < 3; i++) expect((await client.say('a')).code).toBe('INTERNAL');
    const refused = await client.say('a');
    expect(refused).toMatchObject({ code: 'UNAVAILABLE', trailers: { 'inmesh-reason': ['client.breaker/open'] } });
    expect(mesh.stats().breakers).toEqual({ '/loop.Echo/Say': { state: 'open', opened: 1, refused: 1 } });
    failing = false;
    await expect.poll(async () => (await client.say('a')).code).toBe('OK');
    const breaker = mesh.breaker('loop.Echo/Say');
    expect(breaker.state).toBe('closed');

    breaker.isolate();
    const isolated = await client.say('a');
    expect(isolated).toMatchObject({ code: 'UNAVAILABLE', trailers: { 'inmesh-reason': ['client.breaker/isolated'] } });
    breaker.release();
    expect((await client.say('a')).code).toBe('OK');

    mesh.breaker('loop.Echo/Tell').isolate();
    expect((await client.say('a', { method: 'tell' })).code).toBe('UNAVAILABLE');
    expect(mesh.stats().breakers['/loop.Echo/Tell']?.state).toBe('isolated');
    await mesh.close();
  });
});

describe('what is not a method', () => {
  test.each([
    ['/loop.Echo/Say', 'did you mean "loop.Echo/Say"?'],
    ['loop.Echo', 'expected a method such as "pkg.Service/Method"'],
  ])('%s has no breaker', (name, problem) => {
    expect(() => createMesh().breaker(name)).toThrow(ConfigError);
    expect(() => createMesh().breaker(name)).toThrow(problem);
  });
});

describe('breakerInterceptor alone', () => {
  test("guards each method for itself, with cockatiel's counters if wanted, and by hand", async () => {
    await using running = await serve({
      handlers: { say: (_call, callback) => callback({ code: Code.UNKNOWN }) },
    });
    const interceptor = breakerInterceptor({ counter: () => new CountBreaker({ threshold: 0.4, size: 2 }) });
    using client = new EchoClient({ address: running.address, options: { interceptors: [interceptor] } });
    expect([(await client.say('a')).code, (await client.say('a')).code, (await client.say('a')).code]).toEqual([
      'UNKNOWN',
      'UNKNOWN',
      'UNAVAILABLE',
    ]);
    expect((await client.say('a', { method: 'tell' })).code).toBe('OK');
    expect(interceptor.breaker('/loop.Echo/Say').state).toBe('open');
    interceptor.breaker('/loop.Echo/Tell').isolate();
    expect((await client.say('a', { method: 'tell' })).code).toBe('UNAVAILABLE');
  });

  test.each([
    [{ consecutiveFailures: 0 }, 'breaker.consecutiveFailures'],
    [{ counter: 5 as never }, 'breaker.counter: expected a function that makes a counter, got 5'],
  ])('refuses %o', (options, problem) => {
    expect(() => breakerInterceptor(options)).toThrow(problem);
  });
});
