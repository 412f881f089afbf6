/**
 * An item of a batch and a call of its own: the same handler, the same interceptors, the same outcome (F4, K4, K5).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { transports } from '../contract/transports.ts';
import { type Handlers, metadataOf, UNREADABLE, UNSERIALIZABLE } from '../support/loopback.ts';
import { itemForms, play, type Scene, type ServerLog } from './item-stage.ts';

const trailers = { 'x-plain': ['one', 'two'], 'x-data-bin': ['00ff10', ''], 'grpc-status-details-bin': '0a0b' };
const store = new AsyncLocalStorage<string>();

/** Enters a store for all that happens to a call from here on. */
const entersStore: ServerInterceptor = (_definition, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, pass) => store.run(`tenant of ${metadata.get('x-request-id')[0]}`, () => pass(metadata)),
        onReceiveMessage: (message, pass) => pass(message),
        onReceiveHalfClose: (pass) => store.run('tenant', () => pass()),
      }),
  });

/** Lets nobody pass. */
const refuses: ServerInterceptor = (_definition, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, pass) => {
          if (metadata.get('x-request-id')[0] === 'subject') {
            call.sendStatus({ code: status.PERMISSION_DENIED, details: 'not you', metadata: metadataOf({ 'x-why': 'because' }) });
          } else pass(metadata);
        },
      }),
  });

/** Changes all that passes. */
const changes: ServerInterceptor = (_definition, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, pass) => {
          metadata.add('x-user', 'somebody');
          pass(metadata);
        },
      }),
    sendMessage: (message, next) => next({ text: `${message.text}!` }),
    sendMetadata: (metadata, next) => {
      metadata.set('x-from', 'interceptor');
      next(metadata);
    },
    sendStatus: (given, next) => {
      const changed = given.metadata?.clone() ?? new Metadata();
      changed.set('x-end', 'interceptor');
      next({ ...given, metadata: changed });
    },
  });

/** Answers in its own turn; notes what it sees before it returns. */
function handlerTurns(log: ServerLog): Handlers['say'] {
  return (call, callback) => {
    log.watch(call);
    callback(null, { text: 'fine' });
    log.lane(call.metadata).push(`handler: answered, cancelled ${call.cancelled}`);
  };
}

/** Answers in another turn; notes what it sees then. */
function laterTurns(log: ServerLog): Handlers['say'] {
  return (call, callback) => {
    log.watch(call);
    setTimeout(() => {
      callback(null, { text: 'fine' });
      log.lane(call.metadata).push(`handler: answered, cancelled ${call.cancelled}`);
    }, 1);
  };
}

/** Is told when a message is on its way, and says what it was doing. */
function hearsWritten(log: ServerLog): ServerInterceptor {
  return (_definition, call) => {
    let lane: unknown[] = [];
    const intercepting = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            lane = log.lane(metadata);
            pass(metadata);
          },
        }),
    });
    const send = intercepting.sendMessage.bind(intercepting);
    intercepting.sendMessage = (message, callback) => {
      send(message, () => {
        lane.push('written');
        callback();
      });
      lane.push('handed down');
    };
    return intercepting;
  };
}

const scenes: readonly Scene[] = [
  { name: 'an answer' },
  {
    name: 'headers and trailers, also binary, also several of a kind',
    handler: (log) => (call, callback) => {
      log.watch(call);
      call.sendMetadata(metadataOf({ 'x-head': ['a', 'b'], 'x-head-bin': 'ff00' }));
      callback(null, { text: 'fine' }, metadataOf(trailers));
    },
  },
  { name: 'an empty answer', handler: () => (_call, callback) => callback(null, { text: '' }) },
  {
    name: 'an error with code, details and metadata',
    handler: (log) => (call, callback) => {
      log.watch(call);
      callback({ code: status.NOT_FOUND, details: 'no such thing: ü % €', metadata: metadataOf(trailers) });
    },
  },
  {
    name: 'an error with trailers beside it',
    handler: () => (_call, callback) =>
      callback({ code: status.ABORTED, details: 'no', metadata: metadataOf({ a: 'lost' }) }, null, metadataOf(trailers)),
  },
  {
    name: 'an error after headers',
    handler: () => (call, callback) => {
      call.sendMetadata(metadataOf({ 'x-head': 'a' }));
      callback({ code: status.DATA_LOSS, details: 'gone' });
    },
  },
  { name: 'an Error without code', handler: () => (_call, callback) => callback(new Error('plain words')) },
  { name: 'an error with a message only', handler: () => (_call, callback) => callback({ code: status.INTERNAL, message: 'a message' }) },
  { name: 'a code that gRPC does not have', handler: () => (_call, callback) => callback({ code: 99 as status, details: 'what' }) },
  { name: 'long details', handler: () => (_call, callback) => callback({ code: status.UNKNOWN, details: 'x'.repeat(4000) }) },
  {
    name: 'a handler that throws (K4)',
    handler: (log) => (call) => {
      log.watch(call);
      throw new Error('secret words');
    },
  },
  {
    name: 'a handler that throws an error with a code',
    handler: () => () => {
      throw Object.assign(new Error('secret words'), { code: status.NOT_FOUND, details: 'hidden' });
    },
  },
  {
    name: 'an async handler that rejects',
    handler: () => async () => {
      throw new Error('secret words');
    },
  },
  {
    name: 'an async handler that rejects with a status',
    handler: () => async () => {
      throw Object.assign(new Error('words'), { code: status.NOT_FOUND, details: 'not here', metadata: metadataOf(trailers) });
    },
  },
  {
    name: 'a handler that answers twice',
    handler: () => (_call, callback) => {
      callback({ code: status.NOT_FOUND, details: 'first' });
      callback(null, { text: 'second' });
    },
  },
  {
    name: 'a handler that answers and then throws',
    looseHeaders: true,
    handler: (log) => (call, callback) => {
      log.watch(call);
      callback(null, { text: 'answered' });
      throw new Error('secret words');
    },
  },
  {
    name: 'a handler that fails the call and then throws',
    handler: (log) => (call, callback) => {
      log.watch(call);
      callback({ code: status.NOT_FOUND, details: 'first' });
      throw new Error('secret words');
    },
  },
  {
    name: 'a handler that answers and then sends headers and an error',
    looseHeaders: true,
    handler: (log) => (call, callback) => {
      log.watch(call);
      callback(null, { text: 'answered' });
      call.sendMetadata(metadataOf({ 'x-head': 'late' }));
      callback({ code: status.NOT_FOUND, details: 'second' });
    },
  },
  ...[handlerTurns, laterTurns].map((turns) => ({
    name: `the order of news, ${turns.name}, interceptors in between`,
    handler: turns,
    server: (log: ServerLog) => ({ interceptors: [log.interceptor('first'), hearsWritten(log)] }),
  })),
  ...[handlerTurns, laterTurns].map((turns) => ({ name: `the order of news, ${turns.name}`, handler: turns })),
  {
    name: 'a handler that never answers a call with a deadline (K8)',
    timeoutMs: 60,
    looseDetails: true,
    handler: (log) => (call) => log.watch(call),
  },
  {
    name: 'a handler that answers after the deadline',
    timeoutMs: 60,
    looseDetails: true,
    handler: (log) => (call, callback) => {
      log.watch(call);
      call.on('cancelled', () => callback(null, { text: 'too late' }));
    },
  },
  { name: 'a far deadline, seen by the handler', timeoutMs: 20_000 },
  { name: 'a request that cannot be read (K4)', text: UNREADABLE },
  { name: 'a response that cannot be written', handler: () => (_call, callback) => callback(null, { text: UNSERIALIZABLE }) },
  { name: 'no response at all', handler: () => (_call, callback) => callback(null) },
  {
    name: 'a response that the caller cannot read',
    handler: () => (_call, callback) => callback(null, { text: UNREADABLE }, metadataOf(trailers)),
  },
  {
    name: 'a response over the limit of the caller',
    looseHeaders: true,
    handler: () => (_call, callback) => callback(null, { text: 'x'.repeat(4 << 20).concat('x') }),
  },
  {
    name: 'metadata, shared and of its own, several of a kind, binary',
    metadata: {
      tenant: ['a', 'b'],
      'x-blob-bin': ['00ff', '01'],
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: ['a=1', 'b=2'],
      authorization: 'Bearer x',
    },
  },
  ...transports.map((transport) => ({ name: `what is known of the peer over ${transport.name}`, transport })),
  {
    name: 'interceptors, in their order, and all they see',
    server: (log) => ({ interceptors: [log.interceptor('first'), log.interceptor('second')] }),
  },
  {
    name: 'interceptors above a failing call',
    server: (log) => ({ interceptors: [log.interceptor('first')] }),
    handler: (log) => (call, callback) => {
      log.watch(call);
      call.sendMetadata(metadataOf({ 'x-head': 'a' }));
      callback({ code: status.NOT_FOUND, details: 'no', metadata: metadataOf(trailers) });
    },
  },
  {
    name: 'interceptors above a request that cannot be read',
    text: UNREADABLE,
    server: (log) => ({ interceptors: [log.interceptor('first')] }),
  },
  {
    name: 'an interceptor that refuses',
    server: (log) => ({ interceptors: [log.interceptor('below'), refuses, log.interceptor('above')] }),
  },
  {
    name: 'an interceptor that changes all that passes',
    server: (log) => ({ interceptors: [log.interceptor('below'), changes, log.interceptor('above')] }),
    handler: (log) => (call, callback) => {
      log.watch(call);
      call.sendMetadata(metadataOf({ 'x-head': 'a' }));
      callback(null, { text: 'fine' });
    },
  },
  {
    name: 'an AsyncLocalStorage that an interceptor enters',
    server: () => ({ interceptors: [entersStore] }),
    handler: () => async (_call, callback) => {
      const before = store.getStore();
      await Promise.resolve();
      callback(null, { text: `${before}, then ${store.getStore()}` });
    },
  },
];

describe.each(itemForms)('%s', (form) => {
  test.for(scenes)('$name: as a call of its own', async (scene) => {
    const direct = await play(scene, 'direct');
    expect(await play(scene, form)).toEqual(direct);
  });
});

describe('the stage itself', () => {
  test('tells a handler that behaves otherwise', async () => {
    const one = await play({ name: 'a', handler: () => (_call, callback) => callback(null, { text: 'a' }) }, 'direct');
    const other = await play({ name: 'b', handler: () => (_call, callback) => callback(null, { text: 'b' }) }, 'item, channel');
    expect(other).not.toEqual(one);
  });

  test('sees the interceptors and the handler of an item', async () => {
    const { server } = await play({ name: 'a', server: (log) => ({ interceptors: [log.interceptor('only')] }) }, 'item, channel');
    expect(server.length).toBeGreaterThan(6);
  });
});
