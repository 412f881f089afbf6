/**
 * What only streams show: flow control, write callbacks, half-close, early answers, long streams.
 */
import { Metadata, status } from '@grpc/grpc-js';
import { Gate, type Scenario, turns } from '../rig.ts';
import { type Note, note } from '../service.ts';

const none = (): Metadata => new Metadata();

export const streams: readonly Scenario[] = [
  {
    name: 'write callbacks come in the order of the writes',
    run: async (rig) => {
      await rig.warm();
      const both = rig.client.bidi(none(), {});
      const done = rig.watch(both);
      for (let i = 0; i < 5; i++) {
        rig.log.add(
          'returns',
          'write',
          both.write(note(String(i)), () => rig.log.add('writes', 'written', i)),
        );
      }
      both.on('finish', () => rig.log.add('writes', 'finish'));
      both.end();
      await done;
    },
  },
  {
    name: 'a message is answered while the stream is open',
    run: async (rig) => {
      const both = rig.client.bidi(none(), {});
      const done = rig.watch(both);
      for (let i = 0; i < 4; i++) {
        const answered = new Promise((resolve) => both.once('data', resolve));
        both.write(note(`ping ${i}`));
        await rig.patiently(answered, `answer ${i}`);
      }
      both.end();
      await done;
    },
  },
  {
    name: 'a paused reader gets all messages in order, later',
    handlers: () => ({
      serverStream: (call) => {
        for (let i = 0; i < 100; i++) call.write(note(`message ${i}`));
        call.end();
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.serverStream(note('x'), none(), {});
      const done = rig.watch(call);
      call.once('data', () => {
        call.pause();
        setTimeout(() => {
          rig.log.add('client', 'resumed');
          call.resume();
        }, 30);
      });
      await done;
    },
  },
  {
    name: 'a stream read by iteration',
    handlers: () => ({
      serverStream: (call) => {
        call.write(note('one'));
        call.write(note('two'));
        if (call.request.text === 'fail') call.emit('error', { code: status.ABORTED, details: 'broken off' });
        else call.end();
      },
    }),
    run: async (rig) => {
      await rig.warm();
      for (const how of ['finish', 'fail']) {
        try {
          for await (const message of rig.client.serverStream(note(how), none(), {})) {
            rig.log.add(how, 'iterated', message);
          }
          rig.log.add(how, 'finished');
        } catch (error) {
          rig.log.add(how, 'thrown', error);
        }
      }
    },
  },
  {
    name: 'leaving an iteration early',
    transports: ['plaintext'],
    handlers: (rig) => ({
      serverStream: (call) => {
        call.on('cancelled', () => rig.log.add('server', 'cancelled', call.cancelled));
        for (let i = 0; i < 10; i++) call.write(note(`message ${i}`));
        call.end();
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.serverStream(note('x'), none(), {});
      for await (const message of call) {
        rig.log.add('client', 'iterated', message);
        break;
      }
      await turns(20);
      rig.log.add('client', 'destroyed', call.destroyed);
      rig.killServers();
    },
  },
  {
    name: 'the server answers before the client has finished',
    handlers: () => ({
      clientStream: (call, callback) => call.once('data', (message: Note) => callback(null, note(`enough at ${message.text}`))),
    }),
    run: async (rig) => {
      await rig.warm();
      const up = rig.client.clientStream(none(), {}, rig.callback());
      const done = rig.watch(up);
      up.write(note('one'));
      await done;
    },
  },
  {
    name: 'the server refuses before the client has finished',
    handlers: () => ({ clientStream: (_call, callback) => callback({ code: status.PERMISSION_DENIED, details: 'not you' }) }),
    run: async (rig) => {
      await rig.warm();
      const up = rig.client.clientStream(none(), {}, rig.callback());
      const done = rig.watch(up);
      up.write(note('one'));
      await done;
      rig.log.add('late', 'write', up.write(note('two')));
      up.end();
      await turns();
    },
  },
  {
    name: 'client streams and bidi streams with no message at all',
    run: async (rig) => {
      await rig.warm();
      const up = rig.client.clientStream(none(), {}, rig.callback('clientStream'));
      const upDone = rig.watch(up, 'clientStream');
      up.end();
      await upDone;
      const both = rig.client.bidi(none(), {});
      const done = rig.watch(both, 'bidi');
      both.end();
      await done;
    },
  },
  {
    name: 'a thousand messages both ways keep their order',
    transports: ['plaintext'],
    run: async (rig) => {
      const both = rig.client.bidi(none(), {});
      const done = rig.watch(both);
      for (let i = 0; i < 1_000; i++) both.write(note(String(i)));
      both.end();
      await done;
    },
  },
  {
    name: 'initial metadata arrives before the first message is sent',
    handlers: () => ({
      bidi: (call) => {
        const metadata = new Metadata();
        metadata.set('greeting', 'hello');
        call.sendMetadata(metadata);
        call.on('data', () => undefined);
        call.on('end', () => call.end());
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const both = rig.client.bidi(none(), {});
      const gate = new Gate();
      both.once('metadata', () => gate.open());
      const done = rig.watch(both);
      await rig.patiently(gate.opened, 'initial metadata');
      rig.log.add('client', 'half-closing');
      both.end();
      await done;
    },
  },
  {
    name: 'a call that nobody listens to does no harm',
    transports: ['plaintext'],
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.watchServer(call);
        callback(null, note('x'));
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const gate = new Gate();
      rig.client.unary(note('x'), none(), {}, () => gate.open());
      await rig.patiently(gate.opened, 'the callback');
    },
  },
];
