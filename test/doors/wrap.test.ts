/**
 * Door 3, callbacks. What a call looks like from outside is compared with bare grpc-js in test/contract (doors `wrap`); here is
 * what the contract cannot see. Context, wishes of a call and closing: the tests of all doors (`clientDoors`).
 */
import { EventEmitter } from 'node:events';
import {
  type CallOptions,
  ChannelCredentials,
  Client,
  type ClientUnaryCall,
  InterceptingCall,
  type Interceptor,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { makeClient } from '../../bench/echo.ts';
import { UsageError } from '../../src/errors.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { EchoClient, type EchoStub, echoDefinition, type Message, metadataOf, serve, UNSERIALIZABLE } from '../support/loopback.ts';

const insecure = ChannelCredentials.createInsecure();
const NONE = { interceptors: 'none' } as const;

/** A client at door 2, ready to be wrapped. */
const stubOf = (mesh: Mesh, address = 'localhost:1', options = {}): EchoStub => new EchoClient({ address, mesh, options }).stub;

interface Ended {
  readonly error: ServiceError | null;
  readonly value: Message | undefined;
  readonly call: ClientUnaryCall;
}
function say(stub: EchoStub, text: string, options: CallOptions = {}, metadata = new Metadata()): Promise<Ended> {
  return new Promise((resolve) => {
    const call = stub.say({ text }, metadata, options, (error, value) => setImmediate(() => resolve({ error, value, call })));
  });
}

describe('a wrapped client', () => {
  test('is of the same class, on the same channel, and its original is left as it was', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const stub = stubOf(mesh, running.address);
    const before = Object.getOwnPropertyDescriptors(stub);
    const wrapped = mesh.wrap(stub, NONE);
    expect(wrapped).toBeInstanceOf(Client);
    expect(wrapped).toBeInstanceOf(stub.constructor);
    expect(wrapped.getChannel()).toBe(stub.getChannel());
    expect(Object.getOwnPropertyDescriptors(stub)).toEqual(before);
    expect(wrapped.say).not.toBe(stub.say);
    expect(wrapped.collect).toBe(stub.collect);
    expect(wrapped.makeUnaryRequest).toBe(stub.makeUnaryRequest);
    await mesh.close();
  });

  test('never enters the original method, and still does the same', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const stub = stubOf(mesh, running.address);
    let entered = 0;
    stub.makeUnaryRequest = () => {
      throw new Error('makeUnaryRequest');
    };
    const original = stub.say;
    stub.say = Object.assign((...args: Parameters<typeof original>) => {
      entered++;
      return original.apply(stub, args);
    }, original);
    const wrapped = mesh.wrap(stub, NONE);
    expect((await say(wrapped, 'a')).value).toEqual({ text: 'say a' });
    expect(entered).toBe(0);
    expect((await say(stub, 'a')).value).toEqual({ text: 'say a' });
    expect(entered).toBe(1);
    expect(mesh.stats().client.calls).toBe(2);
    await mesh.close();
  });

  test('has its methods under both names, one function each, with the definition on it', () => {
    const mesh = createMesh();
    const definition = { say: { ...echoDefinition.say, originalName: 'Say' } };
    const Ctor = makeGenericClientConstructor(definition, 'loop.Echo');
    const wrapped = mesh.wrap(new Ctor('localhost:1', insecure, mesh.client()), NONE);
    expect(wrapped['say']).toBe(wrapped['Say']);
    expect(wrapped.promises['say']).toBe(wrapped.promises['Say']);
    expect({ ...wrapped['say'] }).toEqual(definition.say);
    wrapped.close();
  });

  test('of proto-loader answers by both names', async () => {
    const mesh = createMesh();
    const client = makeClient('localhost:1', { options: mesh.client() });
    const wrapped = mesh.wrap(client, NONE);
    expect(Object.keys(wrapped).sort()).toEqual(['Say', 'say']);
    client.close();
  });

  test('leaves alone a method that a subclass wrote itself, and reaches the mesh from it', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const Generated = makeGenericClientConstructor(echoDefinition, 'loop.Echo');
    class Own extends Generated {
      say = (...args: unknown[]): unknown => Generated.prototype['say'].apply(this, args);
    }
    const own = new Own(running.address, insecure, mesh.client());
    const wrapped = mesh.wrap(own, NONE) as unknown as EchoStub;
    expect(wrapped.say).toBe(own.say);
    expect((await say(wrapped, 'a')).value).toEqual({ text: 'say a' });
    expect(wrapped.tell).not.toBe(own['tell']);
    await mesh.close();
  });

  test('closes with its client, and then throws what grpc-js throws', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const stub = stubOf(mesh, running.address);
    const wrapped = mesh.wrap(stub, NONE);
    wrapped.close();
    expect(() => stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow('Channel has been shut down');
    expect(() => wrapped.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow('Channel has been shut down');
    await expect(wrapped.promises.say({ text: 'a' })).rejects.toThrow('Channel has been shut down');
  });
});

describe('the call object', () => {
  test('is an emitter that has the call, its peer and its auth context', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const { call } = await say(mesh.wrap(stubOf(mesh, running.address), NONE), 'a');
    expect(call).toBeInstanceOf(EventEmitter);
    expect(call.getPeer()).toMatch(/:\d+$/);
    expect(call.call?.getPeer()).toBe(call.getPeer());
    expect(call.getAuthContext()).toEqual({});
    expect(() => call.cancel()).not.toThrow(); // over: no effect
    await mesh.close();
  });

  test('the request is read at once: the app may change it as soon as the method has returned', async () => {
    await using running = await serve({ server: new MeshServer() });
    const mesh = createMesh({ coalesce: 'auto' });
    const wrapped = mesh.wrap(stubOf(mesh, running.address), NONE);
    await say(wrapped, 'learn');
    const request = { text: 'before' };
    const heard = new Promise<string | undefined>((resolve) => {
      wrapped.say(request, new Metadata(), {}, (_error, value) => resolve(value?.text));
    });
    request.text = 'after';
    expect(await heard).toBe('say before');
    await mesh.close();
  });

  test('a request that cannot be encoded ends the call once, after the method has returned, and holds no slot', async () => {
    await using running = await serve();
    const mesh = createMesh({ defaults: { bulkhead: { slots: 1 } } });
    const wrapped = mesh.wrap(stubOf(mesh, running.address), NONE);
    for (let i = 0; i < 3; i++) {
      let returned = false;
      const ended: ServiceError[] = [];
      await new Promise<void>((resolve) => {
        wrapped.say({ text: UNSERIALIZABLE }, new Metadata(), {}, (error) => {
          expect(returned).toBe(true);
          if (error !== null) ended.push(error);
          setImmediate(resolve);
        });
        returned = true;
      });
      expect(ended.map(({ code, details }) => `${code} ${details}`)).toEqual([
        '13 Request message serialization failure: cannot encode this message',
      ]);
    }
    expect((await say(wrapped, 'a')).value).toEqual({ text: 'say a' });
    expect(mesh.stats().client.active).toBe(0);
    await mesh.close();
  });
});

describe('errors', () => {
  const refusing = {
    say: (_call: unknown, callback: (error: { code: number; details: string; metadata: Metadata }) => void): void =>
      callback({ code: 5, details: 'no such thing', metadata: metadataOf({ tag: 'x' }) }),
  };

  test('are ServiceErrors whose stack is their message', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const { error } = await say(mesh.wrap(stubOf(mesh, running.address), NONE), 'a');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 5, details: 'no such thing', message: '5 NOT_FOUND: no such thing', name: 'Error' });
    expect(error?.metadata.get('tag')).toEqual(['x']);
    expect(error?.stack).toBe('Error: 5 NOT_FOUND: no such thing');
    expect(new Error('next').stack).toContain('\n    at '); // the limit is as it was
    await mesh.close();
  });

  test('callerStacks: the stack ends with where the call was made, as in grpc-js', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const wrapped = mesh.wrap(stubOf(mesh, running.address), { ...NONE, callerStacks: true });
    const { error } = await say(wrapped, 'a');
    const rejected: unknown = await wrapped.promises.say({ text: 'a' }).catch((reason: unknown) => reason);
    for (const one of [error, rejected]) {
      const [answered = '', called = ''] = (one as Error).stack?.split('\nfor call at\n') ?? [];
      expect(answered).toMatch(/^Error: 5 NOT_FOUND: no such thing\n {4}at /);
      expect(called).toContain('wrap.test.ts');
    }
    await mesh.close();
  });
});

describe('interceptors', () => {
  /** Writes down what passes, and signs the request's metadata. */
  const noting =
    (name: string, log: string[]): Interceptor =>
    (options, nextCall) => {
      log.push(`${name} ${options.method_definition.path}`);
      return new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) => {
          metadata.add('seen', name);
          next(metadata, {
            onReceiveMessage: (message, pass) => {
              log.push(`${name} ${JSON.stringify(message)}`);
              pass(message);
            },
          });
        },
        sendMessage: (message, next) => next({ text: `${message.text}+${name}` }),
      });
    };

  test('of the list run above the mesh, in their order, with objects', async () => {
    const seen: unknown[] = [];
    await using running = await serve({
      handlers: {
        say: (call, callback) => {
          seen.push(call.metadata.get('seen'));
          callback(null, call.request);
        },
      },
    });
    const mesh = createMesh();
    const log: string[] = [];
    const interceptors = [noting('a', log), noting('b', log)];
    const wrapped = mesh.wrap(stubOf(mesh, running.address, { interceptors }), { interceptors });
    expect((await say(wrapped, 'hi')).value).toEqual({ text: 'hi+a+b' });
    expect(await wrapped.promises.say({ text: 'ho' })).toEqual({ text: 'ho+a+b' });
    expect(log.slice(0, 4)).toEqual(['a /loop.Echo/Say', 'b /loop.Echo/Say', 'b {"text":"hi+a+b"}', 'a {"text":"hi+a+b"}']);
    expect(seen).toEqual(
      [
        ['a', 'b'],
        ['a', 'b'],
      ].map((values) => [values.join(', ')]),
    );
    expect(mesh.stats().client.calls).toBe(2);
    await mesh.close();
  });

  test('of a call replace the list, as in grpc-js', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const log: string[] = [];
    const interceptors = [noting('client', log)];
    const wrapped = mesh.wrap(stubOf(mesh, running.address, { interceptors }), { interceptors });
    expect((await say(wrapped, 'hi', { interceptors: [noting('call', log)] })).value).toEqual({ text: 'say hi+call' });
    expect((await say(wrapped, 'hi', { interceptor_providers: [() => noting('provided', log)] })).value).toEqual({
      text: 'say hi+provided',
    });
    expect((await say(wrapped, 'hi', { interceptors: [] })).value).toEqual({ text: 'say hi+client' });
    expect(mesh.stats().client.calls).toBe(3);
    await mesh.close();
  });

  test('of this mesh in the list throw: its behaviours would be squared', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const interceptors = mesh.interceptors();
    const wrapped = mesh.wrap(stubOf(mesh, running.address), { interceptors });
    expect(() => wrapped.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(UsageError);
    await mesh.close(0);
  });
});

describe('bad use is refused', () => {
  const mesh = createMesh();
  const other = createMesh();
  const pass: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));
  const cases: readonly (readonly [what: string, attempt: () => unknown, message: RegExp])[] = [
    ['a bare client', () => mesh.wrap(new EchoClient({ address: 'localhost:1' }).stub, NONE), /on a channel of this mesh/],
    ["another mesh's client", () => mesh.wrap(stubOf(other), NONE), /on a channel of this mesh/],
    [
      'a client at the interceptors',
      () => mesh.wrap(new EchoClient({ address: 'localhost:1', mesh, door: 'interceptors' }).stub, NONE),
      /on a channel of this mesh/,
    ],
    ['no client at all', () => mesh.wrap({} as EchoStub, NONE), /on a channel of this mesh/],
    ['nothing', () => mesh.wrap(undefined as unknown as EchoStub, NONE), /on a channel of this mesh/],
    ['a client without generated methods', () => mesh.wrap(new Client('localhost:1', insecure, mesh.client()), NONE), /no methods/],
    ['a wrapped client', () => mesh.wrap(mesh.wrap(stubOf(mesh), NONE), NONE), /is wrapped already/],
    ['no statement on interceptors', () => mesh.wrap(stubOf(mesh), {} as typeof NONE), /cannot be read/],
    ['no options', () => mesh.wrap(stubOf(mesh), undefined as unknown as typeof NONE), /cannot be read/],
    ['a wrong statement', () => mesh.wrap(stubOf(mesh, 'localhost:1', { interceptors: [pass] }), NONE), /give the list/],
    [
      'a transformer',
      () => mesh.wrap(stubOf(mesh, 'localhost:1', { callInvocationTransformer: (call: unknown) => call }), NONE),
      /Transformer/,
    ],
    [
      'a word',
      () => mesh.wrap(stubOf(mesh), { interceptors: 'non' as 'none' }),
      /options\.interceptors: .* got "non"; did you mean 'none'\?/,
    ],
    ['a list of others', () => mesh.wrap(stubOf(mesh), { interceptors: [1] as never }), /options\.interceptors: .* got a list/],
    [
      'a key',
      () => mesh.wrap(stubOf(mesh), { ...NONE, callerStack: true } as typeof NONE),
      /options\.callerStack: .*did you mean callerStacks/,
    ],
    [
      'a value',
      () => mesh.wrap(stubOf(mesh), { ...NONE, callerStacks: 1 as never }),
      /options\.callerStacks: expected true or false, got 1/,
    ],
  ];
  test.each(cases)('%s', (_what, attempt, message) => {
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ code: expect.stringMatching(/^INMESH_/) }));
  });

  test('a client on mesh.channel() and one of a stated list are not', () => {
    const onChannel = new EchoClient({ address: 'localhost:1', options: { channelOverride: mesh.channel('localhost:1', insecure) } });
    expect(mesh.wrap(onChannel.stub, NONE)).toBeInstanceOf(Client);
    expect(mesh.wrap(stubOf(mesh, 'localhost:1', { interceptors: [pass] }), { interceptors: [pass] })).toBeInstanceOf(Client);
  });
});
