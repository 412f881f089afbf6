/**
 * `mesh.typed()`: promises and async iterables over all four kinds of methods.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, UsageError } from '../../src/errors.ts';
import type { TypedMethod } from '../../src/grpc/typed-client.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { echoDefinition, type Handlers, type Message, type RunningServer, serve } from '../support/loopback.ts';

const insecure = credentials.createInsecure();
const text = ({ text: said }: Message): string => said;

/** What code generators emit says which side streams; the loopback's definition is as wide as proto-loader's. */
type Of<Name extends keyof typeof echoDefinition, Q extends boolean, P extends boolean> = Omit<
  (typeof echoDefinition)[Name],
  'requestStream' | 'responseStream'
> & { readonly requestStream: Q; readonly responseStream: P };
interface Echo {
  readonly say: Of<'say', false, false>;
  readonly tell: Of<'tell', false, false>;
  readonly collect: Of<'collect', true, false>;
  readonly count: Of<'count', false, true>;
  readonly chat: Of<'chat', true, true>;
}
const EchoService = echoDefinition as unknown as Echo;

let mesh: Mesh;
let running: RunningServer;
const open = async (handlers: Partial<Handlers> = {}) => {
  running = await serve({ handlers });
  return mesh.typed(EchoService, running.address, insecure);
};
const codeOf = (error: unknown): string => `${(error as ServiceError).code} ${(error as ServiceError).details}`;

beforeEach(() => {
  mesh = createMesh();
});
afterEach(async () => {
  await expect.poll(() => mesh.stats().client.active).toBe(0);
  await mesh.close();
  running?.kill();
});

describe('a typed client', () => {
  test('has every method, by its kind', async () => {
    const echo = await open();
    expect(text(await echo.say({ text: 'a' }))).toBe('say a');
    expect(text(await echo.collect([{ text: 'a' }, { text: 'b' }]))).toBe('a+b');
    const counted: string[] = [];
    for await (const message of echo.count({ text: 'x' })) counted.push(text(message));
    expect(counted).toEqual(['x 1', 'x 2', 'x 3']);
    const said: string[] = [];
    async function* words(): AsyncGenerator<Message> {
      yield { text: 'one' };
      await sleep(5);
      yield { text: 'two' };
    }
    for await (const message of echo.chat(words())) said.push(text(message));
    expect(said).toEqual(['one', 'two']);
  });

  test('its unary calls enter the mesh directly, and all are counted', async () => {
    const echo = await open();
    await Promise.all([echo.say({ text: 'a' }), echo.tell({ text: 'b' }), echo.collect([])]);
    expect(mesh.stats().client).toMatchObject({ calls: 3, active: 0, failed: 0 });
  });

  test('answers of a two-way stream come while requests are still to come', async () => {
    const echo = await open();
    const asked: string[] = [];
    let more: (message: Message) => void = () => {};
    async function* requests(): AsyncGenerator<Message> {
      yield { text: 'first' };
      yield await new Promise<Message>((resolve) => {
        more = resolve;
      });
    }
    for await (const message of echo.chat(requests())) {
      asked.push(text(message));
      more({ text: 'second' });
    }
    expect(asked).toEqual(['first', 'second']);
  });

  test.each(['say', 'collect', 'count', 'chat'] as const)('%s fails with the ServiceError of the call', async (name) => {
    const fail = (call: { emit?: (event: string, error: object) => boolean }, callback?: (error: object) => void): void => {
      const error = { code: 5, details: 'not here' };
      if (callback === undefined) call.emit?.('error', error);
      else callback(error);
    };
    const echo = await open({ say: fail, collect: fail, count: fail, chat: fail } as unknown as Handlers);
    expect(await outcome(echo, name)).toBe('5 not here');
  });

  test.each(['say', 'collect', 'count', 'chat'] as const)('%s ends at timeoutMs, and a nearer deadline counts', async (name) => {
    const echo = await open({ say: () => {}, collect: () => {}, count: () => {}, chat: () => {} });
    const startMs = performance.now();
    expect(await outcome(echo, name, { timeoutMs: 50 })).toMatch(/^4 /);
    expect(await outcome(echo, name, { timeoutMs: 60_000, deadline: Date.now() + 50 })).toMatch(/^4 /);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  test.each(['say', 'collect', 'count', 'chat'] as const)('%s ends with its signal, whose reason is the cause', async (name) => {
    const echo = await open({ say: () => {}, collect: () => {}, count: () => {}, chat: () => {} });
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 20);
    const error = await failure(echo, name, { signal: stop.signal });
    expect(error).toMatchObject({ code: 1, cause: { message: 'enough' } });
    const { calls } = mesh.stats().client;
    expect(await failure(echo, name, { signal: stop.signal })).toMatchObject({ code: 1, cause: { message: 'enough' } });
    expect(mesh.stats().client.calls - calls).toBeLessThanOrEqual(name === 'say' ? 1 : 0); // nothing is sent
  });

  test.each(['count', 'chat'] as const)('whoever stops listening to %s cancels it', async (name) => {
    let cancelled = 0;
    const forever: Handlers['count'] = (call) => {
      call.write({ text: 'again' });
      call.on('cancelled', () => cancelled++);
    };
    const echo = await open({ count: forever, chat: forever as unknown as Handlers['chat'] });
    for await (const message of name === 'count' ? echo.count({ text: '' }) : echo.chat(never())) {
      expect(text(message)).toBe('again');
      break;
    }
    await expect.poll(() => cancelled).toBe(1);
  });

  test.each(['collect', 'chat'] as const)('requests of %s that throw end the call, and the app hears what they threw', async (name) => {
    let cancelled = 0;
    const served = Promise.withResolvers<void>();
    const wait = (call: { on(event: string, fn: () => void): unknown }): void => {
      served.resolve();
      call.on('cancelled', () => cancelled++);
    };
    const echo = await open({ collect: wait, chat: wait } as unknown as Handlers);
    async function* broken(): AsyncGenerator<Message> {
      yield { text: 'one' };
      await served.promise;
      throw new Error('no more of it');
    }
    const ended = name === 'collect' ? echo.collect(broken()) : drained(echo.chat(broken()));
    await expect(ended).rejects.toThrow('no more of it');
    await expect.poll(() => cancelled).toBe(1);
  });

  test.each(['collect', 'chat'] as const)('when %s ends early the requests are not asked for any more', async (name) => {
    let returned = 0;
    async function* endless(): AsyncGenerator<Message> {
      try {
        for (;;) {
          yield { text: 'more' };
          await sleep(1);
        }
      } finally {
        returned++;
      }
    }
    const echo = await open({
      collect: (_call, callback) => callback(null, { text: 'enough' }),
      chat: (call) => void call.once('data', () => call.end()),
    });
    if (name === 'collect') expect(text(await echo.collect(endless()))).toBe('enough');
    else await drained(echo.chat(endless()));
    await expect.poll(() => returned).toBe(1);
  });

  test('back-pressure: requests are asked for no faster than they go out', async () => {
    let asked = 0;
    function* large(): Generator<Message> {
      for (; asked < 400; asked++) yield { text: 'x'.repeat(100_000) };
    }
    const echo = await open({
      collect: (call, callback) => void setTimeout(() => call.resume().on('end', () => callback(null, { text: 'all' })), 200),
    });
    const sent = echo.collect(large());
    await sleep(100);
    expect(asked).toBeLessThan(200);
    expect(text(await sent)).toBe('all');
    expect(asked).toBe(400);
  });

  test('metadata and options of grpc-js go along', async () => {
    const echo = await open({
      count: (call) => {
        call.write({ text: String(call.metadata.get('x-a')[0]) });
        call.end();
      },
    });
    const metadata = new Metadata();
    metadata.set('x-a', 'told');
    const heard: string[] = [];
    for await (const message of echo.count({ text: '' }, { metadata, inmesh: { retry: false } })) heard.push(text(message));
    expect(heard).toEqual(['told']);
  });

  test('wrong options and wrong definitions are named', async () => {
    const echo = await open();
    expect(() => echo.count({ text: '' }, { timeoutMs: -1 })).toThrow(ConfigError);
    expect(() => echo.count({ text: '' }, { metadata: {} as Metadata })).toThrow(/options\.metadata: expected grpc-js Metadata/);
    expect(() => mesh.typed({}, running.address, insecure)).toThrow(UsageError);
    expect(() => mesh.typed({ say: 1 }, running.address, insecure)).toThrow(/but "say" is no method/);
    expect(() => mesh.typed(EchoService, running.address, insecure, { interceptors: [(options, next) => next(options) as never] })).toThrow(
      UsageError,
    );
  });

  test('closes its channel, by name or by leaving its block', async () => {
    const echo = await open();
    {
      using inner = mesh.typed(EchoService, running.address, insecure);
      await inner.say({ text: 'a' });
    }
    await echo.say({ text: 'b' });
    echo.close();
    await expect(echo.say({ text: 'c' })).rejects.toThrow(/shut down/);
  });
});

type EchoClient = Awaited<ReturnType<typeof open>>;
type CallOptions = Parameters<TypedMethod<Echo['say']>>[1];

async function* never(): AsyncGenerator<Message> {
  await sleep(60_000, undefined, { ref: false });
  yield { text: 'too late' };
}
async function drained(answers: AsyncIterable<Message>): Promise<void> {
  for await (const _ of answers);
}
function failure(echo: EchoClient, name: 'say' | 'collect' | 'count' | 'chat', options?: CallOptions): Promise<unknown> {
  const call = (): Promise<unknown> => {
    if (name === 'say') return echo.say({ text: '' }, options);
    if (name === 'collect') return echo.collect([{ text: '' }], options);
    return drained(name === 'count' ? echo.count({ text: '' }, options) : echo.chat([{ text: '' }], options));
  };
  return call().then(
    () => 'no error',
    (error: unknown) => error,
  );
}
async function outcome(...args: Parameters<typeof failure>): Promise<string> {
  return codeOf(await failure(...args));
}
