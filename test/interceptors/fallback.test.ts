import { AsyncLocalStorage } from 'node:async_hooks';
import { InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js';
import { SpanKind } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import { fallbackInterceptor } from '../../interceptors/standalone/fallback.ts';
import { Code } from '../../src/call.ts';
import type { FallbackFunction } from '../../src/fallback/options.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import type { Fallback, Policy } from '../../src/policy/policy.gen.ts';
import { startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  type ClientDoor,
  clientDoors,
  EchoClient,
  echoDefinition,
  Gate,
  type Handlers,
  type Message,
  metadataOf,
  type RunningServer,
  serve,
} from '../support/loopback.ts';

const withFallback = (fallback?: Fallback): Policy => ({
  methods: { 'loop.Echo/Say': { retryPolicy: { maxAttempts: 1 }, ...(fallback === undefined ? {} : { fallback }) } },
});
const answering = (answer: FallbackFunction): MeshDependencies => ({ fallbacks: { 'loop.Echo/Say': answer } });

interface Stage extends AsyncDisposable {
  readonly running: RunningServer;
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly warnings: string[];
}

/** A server whose `say` fails with UNAVAILABLE unless told otherwise. */
async function stage(door: ClientDoor, policy: Policy, dependencies: MeshDependencies, handlers: Partial<Handlers> = {}): Promise<Stage> {
  const say: Handlers['say'] = (_call, callback) =>
    callback({ code: Code.UNAVAILABLE, details: 'down', metadata: metadataOf({ why: 'fire' }) });
  const running = await serve({ handlers: { say, ...handlers } });
  const warnings: string[] = [];
  const mesh = createMesh(policy, { services: [echoDefinition], warn: (line) => warnings.push(line), ...dependencies });
  const client = new EchoClient({ address: running.address, mesh, door });
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    await mesh.close();
  };
  return { running, mesh, client, warnings, [Symbol.asyncDispose]: dispose };
}

describe.for(clientDoors)('fallback behind %s', (door) => {
  test('RH19: a function answers for a failed call; the answer says so, and whose failure it hides', async () => {
    const asked: unknown[] = [];
    const answer: FallbackFunction = (failure, request: Message) => {
      asked.push(failure, request);
      return { text: `cached ${request.text}` };
    };
    await using at = await stage(door, withFallback(), answering(answer));
    expect(await at.client.say('a')).toEqual({
      code: 'OK',
      details: 'inmesh: answered by the fallback after UNAVAILABLE',
      text: 'cached a',
      headers: {},
      trailers: { 'inmesh-reason': ['client.fallback/used'] },
    });
    expect(asked).toEqual([{ code: Code.UNAVAILABLE, details: 'down', metadata: expect.objectContaining({ why: 'fire' }) }, { text: 'a' }]);
    expect(at.mesh.stats()).toMatchObject({ fallbacks: { used: 1, failed: 0 }, client: { calls: 1, failed: 0, byCode: { OK: 1 } } });
    expect(at.warnings).toEqual([]);
  });

  test('RH19: another method answers, once, with the same request and metadata', async () => {
    const seen: string[] = [];
    await using at = await stage(
      door,
      withFallback({ method: 'loop.Echo/Tell' }),
      {},
      {
        tell: (call, callback) => {
          seen.push(`${call.request.text} ${String(call.metadata.get('who')[0])}`);
          call.sendMetadata(metadataOf({ 'x-head': 'tell' }));
          callback(null, { text: 'told' }, metadataOf({ 'x-trail': 'tell' }));
        },
      },
    );
    const metadata = metadataOf({ who: 'anna' });
    const said = at.client.say('a', { metadata });
    metadata.set('who', 'ben');
    const outcome = await said;
    expect(outcome).toMatchObject({ code: 'OK', text: 'told', headers: { 'x-head': ['tell'] } });
    expect(outcome.trailers).toEqual({ 'inmesh-reason': ['client.fallback/used'], 'x-trail': ['tell'] });
    expect(seen).toEqual(['a anna']);
    expect(at.mesh.stats().client).toMatchObject({ calls: 1, attempts: 2 });
  });

  test('where the other method fails too, the call ends as it failed', async () => {
    await using at = await stage(
      door,
      withFallback({ method: 'loop.Echo/Tell' }),
      {},
      {
        tell: (_call, callback) => callback({ code: Code.INTERNAL, details: 'worse' }),
      },
    );
    const outcome = await at.client.say('a');
    expect(outcome).toMatchObject({ code: 'UNAVAILABLE', details: 'down', trailers: { why: ['fire'] } });
    expect(at.mesh.stats().fallbacks).toEqual({ used: 0, failed: 1 });
  });

  test.for([Code.NOT_FOUND, Code.CANCELLED])('code %d is not answered for unless onStatus has it', async (code) => {
    const say: Handlers['say'] = (_call, callback) => callback({ code, details: 'so it is' });
    {
      await using at = await stage(
        door,
        withFallback(),
        answering(() => ({ text: 'x' })),
        { say },
      );
      expect((await at.client.say('a')).details).toBe('so it is');
    }
    await using at = await stage(
      door,
      withFallback({ onStatus: ['NOT_FOUND', 'CANCELLED'] }),
      answering(() => ({ text: 'x' })),
      { say },
    );
    expect((await at.client.say('a')).text).toBe('x');
  });

  test('OK passes as it is, with its headers and trailers', async () => {
    const say: Handlers['say'] = (call, callback) => {
      call.sendMetadata(metadataOf({ 'x-head': 'h' }));
      callback(null, call.request, metadataOf({ 'x-trail': 't' }));
    };
    await using at = await stage(
      door,
      withFallback(),
      answering(() => ({ text: 'x' })),
      { say },
    );
    expect(await at.client.say('a')).toEqual({
      code: 'OK',
      details: 'OK',
      text: 'a',
      headers: { 'x-head': ['h'] },
      trailers: { 'x-trail': ['t'] },
    });
  });

  test('a refusal of ours and a passed deadline are answered for as well', async () => {
    const held = new Gate();
    const policy: Policy = { methods: { 'loop.Echo/Say': { bulkhead: { slots: 1 } } } };
    const say: Handlers['say'] = (call, callback) => void held.opened.then(() => callback(null, call.request));
    await using at = await stage(
      door,
      policy,
      answering(({ code }) => ({ text: `instead of ${code}` })),
      { say },
    );
    const late = at.client.say('a', { deadline: Date.now() + 100 });
    expect((await at.client.say('b')).text).toBe('instead of 8');
    expect((await late).text).toBe('instead of 4');
    held.open();
  });

  test('C1: what its own caller cancels is never answered for', async () => {
    let asked = 0;
    const fallback: FallbackFunction = () => ({ text: `${++asked}` });
    await using at = await stage(door, withFallback({ onStatus: ['CANCELLED'] }), answering(fallback), { say: () => {} });
    const outcome = at.client.say('a', { onCall: (call) => setImmediate(() => call.cancel()) });
    expect((await outcome).code).toBe('CANCELLED');
    expect(asked).toBe(0);
  });

  test('C1: a call that is cancelled while something else is asked ends with CANCELLED, once', async () => {
    const asked = new Gate();
    let cancel = (): void => {};
    const answer: FallbackFunction = () => {
      asked.open();
      return new Promise(() => {});
    };
    await using at = await stage(door, withFallback(), answering(answer));
    const outcome = at.client.say('a', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await asked.opened;
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
  });

  test('C1: the other method’s call is cancelled with it', async () => {
    let cancelled = 0;
    const asked = new Gate();
    let cancel = (): void => {};
    const tell: Handlers['tell'] = (call) => {
      call.on('cancelled', () => cancelled++);
      asked.open();
    };
    await using at = await stage(door, withFallback({ method: 'loop.Echo/Tell', timeout: '60s' }), {}, { tell });
    const outcome = at.client.say('a', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await asked.opened;
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
    await expect.poll(() => cancelled).toBe(1);
  });

  test('a promise has timeout to answer; then the call ends as it failed', async () => {
    const clock = new FakeClock();
    clock.wallOffsetMs = Date.now() - clock.nowMs();
    const asked = new Gate();
    const answer: FallbackFunction = async (_failure, { text }: Message) => {
      if (text === 'quick') return { text: 'in time' };
      asked.open();
      return new Promise(() => {});
    };
    await using at = await stage(door, withFallback({ timeout: '3s' }), { ...answering(answer), clock });
    expect((await at.client.say('quick')).text).toBe('in time');
    const outcome = at.client.say('slow');
    await asked.opened;
    await expect.poll(() => clock.pending).toBeGreaterThan(0);
    clock.advance(3000);
    expect(await outcome).toMatchObject({ code: 'UNAVAILABLE', details: 'down' });
  });

  test('a function that throws, rejects or has no answer leaves the failure as it is, and a line says what went wrong', async () => {
    const answers: Record<string, FallbackFunction> = {
      none: () => undefined,
      throws: () => {
        throw new RangeError('secret');
      },
      rejects: () => Promise.reject(new RangeError('secret')),
    };
    const answer: FallbackFunction = (failure, request: Message) => answers[request.text]?.(failure, request);
    await using at = await stage(door, withFallback(), answering(answer));
    for (const text of ['none', 'throws', 'rejects'])
      expect(await at.client.say(text)).toMatchObject({ code: 'UNAVAILABLE', details: 'down', trailers: { why: ['fire'] } });
    expect(at.warnings).toEqual(['the fallback of loop.Echo/Say gave no answer: it threw RangeError']);
    expect(at.mesh.stats().fallbacks).toEqual({ used: 0, failed: 3 });
  });

  test('it is asked in the context of its caller', async () => {
    const als = new AsyncLocalStorage<string>();
    const asked: unknown[] = [];
    const answer: FallbackFunction = (_failure, { text }: Message) => {
      asked.push(`${text} ${als.getStore()}`);
      return { text: 'x' };
    };
    await using at = await stage(door, withFallback(), answering(answer));
    // On a cold channel grpc-js tells the second of what it was asked in the first one's context.
    await Promise.all(['anna', 'ben'].map((who) => als.run(who, () => at.client.say(who))));
    expect(asked.sort()).toEqual(['anna anna', 'ben ben']);
  });

  test('the call’s span is OK, and has the status behind it', async () => {
    const traces = startTraces();
    try {
      await using at = await stage(
        door,
        withFallback(),
        answering(() => ({ text: 'x' })),
      );
      await at.client.say('a');
      const [span] = traces.spans().filter(({ kind }) => kind === SpanKind.CLIENT);
      expect(span?.attributes).toMatchObject({ 'inmesh.fallback': 'UNAVAILABLE', 'rpc.status_code': 'OK' });
    } finally {
      stopTelemetry();
    }
  });

  test('streams pass by', async () => {
    const policy: Policy = { methods: { 'loop.Echo/Count': { fallback: { onStatus: ['UNAVAILABLE'] } } } };
    await using at = await stage(
      door,
      policy,
      { fallbacks: { 'loop.Echo/Count': () => ({ text: 'x' }) } },
      {
        count: (call) => call.emit('error', { code: Code.UNAVAILABLE, details: 'down' }),
      },
    );
    const call = at.client.stub.count({ text: 'a' }, new Metadata(), {});
    call.resume();
    const code = await new Promise((resolve) => call.on('error', (error: Error & { code: number }) => resolve(error.code)));
    expect(code).toBe(Code.UNAVAILABLE);
  });
});

describe('fallback where messages are bytes', () => {
  test('without the service an object is no answer, and a line says what to give; bytes are', async () => {
    const policy = withFallback();
    const answers: unknown[] = [{ text: 'x' }, Buffer.from('bytes')];
    await using at = await stage('channel', policy, { ...answering(() => answers.shift()), services: [] });
    expect((await at.client.say('a')).code).toBe('UNAVAILABLE');
    expect(at.warnings[0]).toContain('services: [Greeter.service]');
    expect((await at.client.say('a')).text).toBe('bytes');
  });
});

describe('fallback at the interceptor door', () => {
  test('calls no other method where it would pass by interceptors of others, and says so', async () => {
    await using at = await stage('interceptors', withFallback({ method: 'loop.Echo/Tell' }), {});
    const below: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));
    using client = new EchoClient({
      address: at.running.address,
      options: { ...at.mesh.options(), interceptors: [...at.mesh.interceptors(), below] },
    });
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    expect(at.warnings).toEqual([expect.stringContaining('no interceptors of others below')]);
    expect((await at.client.say('a')).code).toBe('OK');
  });
});

describe('fallbackInterceptor', () => {
  test('answers by path on a plain client', async () => {
    const say: Handlers['say'] = (_call, callback) => callback({ code: Code.UNAVAILABLE });
    await using running = await serve({ handlers: { say } });
    const interceptors = [
      fallbackInterceptor({ answers: { '/loop.Echo/Say': (_failure, { text }: Message) => ({ text: `for ${text}` }) } }),
    ];
    using client = new EchoClient({ address: running.address, options: { interceptors } });
    expect((await client.say('a')).text).toBe('for a');
    expect((await client.say('a', { method: 'tell' })).text).toBe('tell a');
  });

  test.for<readonly [unknown, string | undefined]>([
    [{}, 'fallback.answers'],
    [{ answers: { 'loop.Echo/Say': () => 1 } }, 'did you mean "/loop.Echo/Say"?'],
    [{ answers: { '/a/B': 1 } }, 'fallback.answer: expected a function, got 1'],
    [{ answers: {}, onStatus: ['UNAVAILBLE'] }, undefined],
    [{ answers: { '/a/B': () => 1 }, onStatus: ['UNAVAILBLE'] }, 'did you mean "UNAVAILABLE"?'],
    [{ answers: { '/a/B': () => 1 }, timeoutMs: 0 }, 'fallback.timeoutMs'],
  ])('%j is %s', ([options, problem]) => {
    const make = () => fallbackInterceptor(options as never);
    if (problem === undefined) expect(make).not.toThrow();
    else expect(make).toThrow(problem);
  });
});
