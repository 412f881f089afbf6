import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type handleUnaryCall, ServerInterceptingCall } from '@grpc/grpc-js';
import * as otel from '@opentelemetry/api';
import { describe, expect, test, vi } from 'vitest';
import { AMBIGUOUS_KEY, ConfigError, createMesh, MeshServer, REASON_KEY, type WorkerCall } from '../../src/index.ts';
import { bind, EchoClient, echoDefinition, type Message, metadataOf, type Outcome } from '../support/loopback.ts';
import { say, tell } from './workers-module.ts';
import { MODULE, moduleOf, WorkersStage } from './workers-stage.ts';

const brief = ({ code, text, trailers }: Outcome): string => `${code} ${trailers[REASON_KEY]?.[0] ?? text ?? ''}`.trim();
const texts = (outcomes: readonly Outcome[]): (string | undefined)[] => outcomes.map(({ text }) => text);

describe('handlers in worker threads, on a server', () => {
  test('run in the threads, whether calls come alone or in a batch', async () => {
    await using stage = await WorkersStage.open({ threads: 2, data: { colour: 'red' } });
    const alone = stage.client();
    expect((await alone.say('thread')).text).not.toBe('0');
    expect((await alone.say('data')).text).toBe('{"colour":"red"}');
    const batching = stage.client(true);
    await batching.learn();
    const before = stage.mesh.stats().server.items;
    const threads = texts(await batching.burst(new Array<string>(8).fill('thread')));
    expect(stage.mesh.stats().server.items - before).toBe(8);
    expect(new Set(threads).size).toBe(2);
    expect(stage.workers.stats()).toMatchObject({ threads: 2, up: 2, inFlight: [0, 0], waiting: 0, cloned: 0, lost: 0 });
    expect(stage.said).toEqual([]);
  });

  test.each([
    { way: 'service', module: MODULE },
    { way: 'handlers', module: MODULE },
    { way: 'service', module: new URL('workers-module-objects.ts', import.meta.url) },
    { way: 'handlers', module: new URL('workers-module-objects.ts', import.meta.url) },
  ] as const)('$way, $module.pathname: answer to the letter as on the main thread (K5)', async ({ way, module }) => {
    const server = new MeshServer({ mesh: createMesh({}, { warn: () => undefined }) });
    const onMain: handleUnaryCall<Message, Message> = (call, callback) =>
      say(call as unknown as WorkerCall<Message>).then((value) => callback(null, value));
    server.addService(echoDefinition, { say: onMain, tell });
    const address = `127.0.0.1:${await bind(server)}`;
    using direct = new EchoClient({ address });
    await using stage = await WorkersStage.open({ way, module, threads: 2 });
    const single = stage.client();
    const batching = stage.client(true);
    await batching.learn();
    const metadata = metadataOf({ 'x-one': 'a', 'x-many': ['b', 'c'], 'x-bin': '00ff10' });
    const calls: [method: 'say' | 'tell', text: string][] = [
      ...['', 'hello', 'meta', 'bin', 'error', 'status', 'nothing', 'unserializable', 'unreadable', 'x'.repeat(50_000)].map(
        (text): ['say', string] => ['say', text],
      ),
      ...['hello', 'throw', 'status', 'bare', 'trailers'].map((text): ['tell', string] => ['tell', text]),
    ];
    for (const [method, text] of calls) {
      const expected = await direct.say(text, { method, metadata });

      expect(await single.say(text, { method, metadata })).toEqual(expected);
      const items = await Promise.all([0, 1, 2].map(() => batching.say(text, { method, metadata })));
      expect(items).toEqual([expected, expected, expected]);
    }
    expect(stage.workers.stats().cloned > 0).toBe(module !== MODULE);
    server.forceShutdown();
  });

  test('a message that is not described by the module is cloned, and a line says so', async () => {
    await using stage = await WorkersStage.open({ module: new URL('workers-module-objects.ts', import.meta.url) });
    expect((await stage.client().say('hello')).text).toBe('say hello');
    expect(stage.said).toEqual([expect.stringContaining('does not export its definition as "service"')]);
  });

  test('have headers, trailers, peer, path, host, deadline and no metadata of ours', async () => {
    await using stage = await WorkersStage.open();
    const client = stage.client();
    expect(await client.say('trailers')).toMatchObject({
      text: 'with',
      headers: { 'x-head': ['er'], 'x-head-bin': ['0x0102'] },
      trailers: { 'x-trailer': ['yes'], 'x-trailer-bin': ['0x00ff'] },
    });
    expect((await client.say('peer')).text).toMatch(/^true \/loop\.Echo\/Say 127\.0\.0\.1/);
    expect((await client.say('left', { deadline: Date.now() + 60_000 })).text).toBe('60');
    expect((await client.say('left')).text).toBe('Infinity');
    expect((await client.say('meta', { metadata: metadataOf({ 'x-one': '1', 'inmesh-accept': '1', 'inmesh-own': '1' }) })).text).toBe(
      'x-one',
    );
  });

  test('answer once, though a handler calls back twice', async () => {
    await using stage = await WorkersStage.open();
    const client = stage.client();
    expect(await client.say('twice', { method: 'tell' })).toMatchObject({ code: 'OK', text: 'first' });
    expect((await client.say('next')).text).toBe('say next');
    expect(stage.workers.stats()).toMatchObject({ done: 2, inFlight: [0] });
  });

  test.each([
    { name: 'as text', module: MODULE },
    { name: 'as the active one, with OpenTelemetry in the thread', module: new URL('workers-module-traced.ts', import.meta.url) },
  ])('are given the span of the call on the main thread: $name', async ({ module }) => {
    otel.propagation.setGlobalPropagator({
      inject: (_context, carrier, setter) => setter.set(carrier, 'traceparent', '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'),
      extract: (context) => context,
      fields: () => ['traceparent'],
    });
    try {
      await using stage = await WorkersStage.open({ module });
      const { text } = await stage.client().say('trace');
      if (module === MODULE) expect(text).toBe('00-0123456789abcdef0123456789abcdef-0123456789abcdef-01');
      else expect(JSON.parse(text ?? '')).toMatchObject({ traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef' });
    } finally {
      otel.propagation.disable();
    }
  });

  test('start in the context of nobody, and answer in that of their call', async () => {
    const local = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    await using stage = await WorkersStage.open({
      interceptors: [
        (_definition, call) =>
          new ServerInterceptingCall(call, {
            start: (next) => {
              next({
                onReceiveMetadata: (metadata, pass) => local.run(String(metadata.get('x-who')[0]), () => pass(metadata)),
                onReceiveMessage: (message, pass) => local.run('reading', () => pass(message)),
                onReceiveHalfClose: (pass) => local.run(`caller ${seen.length}`, () => pass()),
              });
            },
            sendMessage: (message, next) => {
              seen.push(local.getStore());
              next(message);
            },
          }),
      ],
    });
    const client = stage.client();
    expect((await client.say('context:a')).text).toBe('none a');
    expect((await client.say('context:b')).text).toBe('none b');
    expect(texts(await Promise.all([client.say('context:c'), client.say('context:d')]))).toEqual(['none c', 'none d']);
    expect(seen.slice(0, 2)).toEqual(['caller 0', 'caller 1']);
  });
});

describe('worker threads: limits, time and cancellation', () => {
  test('over the limit of a full queue calls are refused, and may run elsewhere', async () => {
    await using stage = await WorkersStage.open({ inFlight: 1, queue: 1 });
    const client = stage.client();
    const outcomes = await Promise.all([client.say('sleep:100'), client.say('sleep:100'), client.say('one'), client.say('two')]);
    expect(outcomes.map(({ code }) => code).sort()).toEqual(['OK', 'OK', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
    const refused = outcomes.filter(({ code }) => code === 'RESOURCE_EXHAUSTED');
    expect(refused).toHaveLength(2);
    expect(refused[0]?.trailers).toEqual({ 'inmesh-reason': ['server.workers/queue-full'], 'inmesh-unprocessed': ['1'] });
  });

  test('a cancelled call aborts its signal in the thread, and its place is free again (K7)', async () => {
    await using stage = await WorkersStage.open({ inFlight: 1, stallMs: 60_000 });
    const client = stage.client();
    await client.say('warm');
    const cancelled = await client.say('until-cancelled', { onCall: (call) => void setTimeout(() => call.cancel(), 200) });
    expect(cancelled.code).toBe('CANCELLED');
    expect((await client.say('heard')).text).toBe('1');
    await vi.waitFor(() => expect(stage.workers.stats().inFlight).toEqual([0]));
  });

  test('a deadline ends the call and aborts its signal; one that is over in the queue never begins (D6)', async () => {
    await using stage = await WorkersStage.open({ inFlight: 1 });
    const client = stage.client();
    await client.say('warm');
    expect((await client.say('until-cancelled', { deadline: Date.now() + 200 })).code).toBe('DEADLINE_EXCEEDED');
    expect((await client.say('heard')).text).toBe('1');
    const begun = Number((await client.say('begun')).text);
    const slow = client.say('spin:500');
    expect((await client.say('never begins', { deadline: Date.now() + 200 })).code).toBe('DEADLINE_EXCEEDED');
    expect((await slow).text).toBe('500');
    expect((await client.say('begun')).text).toBe(String(begun + 2));
  });

  test('a handler that never lets go of its thread is ended with it, and the thread replaced (K4)', async () => {
    await using stage = await WorkersStage.open({ stallMs: 100, inFlight: 2 });
    const client = stage.client();
    await client.say('warm');
    const stuck = client.say('stuck', { deadline: Date.now() + 200 });
    const sibling = client.say('sibling');
    expect((await stuck).code).toBe('DEADLINE_EXCEEDED');
    const { code, trailers } = await sibling;
    expect({ code, ...trailers }).toMatchObject({ code: 'UNAVAILABLE', [REASON_KEY]: ['server.workers/stalled'], [AMBIGUOUS_KEY]: ['1'] });
    expect((await client.say('again')).text).toBe('say again');
  });
});

describe('worker threads: crashes', () => {
  test.each(['exit', 'crash', 'memory'])(
    '%s: only the calls of that thread fail, and another takes its place within a second (K18)',
    async (how) => {
      await using stage = await WorkersStage.open({ threads: 2, inFlight: 1, resourceLimits: { maxOldGenerationSizeMb: 32 } });
      const client = stage.client();
      const victim = client.say(how);
      const others = ['a', 'b', 'c', 'd', 'e'].map((text) => client.say(text));
      const { code, details, trailers } = await victim;
      expect({ code, details }).toEqual({ code: 'UNAVAILABLE', details: 'inmesh: the worker thread of this call crashed' });
      expect(trailers).toEqual({ [REASON_KEY]: ['server.workers/crashed'], [AMBIGUOUS_KEY]: ['1'] });
      expect((await Promise.all(others)).map(brief)).toEqual(['OK say a', 'OK say b', 'OK say c', 'OK say d', 'OK say e']);
      const fellMs = performance.now();
      await vi.waitFor(() => expect(stage.workers.stats().up).toBe(2), { timeout: 5000, interval: 5 });
      expect(performance.now() - fellMs).toBeLessThan(5000); // a second, and what a busy machine adds
      expect(stage.workers.stats()).toMatchObject({ crashes: 1, lost: 1, failedStarts: 0 });
      expect(stage.said).toEqual([expect.stringMatching(/^workers: a thread died with 1 calls in it: /)]);
      expect((await client.say('after')).text).toBe('say after');
    },
  );

  test('a request that kills three threads is kept out, and the others of its batch are served (K4)', async () => {
    await using stage = await WorkersStage.open({ threads: 2 });
    const client = stage.client(true);
    await client.learn();
    const codes: string[] = [];
    for (let i = 0; i < 5; i++) {
      const [poison, ...others] = await client.burst(['exit', 'a', 'b', 'c', 'd']);
      codes.push(poison === undefined ? '' : brief(poison));
      await vi.waitFor(() => expect(stage.workers.stats().up).toBe(2), { timeout: 5000, interval: 5 });
      // Whoever shares the thread of the first crash falls with it, later ones fall alone.
      if (i > 0) expect(others.map(brief)).toEqual(['OK say a', 'OK say b', 'OK say c', 'OK say d']);
    }
    const crashed = 'UNAVAILABLE server.workers/crashed';
    const out = 'INTERNAL server.workers/quarantined';
    expect(codes).toEqual([crashed, crashed, crashed, out, out]);
    expect(stage.workers.stats()).toMatchObject({ crashes: 3, quarantined: 2 });
  });

  test.each([true, false])(
    'a thread dies in the middle of a batch, idempotent %s: what may run twice is not lost, the rest runs once at most (K17)',
    async (idempotent) => {
      const folder = mkdtempSync(join(tmpdir(), 'inmesh-workers-'));
      const log = join(folder, 'log');
      const life = join(folder, 'life');
      writeFileSync(log, '');
      writeFileSync(life, '');
      await using stage = await WorkersStage.open({ threads: 2, inFlight: 4 });
      const client = stage.client(true);
      await client.learn();
      const metadata = metadataOf({ 'x-log': log, 'x-life': life });
      const wanted = Array.from({ length: 63 }, (_, i) => `log:${i}`);
      const outcomes = await client.burst([...wanted.slice(0, 30), 'die-once', ...wanted.slice(30)], { metadata, inmesh: { idempotent } });
      const ran = readFileSync(log, 'utf8').trim().split('\n');
      rmSync(folder, { recursive: true });
      expect(stage.workers.stats().crashes).toBe(1);
      expect(stage.mesh.stats().server.items).toBeGreaterThanOrEqual(64);
      const lost = outcomes.filter(({ code }) => code !== 'OK');
      if (idempotent) expect(lost).toEqual([]);
      else {
        expect(new Set(ran).size).toBe(ran.length);
        expect(lost.length).toBeGreaterThan(0);
        expect(lost.length).toBeLessThanOrEqual(4);
        expect(new Set(lost.map(brief))).toEqual(new Set(['UNAVAILABLE server.workers/crashed']));
      }
    },
  );

  test('what a thread has finished before it dies is not lost', async () => {
    await using stage = await WorkersStage.open({ inFlight: 8 });
    const client = stage.client();
    await client.say('warm');
    const outcomes = await Promise.all(['one', 'two', 'exit'].map((text) => client.say(text)));
    expect(outcomes.map(({ code }) => code)).toEqual(['OK', 'OK', 'UNAVAILABLE']);
  });

  test.each([
    { problem: 'throws', text: 'throw new Error("no database")', why: /no database/ },
    { problem: 'can not be parsed', text: 'export const = 1', why: /Unexpected token|SyntaxError/ },
    { problem: 'exports no handler', text: 'export const a = 1', why: /exports no function/ },
    {
      problem: 'exports a service that is none',
      text: 'export const say = () => 1; export const service = {}',
      why: /an object without methods/,
    },
    { problem: 'ends its thread', text: 'process.exit(7)', why: /exit code 7/ },
  ])('a module that $problem rejects ready; calls say that nothing starts, not why', async ({ text, why }) => {
    await using stage = await WorkersStage.cold({ module: moduleOf(text) });
    const waiting = stage.client().say('early');
    const error = await stage.workers.ready.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(/^ConfigError: workers\.module: data:.* does not start in a worker thread: /);
    expect(String(error)).toMatch(why);
    expect(stage.said[0]).toMatch(why);
    for (const { code, details, trailers } of [await waiting, await stage.client().say('later')]) {
      expect(code).toBe('UNAVAILABLE');
      expect(details).toMatch(/no worker thread starts/);
      expect(details).not.toMatch(why);
      expect(trailers).toEqual({ [REASON_KEY]: ['server.workers/not-started'], 'inmesh-unprocessed': ['1'] });
    }
  });

  test('a method without a handler is unimplemented, and a line says which', async () => {
    await using stage = await WorkersStage.open({ module: moduleOf('export const say = () => ({ text: "only me" })') });
    expect((await stage.client().say('x')).text).toBe('only me');
    expect(await stage.client().say('x', { method: 'tell' })).toMatchObject({
      code: 'UNIMPLEMENTED',
      details: 'The server does not implement the method /loop.Echo/Tell',
    });
    expect(stage.said[0]).toMatch(/no handler for \/loop\.Echo\/Tell/);
  });

  test('what can not be cloned fails alone', async () => {
    const module = moduleOf('export const say = (call) => (call.request.text === "bad" ? { text: () => 1 } : call.request)');
    await using stage = await WorkersStage.open({ module });
    const client = stage.client();
    const outcomes = await Promise.all(['good', 'bad', 'fine'].map((text) => client.say(text)));
    expect(outcomes.map(({ code }) => code)).toEqual(['OK', 'INTERNAL', 'OK']);
    expect(outcomes[1]?.details).toBe('Error serializing response');
  });
});

describe('worker threads: use and end', () => {
  test("the implementation goes with the service's own definition as well", async () => {
    const mesh = createMesh({}, { warn: () => undefined });
    const workers = mesh.workers({ module: MODULE, threads: 1 });
    const server = new MeshServer({ mesh });
    server.addService(echoDefinition, workers.service(echoDefinition).implementation);
    using client = new EchoClient({ address: `127.0.0.1:${await bind(server)}` });
    expect(await client.say('hello')).toMatchObject({ code: 'OK', text: 'say hello' });
    server.forceShutdown();
    await mesh.close();
  });

  test('a process stays for calls that are in threads, and not for threads without calls', async () => {
    const program = fileURLToPath(new URL('workers-unclosed.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', program], { timeout: 15_000 });
    expect(stdout).toBe('say hello\n');
  });

  test('closing answers what is here, refuses what comes, and leaves no thread behind', async () => {
    const stage = await WorkersStage.open({ inFlight: 1 });
    const client = stage.client();
    const here = [client.say('sleep:100'), client.say('sleep:10')];
    await vi.waitFor(() => expect(stage.workers.stats()).toMatchObject({ inFlight: [1], waiting: 1 }));
    const closed = stage.mesh.close();
    expect(brief(await client.say('late'))).toBe('UNAVAILABLE server.workers/closed');
    expect((await Promise.all(here)).map(brief)).toEqual(['OK 100', 'OK 10']);
    await closed;
    await stage.workers.close();
    expect(stage.workers.stats()).toMatchObject({ up: 0, inFlight: [0] });
    expect(process.getActiveResourcesInfo().filter((name) => /Worker/.test(name))).toEqual([]);
    await stage[Symbol.asyncDispose]();
  });

  test('calls that outlast the drain end with UNAVAILABLE, once', async () => {
    await using stage = await WorkersStage.open({ inFlight: 1 });
    const client = stage.client();
    const outcomes = [client.say('stuck'), client.say('waits')];
    await vi.waitFor(() => expect(stage.workers.stats()).toMatchObject({ inFlight: [1], waiting: 1 }));
    await stage.workers.close(20);
    const [stuck, waits] = await Promise.all(outcomes);
    expect(stuck?.trailers).toEqual({ [REASON_KEY]: ['server.workers/closed'], [AMBIGUOUS_KEY]: ['1'] });
    expect(waits?.trailers).toEqual({ [REASON_KEY]: ['server.workers/closed'], 'inmesh-unprocessed': ['1'] });
  });

  test('closed before they are ready, they say so', async () => {
    const workers = createMesh().workers({ module: MODULE });
    await workers.close();
    await expect(workers.ready).rejects.toThrow(/closed before/);
  });

  test.each([
    [{}, /workers\.module: expected a URL or an absolute path, got nothing/],
    [{ module: './handlers.js' }, /workers\.module: "\.\/handlers\.js" is no URL .* use new URL\("\.\/handlers\.js", import\.meta\.url\)/],
    [{ module: MODULE, thread: 2 }, /workers\.thread: unknown option; did you mean threads\?/],
    [{ module: MODULE, threads: 0 }, /workers\.threads: expected a whole number >= 1 and <= 256, got 0/],
    [{ module: MODULE, inFlight: 1.5 }, /workers\.inFlight: .* got 1\.5/],
    [{ module: MODULE, queue: -1 }, /workers\.queue: .* got -1/],
    [{ module: MODULE, stallMs: '5s' }, /workers\.stallMs: .* did you mean 5000\?/],
    [{ module: MODULE, execArgv: '--expose-gc' }, /workers\.execArgv: expected a list/],
  ])('bad options are named: %o', (options, message) => {
    expect(() => createMesh().workers(options as never)).toThrow(message);
  });

  test('a definition without a unary method is an error', async () => {
    await using stage = await WorkersStage.open();
    const { chat } = echoDefinition;
    expect(() => stage.workers.service({ chat })).toThrow(/expected a service definition with a unary method/);
    expect(() => stage.workers.handlers(undefined as never)).toThrow(ConfigError);
  });
});
