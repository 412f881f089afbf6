import { AsyncLocalStorage } from 'node:async_hooks';
import { InterceptingCall, type Interceptor, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  BrokenCircuitError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  ConstantBackoff,
  circuitBreaker,
  fallback,
  handleAll,
  handleWhen,
  handleWhenResult,
  type IPolicy,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { describe, expect, test } from 'vitest';
import { policyInterceptor } from '../../interceptors/standalone/policy.ts';
import { Code } from '../../src/call.ts';
import type { UnaryPolicy } from '../../src/grpc/policy-call.ts';
import { policyFailure } from '../../src/grpc/policy-failure.ts';
import { refusalOf } from '../../src/grpc/refuse.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { type ClientDoor, clientDoors, EchoClient, echoDefinition, Gate, type Handlers, metadataOf, serve } from '../support/loopback.ts';

const ONCE: Policy = { defaults: { retryPolicy: { maxAttempts: 1 } } };
const isUnavailable = handleWhen((error) => (error as ServiceError).code === Code.UNAVAILABLE);
const thrice = (): IPolicy => retry(isUnavailable, { maxAttempts: 2, backoff: new ConstantBackoff(1) });

interface Stage extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly client: EchoClient;
  readonly warnings: string[];
  /** Texts that reached the handler. */
  readonly seen: string[];
}

async function stage(
  door: ClientDoor,
  policies: MeshDependencies['policies'],
  say: Handlers['say'],
  { policy = ONCE, ...dependencies }: MeshDependencies & { policy?: Policy } = {},
): Promise<Stage> {
  const seen: string[] = [];
  const counted: Handlers['say'] = (call, callback) => {
    seen.push(call.request.text);
    say(call, callback);
  };
  const running = await serve({ handlers: { say: counted } });
  const warnings: string[] = [];
  const given = policies === undefined ? {} : { policies };
  const mesh = createMesh(policy, { ...given, services: [echoDefinition], warn: (line) => warnings.push(line), ...dependencies });
  const client = new EchoClient({ address: running.address, mesh, door });
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
    await expect.poll(() => mesh.stats().client.active).toBe(0);
    await mesh.close();
  };
  return { mesh, client, warnings, seen, [Symbol.asyncDispose]: dispose };
}

const down: Handlers['say'] = (_call, callback) =>
  callback({ code: Code.UNAVAILABLE, details: 'down', metadata: metadataOf({ why: 'fire' }) });
const echo: Handlers['say'] = (call, callback) => {
  call.sendMetadata(metadataOf({ 'x-head': 'h' }));
  callback(null, call.request, metadataOf({ 'x-trail': 't' }));
};

describe.for(clientDoors)('cockatiel policies behind %s', (door) => {
  test('a call that succeeds comes through with its headers and trailers', async () => {
    await using at = await stage(door, wrap(thrice(), bulkhead(10)), echo);
    expect(await at.client.say('a')).toEqual({
      code: 'OK',
      details: 'OK',
      text: 'a',
      headers: { 'x-head': ['h'] },
      trailers: { 'x-trail': ['t'] },
    });
  });

  test('retry: runs the call again with its own request and metadata, and sees code and metadata of the failure', async () => {
    const errors: unknown[] = [];
    const policy = retry(
      handleWhen((error) => {
        const { code, details, metadata } = error as ServiceError;
        errors.push({ code, details, why: metadata.get('why') });
        return code === Code.UNAVAILABLE;
      }),
      { maxAttempts: 2, backoff: new ConstantBackoff(1) },
    );
    const whos: unknown[] = [];
    await using at = await stage(door, policy, (call, callback) => {
      whos.push(call.metadata.get('who')[0]);
      return whos.length < 3 ? down(call, callback) : echo(call, callback);
    });
    const metadata = metadataOf({ who: 'anna' });
    const said = at.client.say('a', { metadata });
    metadata.set('who', 'ben');
    expect(await said).toMatchObject({ code: 'OK', text: 'a' });
    expect(at.seen).toEqual(['a', 'a', 'a']);
    expect(whos).toEqual(['anna', 'anna', 'anna']);
    expect(errors).toEqual(Array(2).fill({ code: Code.UNAVAILABLE, details: 'down', why: ['fire'] }));
    expect(at.mesh.stats().client).toMatchObject({ calls: 1, attempts: 3 });
  });

  test('retry: what is left of a failure comes through as it is', async () => {
    await using at = await stage(door, thrice(), down);
    expect(await at.client.say('a')).toMatchObject({ code: 'UNAVAILABLE', details: 'down', trailers: { why: ['fire'] } });
    expect(at.seen).toHaveLength(3);
  });

  test('retry: by what the response says', async () => {
    const policy = retry(
      handleWhenResult((value) => (value as { text: string }).text === 'not yet'),
      { maxAttempts: 5, backoff: new ConstantBackoff(1) },
    );
    await using at = await stage(door, policy, (call, callback) =>
      callback(null, { text: at.seen.length < 3 ? 'not yet' : call.request.text }),
    );
    expect((await at.client.say('a')).text).toBe('a');
    expect(at.seen).toHaveLength(3);
  });

  test('circuit breaker: an open circuit is UNAVAILABLE, one opened by hand too, and nothing goes out', async () => {
    const breaker = circuitBreaker(isUnavailable, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(2) });
    await using at = await stage(door, breaker, down);
    await at.client.say('a');
    await at.client.say('a');
    expect(breaker.state).toBe(CircuitState.Open);
    expect(await at.client.say('a')).toMatchObject({
      code: 'UNAVAILABLE',
      details: 'inmesh: the circuit of the policy is open (/loop.Echo/Say)',
      trailers: { 'inmesh-reason': ['client.policy/broken-circuit'] },
    });
    const isolated = breaker.isolate();
    expect((await at.client.say('a')).trailers['inmesh-reason']).toEqual(['client.policy/isolated']);
    isolated.dispose();
    expect(at.seen).toHaveLength(2);
    expect(at.mesh.stats().client.refused).toEqual({ 'client.policy/broken-circuit': 1, 'client.policy/isolated': 1 });
  });

  test('bulkhead: a full one is RESOURCE_EXHAUSTED', async () => {
    const gate = new Gate();
    await using at = await stage(door, bulkhead(1, 1), (call, callback) => void gate.opened.then(() => callback(null, call.request)));
    const calls = [at.client.say('a'), at.client.say('b')];
    expect(await at.client.say('c')).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      trailers: { 'inmesh-reason': ['client.policy/bulkhead-full'] },
    });
    gate.open();
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['OK', 'OK']);
    expect(at.seen).toEqual(['a', 'b']);
  });

  test.for([TimeoutStrategy.Cooperative, TimeoutStrategy.Aggressive])(
    'timeout (%s): is DEADLINE_EXCEEDED, and the call that was out is cancelled',
    async (strategy) => {
      let cancelled = 0;
      await using at = await stage(door, timeout(100, strategy), (call) => void call.on('cancelled', () => cancelled++));
      expect(await at.client.say('a')).toMatchObject({
        code: 'DEADLINE_EXCEEDED',
        trailers: { 'inmesh-reason': ['client.policy/timeout'] },
      });
      await expect.poll(() => cancelled, { timeout: 5_000 }).toBe(1);
    },
  );

  test('fallback: its value is the response, and says so', async () => {
    await using at = await stage(door, fallback(isUnavailable, { text: 'instead' }), down);
    expect(await at.client.say('a')).toMatchObject({
      code: 'OK',
      text: 'instead',
      trailers: { 'inmesh-reason': ['client.policy/fallback'] },
    });
  });

  test('several are wrapped, the first outermost; by method and by service', async () => {
    const method = [fallback(handleAll, { text: 'instead' }), thrice()];
    await using at = await stage(door, { 'loop.Echo/Say': method, 'loop.Echo': thrice(), 'other.Service': thrice() }, down);
    expect((await at.client.say('a')).text).toBe('instead');
    expect(at.seen).toHaveLength(3);
    expect((await at.client.say('b', { method: 'tell' })).text).toBe('tell b');
  });

  test('C1: the caller’s cancellation reaches the call that is out and stops a policy that would go on for ever', async () => {
    let cancelled = 0;
    const endless = retry(handleAll, { backoff: new ConstantBackoff(1) });
    await using at = await stage(door, endless, (call) => void call.on('cancelled', () => cancelled++));
    let cancel = (): void => {};
    const outcome = at.client.say('a', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await expect.poll(() => at.seen.length).toBe(1);
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
    await expect.poll(() => cancelled).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(at.seen).toHaveLength(1);
  });

  test('C1: also where a policy hands no signal on', async () => {
    let cancelled = 0;
    const deaf: UnaryPolicy = { execute: async (fn) => fn({ signal: new AbortController().signal }) };
    await using at = await stage(door, deaf, (call) => void call.on('cancelled', () => cancelled++));
    let cancel = (): void => {};
    const outcome = at.client.say('a', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await expect.poll(() => at.seen.length).toBe(1);
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
    await expect.poll(() => cancelled).toBe(1);
  });

  test('the call’s deadline ends it inside any policy, with what the policy had yet to wait', async () => {
    const patient = retry(handleAll, { maxAttempts: 9, backoff: new ConstantBackoff(60_000) }).dangerouslyUnref();
    await using at = await stage(door, patient, down);
    expect(await at.client.say('a', { deadline: Date.now() + 400 })).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      trailers: { 'inmesh-reason': ['client.policy/deadline'] },
    });
    expect(at.seen).toHaveLength(1);
  });

  test('a policy’s own error is INTERNAL, told by its name alone', async () => {
    const policy = fallback(handleAll, () => {
      throw new RangeError('secret');
    });
    await using at = await stage(door, policy, down);
    expect(await at.client.say('a')).toMatchObject({
      code: 'INTERNAL',
      details: 'inmesh: the policy threw RangeError (/loop.Echo/Say)',
      trailers: { 'inmesh-reason': ['client.policy/threw'] },
    });
  });

  test('an error that says its status ends the call with that', async () => {
    const policy = fallback(handleAll, () => {
      throw Object.assign(new Error('x'), { code: Code.NOT_FOUND, details: 'nothing left' });
    });
    await using at = await stage(door, policy, down);
    expect(await at.client.say('a')).toMatchObject({ code: 'NOT_FOUND', details: 'nothing left' });
  });

  test('inmesh’s retries below multiply; a line says so once, and how to leave them out', async () => {
    const policy: Policy = { defaults: { idempotent: true, retryPolicy: { maxAttempts: 2, initialBackoff: '0.001s' } } };
    await using at = await stage(door, thrice(), down, { policy });
    await at.client.say('a');
    await at.client.say('a');
    expect(at.seen).toHaveLength(12);
    expect(at.warnings).toEqual([expect.stringContaining('retryPolicy: { maxAttempts: 1 }')]);
  });

  test('all four kinds: streams pass by', async () => {
    await using at = await stage(door, thrice(), echo);
    const texts: string[] = [];
    for await (const { text } of at.client.stub.count({ text: 'x' }, new Metadata(), {})) texts.push(text);
    expect(texts).toEqual(['x 1', 'x 2', 'x 3']);
    const collected = await new Promise<string | undefined>((resolve) => {
      const call = at.client.stub.collect(new Metadata(), {}, (_error, value) => resolve(value?.text));
      call.write({ text: 'a' });
      call.write({ text: 'b' });
      call.end();
    });
    expect(collected).toBe('a+b');
    const chat = at.client.stub.chat(new Metadata(), {});
    const answered = new Promise<string>((resolve) => chat.on('data', ({ text }: { text: string }) => resolve(text)));
    chat.write({ text: 'hi' });
    expect(await answered).toBe('hi');
    const over = new Promise((resolve) => chat.on('end', resolve));
    chat.end();
    await over;
  });
});

describe('cockatiel policies where messages are bytes', () => {
  test('without the service a fallback’s object is no response', async () => {
    await using at = await stage('channel', fallback(handleAll, { text: 'x' }), down, { services: [] });
    expect(await at.client.say('a')).toMatchObject({ code: 'INTERNAL', trailers: { 'inmesh-reason': ['client.policy/threw'] } });
  });
});

describe('a policy that runs several at a time', () => {
  test('gives the answer of whichever it likes, with its own headers and trailers', async () => {
    let said = 0;
    const cancelled: number[] = [];
    const race: UnaryPolicy = {
      execute: async (fn, signal = new AbortController().signal) => Promise.any([fn({ signal }), fn({ signal })]),
    };
    await using at = await stage('channel', race, (call, callback) => {
      const number = ++said;
      call.on('cancelled', () => cancelled.push(number));
      if (number === 1) return; // never answered
      call.sendMetadata(metadataOf({ 'x-head': `${number}` }));
      callback(null, call.request);
    });
    expect(await at.client.say('a')).toMatchObject({ code: 'OK', headers: { 'x-head': ['2'] }, trailers: {} });
    await expect.poll(() => cancelled).toContain(1);
  });

  test('all of them are cancelled with the call', async () => {
    let cancelled = 0;
    const race: UnaryPolicy = { execute: async (fn) => Promise.any([1, 2].map(async () => fn({ signal: new AbortController().signal }))) };
    await using at = await stage('channel', race, (call) => void call.on('cancelled', () => cancelled++));
    let cancel = (): void => {};
    const outcome = at.client.say('a', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    await expect.poll(() => at.seen.length).toBe(2);
    cancel();
    expect((await outcome).code).toBe('CANCELLED');
    await expect.poll(() => cancelled).toBe(2);
  });
});

describe('policyFailure', () => {
  test('a call that never went out never ran; one that did may have', () => {
    const at = (attempts: number) => refusalOf(policyFailure(new BrokenCircuitError(), '/a.B/C', attempts));
    expect(at(0)).toMatchObject({ code: Code.UNAVAILABLE, reason: 'client.policy/broken-circuit', unprocessed: true });
    expect(at(1)?.unprocessed).toBe(false);
  });

  test.for([{}, null, 'x', { code: 0, details: '' }, { code: 99, details: '' }, { code: 14 }, new Error('x')])(
    '%j is INTERNAL',
    (thrown) => {
      expect(policyFailure(thrown, '/a.B/C', 1).code).toBe(Code.INTERNAL);
    },
  );
});

describe('policyInterceptor', () => {
  test('works on a plain client, fused or not', async () => {
    await using running = await serve({ handlers: { say: down } });
    const policies = wrap(fallback(isUnavailable, { text: 'instead' }), thrice());
    using client = new EchoClient({ address: running.address, options: { interceptors: [policyInterceptor(policies)] } });
    expect(await client.say('a')).toMatchObject({ code: 'OK', text: 'instead' });
  });

  test('each run of a call is in its own caller’s context, though another call began it', async () => {
    const als = new AsyncLocalStorage<string>();
    const stores: unknown[] = [];
    const below: Interceptor = (options, nextCall) => {
      stores.push(als.getStore());
      return new InterceptingCall(nextCall(options));
    };
    const gate = new Gate();
    const say: Handlers['say'] = (call, callback) => void gate.opened.then(() => callback(null, call.request));
    await using running = await serve({ handlers: { say } });
    using client = new EchoClient({ address: running.address, options: { interceptors: [policyInterceptor(bulkhead(1, 10)), below] } });
    const calls = ['anna', 'ben', 'carl'].map((who) => als.run(who, () => client.say(who)));
    gate.open();
    await Promise.all(calls);
    expect(stores).toEqual(['anna', 'ben', 'carl']);
  });

  test.for([
    [undefined, 'policies: expected a policy of cockatiel'],
    [[], 'policies: expected a policy of cockatiel'],
    [{ 'a.B/C': {} }, 'policies["a.B/C"]: expected a policy of cockatiel'],
    [{ '/a.B/C': bulkhead(1) }, 'did you mean "a.B/C"?'],
  ] as const)('%j is refused: %s', ([given, problem]) => {
    expect(() => policyInterceptor(given as never)).toThrow(problem);
  });
});
