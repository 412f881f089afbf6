/**
 * Calls of many clients become one call of a batch handler, and each caller is told its own (K1, K2, K4, K5, K7, K8, K16, K20, Q6, Q8, Q19).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Metadata, Server, ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { BatchHandler, BatchHandlerOptions } from '../../src/grpc/batch-handler.ts';
import type { BatchItem } from '../../src/grpc/batch-handler-item.ts';
import type { BatchReply } from '../../src/grpc/batch-handler-reply.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { EchoClient, Gate, type Message, metadataOf, serve } from '../support/loopback.ts';

type Items = readonly BatchItem<Message>[];

interface Stage extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly address: string;
  /** Plain and coalescing clients of one server. */
  readonly clients: { readonly plain: EchoClient; readonly batches: EchoClient };
}

/** A server with this batch handler behind `say`, and two clients; `learn` is answered beside it. */
async function stage(
  handler: BatchHandler<Message, Message>,
  options: BatchHandlerOptions<Message> = {},
  interceptors: ServerInterceptor[] = [],
): Promise<Stage> {
  const mesh = createMesh();
  const gathered = mesh.batchHandler<Message, Message>(handler, options);
  const running = await serve({
    server: new MeshServer({ mesh, interceptors }),
    handlers: { say: gathered, tell: (call, callback) => callback(null, call.request) },
  });
  const clientMesh = createMesh({ coalesce: 'auto', defaults: { retryPolicy: { maxAttempts: 1 } } });
  const plain = new EchoClient({ address: running.address });
  const batches = new EchoClient({ address: running.address, mesh: clientMesh });
  await Promise.all([plain.say('warm', { method: 'tell' }), batches.say('learn', { method: 'tell' })]);
  const dispose = async (): Promise<void> => {
    plain[Symbol.dispose]();
    batches[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
    await expect.poll(() => mesh.stats().server.active).toBe(0);
    await expect.poll(() => mesh.stats().server.gathered).toMatchObject({ waiting: 0, running: 0 });
  };
  return { mesh, address: running.address, clients: { plain, batches }, [Symbol.asyncDispose]: dispose };
}

const echoAll = (items: Items): Message[] => items.map(({ request }) => ({ text: `say ${request.text}` }));
const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);
const coded = (code: number, details: string, metadata?: Metadata): Error =>
  Object.assign(new Error('hidden'), { code, details, ...(metadata && { metadata }) });

/** Holds the first run until the gate opens, so that the next gathers. */
function held(handler: BatchHandler<Message, Message>, gate: Gate): BatchHandler<Message, Message> {
  let first = true;
  return async (items, run) => {
    if (first) {
      first = false;
      await gate.opened;
    }
    return handler(items, run);
  };
}

describe('batchHandler', () => {
  test('plain calls of many clients and items of batches meet in one run, and each has its own answer (K1)', async () => {
    const sizes: number[] = [];
    const gate = new Gate();
    const handler = held((items, run) => {
      sizes.push(items.length);
      expect(run.method).toBe('/loop.Echo/Say');
      return echoAll(items);
    }, gate);
    await using all = await stage(handler, { maxConcurrent: 1 });
    using other = new EchoClient({ address: all.address });
    const outcomes = [all.clients.plain.say('first')];
    await expect.poll(() => all.mesh.stats().server.gathered.running).toBe(1);
    const texts = numbers(20);
    for (const client of [all.clients.plain, all.clients.batches, other]) outcomes.push(...texts.map((text) => client.say(text)));
    await expect.poll(() => all.mesh.stats().server.gathered.waiting).toBe(60);
    gate.open();
    expect((await Promise.all(outcomes)).map(({ text }) => text)).toEqual(
      ['first', ...texts, ...texts, ...texts].map((text) => `say ${text}`),
    );
    expect(sizes).toEqual([1, 60]);
    const { server } = all.mesh.stats();
    expect(server.gathered).toMatchObject({ runs: 2, items: 61 });
    expect(server.items).toBe(20);
  });

  test('K5: a reply may be an error with code, details and metadata, and trailers go with either', async () => {
    await using all = await stage((items) =>
      items.map((item): BatchReply<Message> => {
        item.trailers.set('x-data-bin', Buffer.from([0, 255]));
        item.call.sendMetadata(metadataOf({ 'x-head': item.request.text }));
        if (item.request.text === 'a') return { text: 'fine' };
        if (item.request.text === 'b') return coded(status.NOT_FOUND, 'no b', metadataOf({ 'x-why': 'gone' }));
        if (item.request.text === 'c') return { error: coded(status.ABORTED, 'no c') };
        return new Error('secret');
      }),
    );
    for (const client of Object.values(all.clients)) {
      const outcomes = await client.burst(['a', 'b', 'c', 'd']);
      expect(outcomes.map(({ code, details, text }) => ({ code, details, text }))).toEqual([
        { code: 'OK', details: expect.anything(), text: 'fine' },
        { code: 'NOT_FOUND', details: 'no b', text: undefined },
        { code: 'ABORTED', details: 'no c', text: undefined },
        { code: 'UNKNOWN', details: 'Unknown error', text: undefined },
      ]);
      expect(outcomes.map(({ trailers }) => trailers)).toEqual([
        { 'x-data-bin': ['0x00ff'] },
        { 'x-data-bin': ['0x00ff'], 'x-why': ['gone'] },
        { 'x-data-bin': ['0x00ff'] },
        { 'x-data-bin': ['0x00ff'] },
      ]);
      expect(outcomes[0]?.headers).toMatchObject({ 'x-head': ['a'] });
    }
  });

  test('a response that has a field named error is a response', async () => {
    await using all = await stage((items) =>
      items.map(({ request }) => ({ text: request.text, error: { code: 5, message: 'of the app' } })),
    );
    expect((await all.clients.plain.say('mine')).text).toBe('mine');
  });

  test.each([
    ['another length', 'INTERNAL', 'inmesh: the batch handler gave 1 replies for 2 calls', (): Message[] => [{ text: 'x' }]],
    ['no list', 'INTERNAL', 'inmesh: the batch handler gave no list of replies', () => ({}) as unknown as Message[]],
    [
      'a thrown status',
      'DATA_LOSS',
      'lost',
      (): never => {
        throw coded(status.DATA_LOSS, 'lost');
      },
    ],
    [
      'anything thrown',
      'UNKNOWN',
      'Unknown error',
      (): never => {
        throw new Error('secret /etc');
      },
    ],
    [
      'a number of another world',
      'UNKNOWN',
      'Unknown error',
      (): never => {
        throw coded(404, 'not ours');
      },
    ],
  ])('K2, Q19: %s fails every call of that run with %s, and no other', async (_what, code, details, bad) => {
    let broken = true;
    await using all = await stage(async (items) => (broken && items[0]?.request.text === 'bad' ? bad() : echoAll(items)), {
      keyOf: ({ request }) => request.text,
    });
    const [one, two, good] = await all.clients.plain.burst(['bad', 'bad', 'good']);
    for (const outcome of [one, two]) expect(outcome).toMatchObject({ code, details });
    expect(good?.text).toBe('say good');
    if (code === 'INTERNAL') expect(one?.trailers).toEqual({ 'inmesh-reason': ['server.gather/bad-replies'] });
    broken = false;
    expect((await all.clients.plain.say('bad')).text).toBe('say bad');
  });

  test('K2: a place without a reply fails that call alone', async () => {
    await using all = await stage((items) =>
      items.map(({ request }) => (request.text === 'a' ? (undefined as unknown as Message) : request)),
    );
    const outcomes = await all.clients.plain.burst(['a', 'b']);
    expect(outcomes.map(({ code }) => code)).toEqual(['INTERNAL', 'OK']);
  });

  test('K8: a call that is late leaves before its run; one in a run ends at its own time and its result is not waited for', async () => {
    const gate = new Gate();
    const seen: string[] = [];
    const signals: boolean[] = [];
    const handler: BatchHandler<Message, Message> = async (items) => {
      seen.push(items.map(({ request }) => request.text).join(''));
      await gate.opened;
      signals.push(...items.map(({ signal }) => signal.aborted));
      return echoAll(items);
    };
    await using all = await stage(handler, { maxConcurrent: 1 });
    const { plain } = all.clients;
    const soon = { deadline: Date.now() + 300 };
    const running = [plain.say('a', soon), plain.say('b')];
    await expect.poll(() => all.mesh.stats().server.gathered.running).toBe(1);
    const waiting = [plain.say('c', soon), plain.say('d')];
    const [a, c] = await Promise.all([running[0], waiting[0]]);
    expect([a?.code, c?.code]).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED']);
    // grpc-js's client resets the stream at the same moment: whichever is seen first.
    const gone = (): number => {
      const { left } = all.mesh.stats().server.gathered;
      return left.deadline + left['deadline-in-queue'] + left.cancelled;
    };
    await expect.poll(gone).toBe(2);
    gate.open();
    expect((await Promise.all([running[1], waiting[1]])).map((outcome) => outcome?.text)).toEqual(['say b', 'say d']);
    expect(seen).toEqual(['ab', 'd']);
    expect(signals.slice(0, 2)).toEqual([true, false]);
  });

  test('K7: who cancels while waiting never runs; when all have cancelled the run is told', async () => {
    const gate = new Gate();
    const seen: string[] = [];
    const aborted = new Gate();
    const handler: BatchHandler<Message, Message> = async (items, run) => {
      seen.push(items.map(({ request }) => request.text).join(''));
      run.signal.addEventListener('abort', () => aborted.open());
      await gate.opened;
      return echoAll(items);
    };
    await using all = await stage(handler, { maxConcurrent: 1 });
    const { plain } = all.clients;
    const cancels: (() => void)[] = [];
    const onCall = (call: { cancel(): void }): void => void cancels.push(() => call.cancel());
    const outcomes = [plain.say('a', { onCall })];
    await expect.poll(() => all.mesh.stats().server.gathered.running).toBe(1);
    outcomes.push(plain.say('b', { onCall }), plain.say('c'));
    await expect.poll(() => all.mesh.stats().server.gathered.waiting).toBe(2);
    for (const cancel of cancels) cancel();
    await aborted.opened;
    await expect.poll(() => all.mesh.stats().server.gathered.waiting).toBe(1);
    expect(all.mesh.stats().server.gathered.running).toBe(1); // work that goes on is work
    gate.open();
    expect((await Promise.all(outcomes)).map(({ code }) => code)).toEqual(['CANCELLED', 'CANCELLED', 'OK']);
    expect(seen).toEqual(['a', 'c']);
  });

  test('K16: over maxWaiting a call ends with RESOURCE_EXHAUSTED that says who, and never ran', async () => {
    const gate = new Gate();
    await using all = await stage(held(echoAll, gate), { maxConcurrent: 1, maxWaiting: 1 });
    const { plain } = all.clients;
    const first = plain.say('a');
    await expect.poll(() => all.mesh.stats().server.gathered.running).toBe(1);
    const outcomes = plain.burst(['b', 'c']);
    await expect.poll(() => all.mesh.stats().server.gathered.left['queue-full']).toBe(1);
    gate.open();
    expect((await first).code).toBe('OK');
    expect(await outcomes).toMatchObject([
      { code: 'OK' },
      { code: 'RESOURCE_EXHAUSTED', trailers: { 'inmesh-reason': ['server.gather/queue-full'], 'inmesh-unprocessed': ['1'] } },
    ]);
  });

  test('Q6: the interceptors of every call have run before it is gathered', async () => {
    const guard: ServerInterceptor = (_definition, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              if (metadata.get('who')[0] === 'mallory') call.sendStatus({ code: status.PERMISSION_DENIED, details: 'no', metadata: null });
              else pass(metadata);
            },
          }),
      });
    const seen: unknown[] = [];
    const handler: BatchHandler<Message, Message> = (items) => {
      seen.push(...items.map(({ metadata }) => metadata.get('who')[0]));
      return echoAll(items);
    };
    await using all = await stage(handler, {}, [guard]);
    for (const client of Object.values(all.clients)) {
      const outcomes = await Promise.all(['anna', 'mallory', 'ben'].map((who) => client.say('x', { metadata: metadataOf({ who }) })));
      expect(outcomes.map(({ code }) => code)).toEqual(['OK', 'PERMISSION_DENIED', 'OK']);
    }
    expect(seen.sort()).toEqual(['anna', 'anna', 'ben', 'ben']);
  });

  test('Q8: calls with different keys never share a run', async () => {
    const runs: string[] = [];
    const handler: BatchHandler<Message, Message> = (items) => {
      runs.push(items.map(({ metadata }) => metadata.get('tenant')[0]).join());
      return echoAll(items);
    };
    await using all = await stage(handler, { keyOf: ({ metadata }) => String(metadata.get('tenant')[0]) });
    const calls = numbers(6).map((text) =>
      all.clients.plain.say(text, { metadata: metadataOf({ tenant: Number(text) % 2 ? 'odd' : 'even' }) }),
    );
    expect((await Promise.all(calls)).every(({ code }) => code === 'OK')).toBe(true);
    expect(runs.every((run) => new Set(run.split(',')).size === 1)).toBe(true);
    expect(runs.join().split(',')).toHaveLength(6);
  });

  test('no context bleeds: the run has none, and every call ends in its own', async () => {
    const store = new AsyncLocalStorage<string>();
    const ends: (string | undefined)[] = [];
    const enters: ServerInterceptor = (_definition, call) => {
      let who = '';
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              who = String(metadata.get('who')[0]);
              store.run(who, () => pass(metadata));
            },
            onReceiveMessage: (message, pass) => store.run(who, () => pass(message)),
            onReceiveHalfClose: (pass) => store.run(who, () => pass()),
          }),
        sendMessage: (message, next) => {
          if (who !== 'undefined') ends.push(`${who}:${store.getStore()}`);
          next(message);
        },
      });
    };
    const inRun: (string | undefined)[] = [];
    const handler: BatchHandler<Message, Message> = async (items) => {
      inRun.push(store.getStore());
      await null;
      inRun.push(store.getStore());
      return echoAll(items);
    };
    await using all = await stage(handler, {}, [enters]);
    for (const client of Object.values(all.clients)) {
      await Promise.all(['anna', 'ben', 'carl'].map((who) => client.say('x', { metadata: metadataOf({ who }) })));
    }
    expect(ends).toHaveLength(6);
    expect(ends.every((line) => line?.split(':')[0] === line?.split(':')[1])).toBe(true);
    expect(inRun.every((one) => one === undefined)).toBe(true);
  });

  test('what a run asks of others has the latest deadline of its calls', async () => {
    let inner: number | undefined;
    await using back = await serve({
      handlers: {
        say: (call, callback) => {
          inner = Number(call.getDeadline()) - Date.now();
          callback(null, call.request);
        },
      },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: back.address, mesh });
    await using all = await stage(async (items) => {
      await client.say('inner');
      return echoAll(items);
    });
    await Promise.all([1000, 5000].map((ms) => all.clients.plain.say('x', { deadline: Date.now() + ms })));
    expect(inner).toBeGreaterThan(1500);
    expect(inner).toBeLessThanOrEqual(5050);
  });

  test('a plain grpc-js server takes the handler as well', async () => {
    const mesh = createMesh();
    await using running = await serve({ server: new Server(), handlers: { say: mesh.batchHandler<Message, Message>(echoAll) } });
    using client = new EchoClient({ address: running.address });
    expect((await client.burst(['a', 'b'])).map(({ text }) => text)).toEqual(['say a', 'say b']);
  });

  test.each([
    [
      () => createMesh().batchHandler('x' as unknown as BatchHandler<Message, Message>),
      'batchHandler: expected a function of items, got "x"',
    ],
    [
      () => createMesh().batchHandler(echoAll, { keyOf: 'tenant' as unknown as () => string }),
      'batchHandler.keyOf: expected a function, got "tenant"',
    ],
    [() => createMesh().batchHandler(echoAll, { maxItem: 3 } as object), 'batchHandler.maxItem: unknown option; did you mean maxItems?'],
  ])('bad input %# is refused at once', (make, text) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(text);
  });
});

describe('span of a run', () => {
  afterEach(stopTelemetry);

  test('is linked with the spans of its calls both ways, and is the parent of what the handler opens', async () => {
    const traces = startTraces();
    onTestFinished(() => undefined);
    await using all = await stage((items) => {
      traces.provider.getTracer('app').startSpan('query').end();
      return echoAll(items);
    });
    await all.clients.plain.burst(['a', 'b', 'c']);
    const run = traces.named('loop.Echo/Say batch');
    const calls = traces.spans().filter(({ name }) => name === 'loop.Echo/Say');
    expect(calls).toHaveLength(3);
    expect(run.parentSpanContext).toBeUndefined();
    expect(run.attributes).toMatchObject({ 'rpc.method': 'loop.Echo/Say', 'inmesh.batch.size': 3 });
    const ids = (links: readonly { context: { spanId: string } }[]): string[] => links.map(({ context }) => context.spanId).sort();
    expect(ids(run.links)).toEqual(calls.map((span) => span.spanContext().spanId).sort());
    for (const call of calls) expect(ids(call.links)).toEqual([run.spanContext().spanId]);
    expect(traces.named('query').parentSpanContext?.spanId).toBe(run.spanContext().spanId);
  });
});
