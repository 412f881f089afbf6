/**
 * Calls that go wrong below the application: codecs, sizes, methods that do not exist, handlers that throw.
 */
import { Metadata } from '@grpc/grpc-js';
import type { Rig, Scenario } from '../rig.ts';
import { note, UNREADABLE, UNSERIALIZABLE } from '../service.ts';

const none = (): Metadata => new Metadata();

async function unary(rig: Rig, text: string, lane = 'client'): Promise<void> {
  await rig.watch(rig.client.unary(note(text), none(), {}, rig.callback(lane)), lane);
}

export const failures: readonly Scenario[] = [
  {
    name: 'a method that nobody serves',
    run: async (rig) => {
      await rig.warm();
      const { client } = rig;
      await rig.watch(client.missingUnary(note('x'), none(), {}, rig.callback('unary')), 'unary');
      const up = client.missingClientStream(none(), {}, rig.callback('clientStream'));
      const upDone = rig.watch(up, 'clientStream');
      up.end(note('x'));
      await upDone;
      await rig.watch(client.missingServerStream(note('x'), none(), {}), 'serverStream');
      const both = client.missingBidi(none(), {});
      const done = rig.watch(both, 'bidi');
      both.end(note('x'));
      await done;
    },
  },
  {
    name: 'a handler throws',
    handlers: () => ({
      unary: () => {
        throw new Error('handler broke');
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x');
    },
  },
  {
    name: 'the client cannot encode its request',
    transports: ['plaintext'],
    handlers: (rig) => ({
      unary: (_call, callback) => {
        rig.log.add('server', 'called');
        callback(null, note('never'));
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, UNSERIALIZABLE, 'unary');
      const up = rig.client.clientStream(none(), {}, rig.callback('clientStream'));
      const upDone = rig.watch(up, 'clientStream');
      up.write(note('fine'));
      up.write(note(UNSERIALIZABLE));
      await upDone;
      await rig.watch(rig.client.serverStream(note(UNSERIALIZABLE), none(), {}), 'serverStream');
      const both = rig.client.bidi(none(), {});
      const done = rig.watch(both, 'bidi');
      both.write(note(UNSERIALIZABLE));
      await done;
      rig.killServers();
    },
  },
  {
    name: 'the server cannot decode the request',
    transports: ['plaintext'],
    run: async (rig) => {
      await rig.warm();
      await unary(rig, UNREADABLE);
    },
  },
  {
    name: 'the server cannot encode its answer',
    transports: ['plaintext'],
    handlers: () => ({
      unary: (_call, callback) => callback(null, note(UNSERIALIZABLE)),
      serverStream: (call) => {
        call.write(note('fine'));
        call.write(note(UNSERIALIZABLE));
        call.end();
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x', 'unary');
      await rig.watch(rig.client.serverStream(note('x'), none(), {}), 'serverStream');
    },
  },
  {
    name: 'the client cannot decode the answer',
    transports: ['plaintext'],
    handlers: () => ({
      unary: (_call, callback) => callback(null, note(UNREADABLE)),
      serverStream: (call) => {
        call.write(note('fine'));
        call.write(note(UNREADABLE));
        call.end();
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x', 'unary');
      await rig.watch(rig.client.serverStream(note('x'), none(), {}), 'serverStream');
    },
  },
  {
    name: 'an answer larger than the client takes',
    clientOptions: { 'grpc.max_receive_message_length': 1_000 },
    handlers: () => ({ unary: (_call, callback) => callback(null, note('x'.repeat(2_000))) }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x');
    },
  },
  {
    name: 'a request larger than the client sends',
    clientOptions: { 'grpc.max_send_message_length': 1_000 },
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x'.repeat(2_000));
      const up = rig.client.clientStream(none(), {}, rig.callback('clientStream'));
      const done = rig.watch(up, 'clientStream');
      up.write(note('x'.repeat(2_000)));
      await done;
    },
  },
  {
    name: 'a request larger than the server takes',
    serverOptions: { 'grpc.max_receive_message_length': 1_000 },
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x'.repeat(2_000));
    },
  },
  {
    name: 'metadata larger than the server takes',
    serverOptions: { 'grpc.max_metadata_size': 1_000 },
    run: async (rig) => {
      await rig.warm();
      const metadata = new Metadata();
      metadata.set('heavy', 'x'.repeat(2_000));
      await rig.watch(rig.client.unary(note('x'), metadata, {}, rig.callback()));
    },
  },
  {
    name: 'a unary method that answers with no message',
    run: async (rig) => {
      await rig.warm();
      for (const count of ['0', '1']) {
        await rig.watch(rig.client.liar(note(count), none(), {}, rig.callback(`${count} messages`)), `${count} messages`);
      }
    },
  },
  {
    name: 'no server at the address',
    transports: ['plaintext'],
    serve: false,
    run: async (rig) => {
      rig.address = 'localhost:1'; // tcpmux: nobody listens there
      await unary(rig, 'x', 'unary');
      await rig.watch(rig.client.serverStream(note('x'), none(), {}), 'serverStream');
    },
  },
  {
    name: 'an address that cannot be parsed',
    transports: ['plaintext'],
    serve: false,
    run: async (rig) => {
      try {
        await rig.watch(rig.makeClient({}, 'no-such-scheme:\\//bad uri').unary(note('x'), none(), {}, rig.callback()));
      } catch (error) {
        rig.log.add('client', 'thrown', error);
      }
    },
  },
  {
    name: 'the server dies in the middle of a call',
    handlers: (rig) => ({
      unary: (call) => {
        rig.watchServer(call);
        rig.killServers();
      },
      serverStream: (call) => {
        call.write(note('one'));
        setImmediate(() => rig.killServers());
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await unary(rig, 'x', 'unary');
    },
  },
  {
    name: 'wrong arguments throw at the call site',
    transports: ['plaintext'],
    run: async (rig) => {
      const untyped: { unary: (...values: unknown[]) => unknown } = rig.client as unknown as { unary: (...values: unknown[]) => unknown };
      for (const values of [[note('x')], [note('x'), none()], [note('x'), none(), {}, 'no function'], []]) {
        try {
          untyped.unary(...values);
          rig.log.add('client', 'accepted', values.length);
        } catch (error) {
          rig.log.add('client', 'thrown', error);
        }
      }
    },
  },
];
