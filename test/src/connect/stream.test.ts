/** Streams of Connect's real client over the gRPC protocol, through a mesh, at a server of grpc-js. */
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { MethodPolicy, Policy } from '../../../src/policy/policy.gen.ts';
import { all, gate, type Handlers, type LoopClient, stage, type Text } from './stage.ts';

const FAST = { initialBackoff: '0.001s', maxBackoff: '0.002s' } as const;
const policyOf = (method: 'Count' | 'Collect' | 'Chat', policy: MethodPolicy): Policy => ({
  methods: { [`loop.v1.LoopService/${method}`]: { retryPolicy: FAST, ...policy } },
});

async function* texts(...list: readonly string[]): AsyncGenerator<Text> {
  for (const text of list) yield { text };
}
const heard = async (messages: AsyncIterable<Text>): Promise<string[]> => (await all(messages)).map(({ text }) => text);
const errorOf = async (work: Promise<unknown>): Promise<ConnectError> =>
  work.then(
    () => {
      throw new Error('it went well');
    },
    (error: ConnectError) => error,
  );

describe('Connect, streams: what the app sends and gets', () => {
  test('all three kinds carry what they carry without a mesh', async () => {
    await using s = await stage();
    const got = async (client: LoopClient): Promise<unknown> => ({
      count: await heard(client.count({ text: 'n' })),
      collect: (await client.collect(texts('a', 'b', 'c'))).text,
      chat: await heard(client.chat(texts('a', 'b', 'c'))),
      nothing: [await heard(client.chat(texts())), (await client.collect(texts())).text],
    });
    expect(await got(s.client)).toEqual(await got(s.bare));
    expect(s.mesh.stats().client).toMatchObject({ calls: 5, active: 0, byCode: { OK: 5 } });
  });

  test('headers come before the first message, trailers after the last', async () => {
    const handler: Handlers['count'] = (call) => {
      const headers = new Metadata();
      headers.set('x-head', 'one');
      call.sendMetadata(headers);
      call.write({ text: 'only' });
      const trailers = new Metadata();
      trailers.set('x-tail', 'two');
      call.end(trailers);
    };
    await using s = await stage({ handlers: { count: handler } });
    const events: string[] = [];
    const messages = s.client.count(
      { text: 'n' },
      {
        onHeader: (headers) => events.push(`head ${headers.get('x-head')}`),
        onTrailer: (trailers) => events.push(`tail ${trailers.get('x-tail')}`),
      },
    );
    for await (const { text } of messages) events.push(text);
    expect(events).toEqual(['head one', 'only', 'tail two']);
  });

  test('a two-way stream answers while the app still sends', async () => {
    await using s = await stage();
    const next: ((text: string) => void)[] = [];
    async function* requests(): AsyncGenerator<Text> {
      yield { text: 'first' };
      yield { text: await new Promise<string>((resolve) => next.push(resolve)) };
    }
    const answers: string[] = [];
    for await (const { text } of s.client.chat(requests())) {
      answers.push(text);
      if (answers.length === 1) await expect.poll(() => next.length).toBe(1);
      next.shift()?.(`after ${text}`);
    }
    expect(answers).toEqual(['first', 'after first']);
  });

  test('an error comes after the messages before it, as Connect made it', async () => {
    const handler: Handlers['count'] = (call) => {
      call.write({ text: 'one' });
      const metadata = new Metadata();
      metadata.set('x-why', 'because');
      call.emit('error', { code: status.DATA_LOSS, details: 'gone', metadata });
    };
    await using s = await stage({ handlers: { count: handler } });
    const got: string[] = [];
    const error = await errorOf(
      (async () => {
        for await (const { text } of s.client.count({ text: 'n' })) got.push(text);
      })(),
    );
    expect(got).toEqual(['one']);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.DataLoss, rawMessage: 'gone' });
    expect(error.metadata.get('x-why')).toBe('because');
  });

  test("what the app's own requests throw is what it gets, and the server hears of a cancellation", async () => {
    const cancelled = gate();
    const handler: Handlers['collect'] = (call) => {
      call.on('data', () => {});
      call.on('cancelled', () => cancelled.open());
    };
    await using s = await stage({ handlers: { collect: handler } });
    async function* requests(): AsyncGenerator<Text> {
      yield { text: 'one' };
      throw new Error('out of paper');
    }
    expect((await errorOf(s.client.collect(requests()))).rawMessage).toBe('out of paper');
    await cancelled.opened;
    await expect.poll(() => s.mesh.stats().client.active).toBe(0);
  });

  test('requests are asked for as the server takes them', async () => {
    const held = gate();
    const handler: Handlers['collect'] = (call, callback) => {
      void held.opened.then(() => {
        call.on('data', () => {});
        call.on('end', () => callback(null, { text: 'all' }));
      });
    };
    await using s = await stage({ handlers: { collect: handler }, policy: policyOf('Collect', { retryPolicy: { maxAttempts: 1 } }) });
    let asked = 0;
    const text = 'x'.repeat(16_384);
    async function* requests(): AsyncGenerator<Text> {
      for (; asked < 200; asked++) yield { text };
    }
    const call = s.client.collect(requests());
    await expect.poll(() => asked).toBeGreaterThan(2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // 200 would be 3.2 MB; the windows of HTTP/2 and the sockets' buffers take far less.
    expect(asked).toBeLessThan(100);
    held.open();
    expect((await call).text).toBe('all');
  });
});

describe('Connect, streams: back-pressure', () => {
  test('answers are asked for as the app asks', async () => {
    let asked = 0;
    const below: Interceptor = (next) => async (request) => {
      const response = await next(request);
      if (!response.stream) return response;
      const inner = response.message;
      return {
        ...response,
        message: {
          [Symbol.asyncIterator]: () => {
            const iterator = inner[Symbol.asyncIterator]();
            return {
              next: () => {
                asked++;
                return iterator.next();
              },
            };
          },
        },
      };
    };
    await using s = await stage({ below: [below] });
    const messages = s.client.count({ text: 'n' })[Symbol.asyncIterator]();
    expect((await messages.next()).value?.text).toBe('n 1');
    await s.client.say({ text: 'a round trip later' });
    expect(asked).toBe(1);
    expect((await messages.next()).value?.text).toBe('n 2');
    expect(asked).toBe(2);
    expect((await messages.next()).value?.text).toBe('n 3');
    expect((await messages.next()).done).toBe(true);
  });
});

describe('Connect, streams: hedging', () => {
  const hedged = (method: 'Count' | 'Collect'): Policy => ({
    methods: { [`loop.v1.LoopService/${method}`]: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.02s' } } },
  });

  test('the loser is cancelled while the winner goes on', async () => {
    const cancelled = gate();
    let calls = 0;
    const handler: Handlers['count'] = (call) => {
      if (++calls === 1) call.on('cancelled', () => cancelled.open());
      else {
        call.write({ text: 'one' });
        void cancelled.opened.then(() => {
          call.write({ text: 'two' });
          call.end();
        });
      }
    };
    await using s = await stage({ policy: hedged('Count'), handlers: { count: handler } });
    expect(await heard(s.client.count({ text: 'n' }))).toEqual(['one', 'two']);
    expect(calls).toBe(2);
  });

  test('one answer to many requests wins when it is whole', async () => {
    let calls = 0;
    const handler: Handlers['collect'] = (call, callback) => {
      const number = ++calls;
      const got: string[] = [];
      call.on('data', ({ text }: Text) => got.push(text));
      call.on('end', () => {
        if (number > 1) callback(null, { text: `${number}: ${got.join('+')}` });
      });
    };
    await using s = await stage({ policy: hedged('Collect'), handlers: { collect: handler } });
    expect((await s.client.collect(texts('a', 'b'))).text).toBe('2: a+b');
  });
});

describe('Connect, streams: the stack', () => {
  /** Fails in this way the first times, before anything is answered. */
  const failing = (times: number): { readonly handler: Handlers['count']; calls(): number } => {
    let calls = 0;
    const handler: Handlers['count'] = (call) => {
      if (++calls <= times) call.emit('error', { code: status.UNAVAILABLE, details: `failure ${calls}` });
      else {
        call.write({ text: `answer ${calls}` });
        call.end();
      }
    };
    return { handler, calls: () => calls };
  };

  test('retry: a marked stream is opened again until it has answered', async () => {
    const { handler, calls } = failing(2);
    await using s = await stage({ policy: policyOf('Count', { idempotent: true }), handlers: { count: handler } });
    expect(await heard(s.client.count({ text: 'n' }))).toEqual(['answer 3']);
    expect(calls()).toBe(3);
  });

  test('retry: what the app has sent goes again', async () => {
    const collected: string[][] = [];
    const handler: Handlers['collect'] = (call, callback) => {
      const got: string[] = [];
      call.on('data', ({ text }: Text) => got.push(text));
      call.on('end', () => {
        collected.push(got);
        if (collected.length === 1) callback({ code: status.UNAVAILABLE, details: 'again' });
        else callback(null, { text: got.join('+') });
      });
    };
    await using s = await stage({ policy: policyOf('Collect', { idempotent: true }), handlers: { collect: handler } });
    expect((await s.client.collect(texts('a', 'b'))).text).toBe('a+b');
    expect(collected).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  test('retry: none once it has answered', async () => {
    let calls = 0;
    const handler: Handlers['count'] = (call) => {
      calls++;
      call.write({ text: 'one' });
      call.emit('error', { code: status.UNAVAILABLE, details: 'gone' });
    };
    await using s = await stage({ policy: policyOf('Count', { idempotent: true }), handlers: { count: handler } });
    expect((await errorOf(heard(s.client.count({ text: 'n' })))).code).toBe(Code.Unavailable);
    expect(calls).toBe(1);
  });

  test("policy's timeout ends the whole stream, and its server is told (D4)", async () => {
    const cancelled = gate();
    let leftMs = 0;
    const handler: Handlers['count'] = (call) => {
      leftMs = Number(call.getDeadline()) - Date.now();
      call.write({ text: 'one' });
      call.on('cancelled', () => cancelled.open());
    };
    await using s = await stage({ policy: policyOf('Count', { timeout: '0.2s' }), handlers: { count: handler } });
    expect((await errorOf(heard(s.client.count({ text: 'n' })))).code).toBe(Code.DeadlineExceeded);
    await cancelled.opened;
    expect(leftMs).toBeLessThanOrEqual(205);
    expect(s.mesh.stats().client.byCode).toEqual({ DEADLINE_EXCEEDED: 1 });
  });

  test('an idle stream is ended', async () => {
    const handler: Handlers['chat'] = (call) => {
      call.write({ text: 'one' });
    };
    await using s = await stage({ policy: policyOf('Chat', { idleTimeout: '0.1s' }), handlers: { chat: handler } });
    const error = await errorOf(heard(s.client.chat(texts('x'))));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(error.metadata.get('inmesh-reason')).toBe('client.deadline/idle');
  });

  test('bulkhead: a stream holds its slot to its end', async () => {
    const held = gate();
    const handler: Handlers['count'] = (call) => {
      call.write({ text: 'one' });
      void held.opened.then(() => call.end());
    };
    await using s = await stage({ policy: policyOf('Count', { bulkhead: { slots: 1, queue: 0 } }), handlers: { count: handler } });
    const first = s.client.count({ text: 'n' })[Symbol.asyncIterator]();
    await first.next();
    const refused = await errorOf(heard(s.client.count({ text: 'n' })));
    expect(refused.metadata.get('inmesh-reason')).toBe('client.bulkhead/queue-full');
    held.open();
    expect((await first.next()).done).toBe(true);
    expect(await errorOf(Promise.reject(refused))).toBe(refused);
    const later = s.client.count({ text: 'n' });
    expect(await heard(later)).toEqual(['one']);
  });

  test("the app's signal ends a stream at the server", async () => {
    const cancelled = gate();
    const handler: Handlers['count'] = (call) => {
      call.write({ text: 'one' });
      call.on('cancelled', () => cancelled.open());
    };
    await using s = await stage({ handlers: { count: handler } });
    const abort = new AbortController();
    const messages = s.client.count({ text: 'n' }, { signal: abort.signal })[Symbol.asyncIterator]();
    await messages.next();
    abort.abort();
    expect((await errorOf(messages.next())).code).toBe(Code.Canceled);
    await cancelled.opened;
    await expect.poll(() => s.mesh.stats().client).toMatchObject({ active: 0, byCode: { CANCELLED: 1 } });
  });

  test('each attempt of a stream passes the interceptors below', async () => {
    const { handler } = failing(1);
    const headers: (string | null)[] = [];
    const below: Interceptor = (next) => (request) => {
      headers.push(request.header.get('grpc-previous-rpc-attempts'));
      return next(request);
    };
    await using s = await stage({ policy: policyOf('Count', { idempotent: true }), handlers: { count: handler }, below: [below] });
    await heard(s.client.count({ text: 'n' }));
    expect(headers).toEqual([null, '1']);
  });
});
