import {
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  type Listener,
  Metadata,
  type NextCall,
  type StatusObject,
} from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { deadlineInterceptor, retryInterceptor, tracingInterceptor } from '../../interceptors/index.ts';
import { UsageError } from '../../src/errors.ts';
import { type CallInfo, type ClientCall, type ClientInterceptor, ForwardingCall } from '../../src/grpc/client-call.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { createMesh } from '../../src/mesh.ts';
import { EchoClient, method, serve } from '../support/loopback.ts';
import { LowerCall } from './rig.ts';

class Named extends ForwardingCall {
  readonly name: string;
  constructor(name: string, lower: ClientCall) {
    super(lower);
    this.name = name;
  }
  /** The call below, as this behaviour was given it. */
  get below(): ClientCall {
    return this.lower;
  }
}

/** A behaviour that shows what it was given. */
function spy(name: string, place: number, made: Named[], infos: CallInfo[] = []): Interceptor {
  const intercept: ClientInterceptor = (info, next) => {
    infos.push(info);
    const call = new Named(name, next(info));
    made.push(call);
    return call;
  };
  return asInterceptor({ name, from: place, to: place, intercept });
}

/** An interceptor as users write them, that writes down what passes. */
function foreign(log: string[], name = 'foreign'): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        const listener: Listener = {
          onReceiveMetadata: (received, pass) => pass(received),
          onReceiveMessage: (message, pass) => {
            log.push(`${name} message ${JSON.stringify(message)}`);
            pass(message);
          },
          onReceiveStatus: (status, pass) => {
            log.push(`${name} status ${status.code}`);
            pass({ ...status });
          },
        };
        log.push(`${name} start`);
        next(metadata, listener);
      },
      sendMessage: (message, next) => {
        log.push(`${name} sends ${JSON.stringify(message)}`);
        next(message);
      },
    });
}

/** Runs a list as grpc-js does: the first is outermost. */
function chain(list: readonly Interceptor[], bottom: NextCall): InterceptingCall {
  const options = { method_definition: method('Say', false, false) } as unknown as InterceptorOptions;
  const top = list.reduceRight<NextCall>((next, interceptor) => (given) => interceptor(given as InterceptorOptions, next), bottom);
  return top(options) as InterceptingCall;
}

const lowerCall: NextCall = () => new LowerCall(Number.POSITIVE_INFINITY);
const listener = { onReceiveMetadata: () => {}, onReceiveMessage: () => {}, onReceiveStatus: (_status: StatusObject) => {} };

describe('door 1', () => {
  test('neighbours of ours fuse: each is given the next one itself, and grpc-js sees one call', () => {
    const made: Named[] = [];
    const call = chain([spy('a', 0, made), spy('b', 1, made), spy('c', 2, made)], lowerCall);
    call.start(new Metadata(), listener);
    const [c, b, a] = made;
    expect([a?.name, b?.name, c?.name]).toEqual(['a', 'b', 'c']);
    expect(a?.below).toBe(b);
    expect(b?.below).toBe(c);
    expect(c?.below).not.toBeInstanceOf(InterceptingCall);
  });

  test('each fused behaviour learns the place of the one above', () => {
    const infos: CallInfo[] = [];
    chain([spy('a', 0, [], infos), spy('b', 4, [], infos)], lowerCall).start(new Metadata(), listener);
    expect(infos.map(({ stage }) => stage)).toEqual([0, 4]);
  });

  test('a wrong order throws on the first call', () => {
    const call = chain([spy('retry', 5, []), spy('deadline', 3, [])], lowerCall);
    expect(() => call.start(new Metadata(), listener)).toThrow(UsageError);
    expect(() => chain([spy('retry', 5, []), spy('deadline', 3, [])], lowerCall).start(new Metadata(), listener)).toThrow(
      'deadline stands below a behaviour that belongs under it or is the same one (stage 5 above 3)',
    );
  });

  test('a wrong order is found through an interceptor of others in between', () => {
    expect(() => chain([spy('retry', 5, []), foreign([]), spy('deadline', 3, [])], lowerCall).start(new Metadata(), listener)).toThrow(
      UsageError,
    );
  });

  test('the same behaviour twice throws', () => {
    expect(() => chain([spy('retry', 5, []), spy('retry', 5, [])], lowerCall).start(new Metadata(), listener)).toThrow(UsageError);
  });

  test('the real ones throw in the wrong order too, at the call site', async () => {
    await using running = await serve();
    using client = new EchoClient({ address: running.address, options: { interceptors: [retryInterceptor(), deadlineInterceptor()] } });
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(UsageError);
  });

  test.for(['above', 'between', 'below'])('an interceptor of others %s ours sees what grpc-js alone would show it', async (place) => {
    await using running = await serve({
      handlers: { say: (call, callback) => callback(call.request.text === 'bad' ? { code: 9, details: 'no' } : null, call.request) },
    });
    const log: string[] = [];
    const ours = [tracingInterceptor(), deadlineInterceptor(), retryInterceptor()];
    const theirs = foreign(log);
    const list =
      place === 'above' ? [theirs, ...ours] : place === 'below' ? [...ours, theirs] : [...ours.slice(0, 1), theirs, ...ours.slice(1)];
    using client = new EchoClient({ address: running.address, options: { interceptors: list } });
    expect((await client.say('good')).text).toBe('good');
    expect((await client.say('bad')).code).toBe('FAILED_PRECONDITION');
    const bare: string[] = [];
    using plain = new EchoClient({ address: running.address, options: { interceptors: [foreign(bare)] } });
    await plain.say('good');
    await plain.say('bad');
    expect(log).toEqual(bare);
  });

  test("a call's own interceptors replace the client's: it works, and that is said once", async () => {
    await using running = await serve();
    const warnings: string[] = [];
    const mesh = createMesh({}, { warn: (line) => warnings.push(line) });
    using client = new EchoClient({ address: running.address, mesh, door: 'interceptors' });
    const log: string[] = [];
    for (let i = 0; i < 3; i++) expect((await client.say('a', { interceptors: [foreign(log)] })).text).toBe('say a');
    expect(log.filter((line) => line === 'foreign start')).toHaveLength(3);
    expect(mesh.stats().client.calls).toBe(0);
    expect(warnings).toEqual([
      "/loop.Echo/Say: the call's own interceptors replace the client's, inmesh's with them; use mesh.client() to have both",
    ]);
    await mesh.close();
  });

  test("at the channel a call's own interceptors replace nothing of ours, and nothing is said", async () => {
    await using running = await serve();
    const warnings: string[] = [];
    const mesh = createMesh({}, { warn: (line) => warnings.push(line) });
    using client = new EchoClient({ address: running.address, mesh, door: 'channel' });
    await client.say('a', { interceptors: [foreign([])] });
    expect(mesh.stats().client.calls).toBe(1);
    expect(warnings).toEqual([]);
    await mesh.close();
  });
});

describe('two doors of one client', () => {
  const TWICE =
    'on this client both as interceptor and in its channel; use mesh.client() or mesh.interceptors() with mesh.options(), not both';

  test('a mesh at both throws on the first call, at the call site', async () => {
    await using running = await serve();
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, options: { interceptors: mesh.interceptors() } });
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(UsageError);
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(TWICE);
    await mesh.close();
  });

  test.for<[string, Interceptor[]]>([
    ['retry', [retryInterceptor()]],
    ['deadline', [deadlineInterceptor()]],
    ['deadline, retry', [deadlineInterceptor(), retryInterceptor()]],
    ['tracing', [tracingInterceptor(), foreign([])]],
  ])('%s as interceptor and in the channel throws, and is named', async ([name, interceptors]) => {
    await using running = await serve();
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, options: { interceptors } });
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(`${name}: ${TWICE}`);
    expect(mesh.stats().client.active).toBe(0);
    await mesh.close();
  });
});
