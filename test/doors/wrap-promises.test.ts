/** Door 3, promises. */
import { ChannelCredentials, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { MeshChannel } from '../../src/grpc/channel-door.ts';
import type { ClientInterceptor } from '../../src/grpc/client-call.ts';
import { wrapClient } from '../../src/grpc/client-door.ts';
import type { WrappedClient } from '../../src/grpc/client-door-types.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { EchoClient, type EchoStub, Gate, metadataOf, serve, UNREADABLE } from '../support/loopback.ts';
import { LowerCall } from './rig.ts';

const NONE = { interceptors: 'none' } as const;
const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => expect.unreachable(),
    (reason: ServiceError) => reason,
  );

describe('promises over a real connection', () => {
  test('resolve with the response, reject with the ServiceError, and carry metadata', async () => {
    await using running = await serve({
      handlers: {
        say: (call, callback) => {
          if (call.request.text === 'no') callback({ code: 9, details: 'not now', metadata: metadataOf({ why: 'because' }) });
          else callback(null, { text: String(call.metadata.get('tag')) });
        },
      },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    const { promises } = mesh.wrap(client.stub, NONE);
    expect(await promises.say({ text: 'yes' })).toEqual({ text: '' });
    expect(await promises.say({ text: 'yes' }, { metadata: metadataOf({ tag: 'x' }) })).toEqual({ text: 'x' });
    const error = await failure(promises.say({ text: 'no' }));
    expect(error).toMatchObject({ code: 9, details: 'not now', message: '9 FAILED_PRECONDITION: not now' });
    expect(error).toBeInstanceOf(Error);
    expect(error.metadata.get('why')).toEqual(['because']);
    await mesh.close();
  });

  test('calls of one turn travel in one batch, each with its own answer', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh });
    const { promises } = mesh.wrap(client.stub, NONE);
    await promises.say({ text: 'learn' });
    const texts = Array.from({ length: 20 }, (_, i) => String(i));
    expect(await Promise.all(texts.map((text) => promises.say({ text })))).toEqual(texts.map((text) => ({ text: `say ${text}` })));
    expect(mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 20 });
    await mesh.close();
  });

  test('a signal ends the call at the server too', async () => {
    const arrived = new Gate();
    const cancelled = new Gate();
    await using running = await serve({
      handlers: {
        say: (call) => {
          call.on('cancelled', () => cancelled.open());
          arrived.open();
        },
      },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh });
    const stop = new AbortController();
    const ended = failure(mesh.wrap(client.stub, NONE).promises.say({ text: 'a' }, { signal: stop.signal }));
    await arrived.opened;
    stop.abort('enough');
    expect(await ended).toMatchObject({ code: 1, details: 'Cancelled on client', cause: 'enough' });
    await cancelled.opened;
    await mesh.close();
  });
});

/** A wrapped client whose calls end where the test says. */
class Bench {
  readonly clock = new FakeClock();
  readonly lowers: LowerCall[] = [];
  readonly promises: WrappedClient<EchoStub>['promises'];
  readonly wrapped: WrappedClient<EchoStub>;

  constructor() {
    const { clock, lowers } = this;
    const intercept: ClientInterceptor = (info) => {
      const lower = new LowerCall(info.deadlineMs);
      lowers.push(lower);
      return lower;
    };
    const stack = { behaviours: [], intercept, clock, closed: () => undefined };
    let channel: MeshChannel | undefined;
    const { stub } = new EchoClient({
      address: 'localhost:1',
      credentials: ChannelCredentials.createInsecure(),
      options: {
        channelFactoryOverride: () => {
          const idle = { getConnectivityState: () => 0, getTarget: () => 'fake', close: () => {} };
          channel = new MeshChannel(idle as never, stack, { kind: 'channel', target: 'fake', channel: {} as never, book: undefined });
          return channel;
        },
      },
    });
    if (channel === undefined) throw new Error('no channel was asked for');
    this.wrapped = wrapClient(stub, channel, { interceptors: [], callerStacks: false });
    this.promises = this.wrapped.promises;
  }
  get last(): LowerCall {
    const lower = this.lowers.at(-1);
    if (lower === undefined) throw new Error('nothing has reached the stack');
    return lower;
  }
}

/** Counts a signal's listeners. */
function counted(signal: AbortSignal): { readonly listeners: number } {
  const count = { listeners: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    count.listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    count.listeners--;
    removeEventListener.apply(signal, args);
  };
  return count;
}

describe('promises over a stack that the test plays', () => {
  const rigs: Bench[] = [];
  const bench = (): Bench => {
    const made = new Bench();
    rigs.push(made);
    return made;
  };
  afterEach(() => {
    for (const rig of rigs.splice(0)) expect(rig.clock.pending).toBe(0);
  });
  const answer = (lower: LowerCall, text = 'hi'): void => {
    lower.listener?.onReceiveMetadata(new Metadata());
    lower.listener?.onReceiveMessage(Buffer.from(text));
    lower.end(0);
  };

  test('the call is started, read, sent and closed in that order, before the method has returned', async () => {
    const { promises, lowers } = bench();
    const done = promises.say({ text: 'a' });
    expect(lowers.map(({ log }) => log)).toEqual([['start', 'read', 'message', 'half']]);
    expect(lowers[0]?.messages).toEqual([Buffer.from('a')]);
    for (const lower of lowers) answer(lower);
    expect(await done).toEqual({ text: 'hi' });
  });

  test('of deadline and timeoutMs the nearer counts; both are optional', async () => {
    const { promises, lowers, clock } = bench();
    const inMs = (ms: number): number => clock.wallMs() + ms;
    const done = [
      promises.say({ text: 'a' }),
      promises.say({ text: 'a' }, { timeoutMs: 50 }),
      promises.say({ text: 'a' }, { deadline: inMs(70) }),
      promises.say({ text: 'a' }, { deadline: new Date(inMs(70)), timeoutMs: 50 }),
      promises.say({ text: 'a' }, { deadline: inMs(30), timeoutMs: 50 }),
      promises.say({ text: 'a' }, { timeoutMs: Number.POSITIVE_INFINITY }),
    ];
    const left = lowers.map(({ deadlineMs }) => deadlineMs - clock.nowMs());
    expect(left).toEqual([Number.POSITIVE_INFINITY, 50, 70, 50, 30, Number.POSITIVE_INFINITY]);
    for (const lower of lowers) answer(lower);
    await Promise.all(done);
  });

  test('a signal that has spoken already: nothing is sent', async () => {
    const { promises, lowers } = bench();
    const reason = new Error('too late');
    const error = await failure(promises.say({ text: 'a' }, { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ code: 1, details: 'Cancelled on client', message: '1 CANCELLED: Cancelled on client', cause: reason });
    expect(lowers).toEqual([]);
  });

  test('a signal has one listener a call, and none when the call has ended, however it ends', async () => {
    const { promises, lowers } = bench();
    const stop = new AbortController();
    const count = counted(stop.signal);
    const done = Array.from({ length: 30 }, () => promises.say({ text: 'a' }, { signal: stop.signal }).catch(({ code }) => code));
    expect(count.listeners).toBe(30);
    for (const lower of lowers.slice(0, 10)) answer(lower);
    for (const lower of lowers.slice(10, 20)) lower.end(14);
    expect(count.listeners).toBe(10);
    for (const lower of lowers.slice(20)) lower.onCancel = (code, details) => lower.end(code, details);
    stop.abort();
    expect(count.listeners).toBe(0);
    expect(lowers.map(({ log }) => log.filter((line) => line.startsWith('cancel')).length)).toEqual([
      ...new Array(20).fill(0),
      ...new Array(10).fill(1),
    ]);
    expect((await Promise.all(done)).slice(20)).toEqual(new Array(10).fill(1));
  });

  test('a signal that speaks while the request is encoded is heard', async () => {
    const { promises, last } = (() => {
      const made = bench();
      const stop = new AbortController();
      const request = {
        get text(): string {
          stop.abort();
          return 'a';
        },
      };
      const ended = made.promises.say(request, { signal: stop.signal });
      return { promises: ended, last: made.last };
    })();
    expect(last.log).toContain('cancel 1');
    last.end(1, 'Cancelled on client');
    expect((await failure(promises)).code).toBe(1);
  });

  test('an error of the server keeps no reason of a signal that spoke after it', async () => {
    const made = bench();
    const stop = new AbortController();
    const ended = failure(made.promises.say({ text: 'a' }, { signal: stop.signal }));
    made.last.end(5, 'no such thing');
    stop.abort();
    expect('cause' in (await ended)).toBe(false);
  });

  test('exactly one end: what comes after the status is not heard', async () => {
    const made = bench();
    const heard: string[] = [];
    const call = made.wrapped.say({ text: 'a' }, new Metadata(), {}, (error, value) =>
      heard.push(`callback ${error?.code} ${value?.text}`),
    );
    call.on('metadata', () => heard.push('metadata'));
    call.on('status', ({ code }: StatusObject) => heard.push(`status ${code}`));
    answer(made.last);
    made.last.end(14);
    answer(made.last, 'again');
    expect(heard).toEqual(['metadata', 'callback undefined hi', 'status 0']);
  });

  test('no message, two messages, and one that cannot be read, end as in grpc-js', async () => {
    const made = bench();
    const none = failure(made.promises.say({ text: 'a' }));
    made.last.end(0);
    expect(await none).toMatchObject({ code: 12, details: 'No message received' });

    const two = failure(made.promises.say({ text: 'a' }));
    made.last.onCancel = (code, details) => made.last.end(code, details);
    made.last.listener?.onReceiveMessage(Buffer.from('1'));
    made.last.listener?.onReceiveMessage(Buffer.from('2'));
    expect(await two).toMatchObject({ code: 12, details: 'Too many responses received' });

    const unreadable = failure(made.promises.say({ text: 'a' }));
    made.last.onCancel = () => made.last.end(1, 'cancelled');
    answer(made.last, UNREADABLE);
    expect(await unreadable).toMatchObject({ code: 13, details: 'Response message parsing error: cannot decode this message' });
  });

  test.each([
    [{ timeoutMs: -1 }, /options\.timeoutMs: expected milliseconds as a number >= 0, got -1/],
    [{ timeoutMs: '5s' }, /did you mean 5000\?/],
    [{ metadata: { a: 'b' } }, /options\.metadata: expected grpc-js Metadata, got an object/],
    [{ interceptors: [] }, /callback form/],
  ])('%j rejects', async (options, message) => {
    const { promises, lowers } = bench();
    await expect(promises.say({ text: 'a' }, options as object)).rejects.toThrow(message);
    expect(lowers).toEqual([]);
  });
});
