/**
 * Calls that are answered: messages, metadata both ways, statuses, and in which order they arrive.
 */
import { Metadata, status } from '@grpc/grpc-js';
import type { Rig, Scenario } from '../rig.ts';
import { type Handlers, type Note, note } from '../service.ts';

function requestMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.add('tag', 'one');
  metadata.add('tag', 'two');
  metadata.set('Mixed-Case', 'kept in lower case');
  metadata.set('raw-bin', Buffer.from([0, 1, 2, 253, 254, 255]));
  return metadata;
}

function responseMetadata(prefix: string): Metadata {
  const metadata = new Metadata();
  metadata.add(`${prefix}-text`, 'a');
  metadata.add(`${prefix}-text`, 'b');
  metadata.set(`${prefix}-raw-bin`, Buffer.from([9, 8, 7]));
  return metadata;
}

/** Handlers that send initial metadata first and trailers last. */
function decorated(rig: Rig): Partial<Handlers> {
  return {
    unary: (call, callback) => {
      rig.watchServer(call);
      call.sendMetadata(responseMetadata('initial'));
      callback(null, note(call.request.text), responseMetadata('trailer'));
    },
    clientStream: (call, callback) => {
      rig.watchServer(call);
      call.sendMetadata(responseMetadata('initial'));
      call.on('data', (message: Note) => rig.log.add('server', 'data', message));
      call.on('end', () => callback(null, note('done'), responseMetadata('trailer')));
    },
    serverStream: (call) => {
      rig.watchServer(call);
      call.sendMetadata(responseMetadata('initial'));
      call.write(note('first'));
      call.write(note('second'));
      call.end(responseMetadata('trailer'));
    },
    bidi: (call) => {
      rig.watchServer(call);
      call.sendMetadata(responseMetadata('initial'));
      call.on('data', (message: Note) => call.write(note(`re ${message.text}`)));
      call.on('end', () => call.end(responseMetadata('trailer')));
    },
  };
}

function details(text: string): { code: number; details: string; metadata: Metadata } {
  return { code: status.FAILED_PRECONDITION, details: text, metadata: responseMetadata('trailer') };
}

/** Handlers that fail with a code, details in UTF-8, and trailers, before any message. */
function failing(rig: Rig, early: boolean): Partial<Handlers> {
  const text = 'not today: naïve café ☕ 100% "quoted"\nsecond line';
  return {
    unary: (call, callback) => {
      rig.watchServer(call);
      if (early) call.sendMetadata(responseMetadata('initial'));
      callback(details(text));
    },
    clientStream: (call, callback) => {
      rig.watchServer(call);
      if (early) call.sendMetadata(responseMetadata('initial'));
      callback(details(text));
    },
    serverStream: (call) => {
      if (early) call.sendMetadata(responseMetadata('initial'));
      call.emit('error', details(text));
    },
    bidi: (call) => {
      if (early) call.sendMetadata(responseMetadata('initial'));
      call.emit('error', details(text));
    },
  };
}

/** One call of each kind, one after the other. */
async function callAll(rig: Rig, metadata: () => Metadata): Promise<void> {
  const { client } = rig;
  await rig.warm();
  await rig.watch(client.unary(note('hello'), metadata(), {}, rig.callback('unary')), 'unary');

  const up = client.clientStream(metadata(), {}, rig.callback('clientStream'));
  const upDone = rig.watch(up, 'clientStream');
  up.write(note('one'));
  up.write(note('two'));
  up.end();
  await upDone;

  await rig.watch(client.serverStream(note('hello'), metadata(), {}), 'serverStream');

  const both = client.bidi(metadata(), {});
  const bothDone = rig.watch(both, 'bidi');
  both.write(note('one'));
  both.write(note('two'));
  both.end();
  await bothDone;
}

export const answers: readonly Scenario[] = [
  { name: 'four kinds answer OK', run: (rig) => callAll(rig, () => new Metadata()) },
  { name: 'metadata and trailers travel both ways', handlers: decorated, run: (rig) => callAll(rig, requestMetadata) },
  {
    name: 'an error carries code, details and trailers',
    handlers: (rig) => failing(rig, false),
    run: (rig) => callAll(rig, requestMetadata),
  },
  { name: 'an error after initial metadata', handlers: (rig) => failing(rig, true), run: (rig) => callAll(rig, requestMetadata) },
  {
    name: 'an error after two messages of a stream',
    handlers: () => ({
      serverStream: (call) => {
        call.write(note('one'));
        call.write(note('two'));
        setImmediate(() => call.emit('error', details('enough')));
      },
      bidi: (call) => {
        call.write(note('one'));
        call.on('data', () => undefined);
        call.on('end', () => call.emit('error', details('enough')));
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.serverStream(note('x'), new Metadata(), {}), 'serverStream');
      const both = rig.client.bidi(new Metadata(), {});
      const done = rig.watch(both, 'bidi');
      both.end(note('x'));
      await done;
    },
  },
  {
    name: 'each status code arrives as it was sent',
    transports: ['plaintext'],
    handlers: () => ({ unary: (call, callback) => callback({ code: Number(call.request.text), details: `code ${call.request.text}` }) }),
    run: async (rig) => {
      await rig.warm();
      for (let code = 1; code <= 17; code++) {
        await rig.watch(rig.client.unary(note(String(code)), new Metadata(), {}, rig.callback()));
      }
    },
  },
  {
    name: 'an error without code or details',
    transports: ['plaintext'],
    handlers: () => ({ unary: (_call, callback) => callback(new Error('plain error')) }),
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), new Metadata(), {}, rig.callback()));
    },
  },
  {
    name: 'the caller may use a metadata object again and again, and change it after the call',
    transports: ['plaintext'],
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.log.add('server', 'called', call.metadata);
        callback(null, note('ok'));
      },
    }),
    run: async (rig) => {
      const metadata = requestMetadata();
      const call = rig.client.unary(note('x'), metadata, {}, rig.callback());
      metadata.set('tag', 'changed after the call');
      await rig.watch(call);
      rig.log.add('after', 'metadata', metadata, metadata.getOptions());
      await rig.watch(rig.client.unary(note('x'), metadata, {}, rig.callback()));
      rig.log.add('after', 'metadata', metadata, metadata.getOptions());
    },
  },
  {
    name: 'the short forms of a call',
    transports: ['plaintext'],
    run: async (rig) => {
      const seen = (lane: string): Promise<void> =>
        new Promise((resolve) => {
          const done = (error: unknown, value?: Note): void => {
            rig.log.add(lane, 'callback', error, value);
            resolve();
          };
          const { serialize, deserialize, path } = plain;
          if (lane === 'callback only') rig.client.makeUnaryRequest(path, serialize, deserialize, 'x', done);
          else if (lane === 'metadata') rig.client.makeUnaryRequest(path, serialize, deserialize, 'x', requestMetadata(), done);
          else rig.client.makeUnaryRequest(path, serialize, deserialize, 'x', { deadline: Date.now() + 5_000 }, done);
        });
      for (const lane of ['callback only', 'metadata', 'options']) {
        await rig.patiently(seen(lane), lane);
      }
    },
  },
  {
    name: 'fifty calls at once get each its own answer',
    handlers: () => ({
      unary: (call, callback) => {
        const n = Number(call.request.text);
        const answer = (): void =>
          n % 5 === 0 ? callback({ code: status.NOT_FOUND, details: `no ${n}` }) : callback(null, note(`re ${n}`));
        if (n % 2 === 0) setImmediate(answer);
        else answer();
      },
    }),
    run: async (rig) => {
      const calls = Array.from({ length: 50 }, (_, n) =>
        rig.watch(rig.client.unary(note(String(n)), new Metadata(), {}, rig.callback(`call ${n}`)), `call ${n}`),
      );
      await Promise.all(calls);
    },
  },
  {
    name: 'empty and large messages',
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note(''), new Metadata(), {}, rig.callback('empty')), 'empty');
      await rig.watch(rig.client.unary(note('x'.repeat(1_000_000)), new Metadata(), {}, rig.callback('large')), 'large');
    },
  },
];

/** A codec of our own for the methods of `Client` itself. */
const plain = {
  path: '/contract.Notes/Unary',
  serialize: (text: string): Buffer => Buffer.from(text),
  deserialize: (bytes: Buffer): Note => note(bytes.toString()),
};
