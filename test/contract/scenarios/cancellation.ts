/**
 * Cancellation by the client, at every moment of a call, and what the server sees of it.
 */
import { Metadata } from '@grpc/grpc-js';
import { Gate, type Rig, type Scenario, turns } from '../rig.ts';
import { type Handlers, note } from '../service.ts';

const none = (): Metadata => new Metadata();

/** Handlers that never answer, but open the gate when they were called, and log `cancelled`. */
function silent(rig: Rig, called: Gate): Partial<Handlers> {
  return {
    unary: (call) => {
      rig.watchServer(call);
      called.open();
    },
    clientStream: (call) => {
      rig.watchServer(call);
      call.on('data', () => called.open());
    },
    serverStream: (call) => {
      rig.watchServer(call);
      call.write(note('one'));
    },
    bidi: (call) => {
      rig.watchServer(call);
      call.on('data', () => call.write(note('one')));
    },
  };
}

interface Held {
  readonly name: string;
  run(rig: Rig, called: Gate): Promise<void>;
}

const held: readonly Held[] = [
  {
    name: 'cancel a unary call that the server holds',
    run: async (rig, called) => {
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      await rig.patiently(called.opened, 'the handler');
      call.cancel();
      rig.log.add('client', 'cancel returned');
      await done;
    },
  },
  {
    name: 'cancel a client stream after its first message',
    run: async (rig, called) => {
      const call = rig.client.clientStream(none(), {}, rig.callback());
      const done = rig.watch(call);
      call.write(note('x'));
      await rig.patiently(called.opened, 'the handler');
      call.cancel();
      await done;
    },
  },
  {
    name: 'cancel a server stream after its first message',
    run: async (rig) => {
      const call = rig.client.serverStream(note('x'), none(), {});
      const done = rig.watch(call);
      call.once('data', () => call.cancel());
      await done;
    },
  },
  {
    name: 'cancel a bidi stream after its first answer',
    run: async (rig) => {
      const call = rig.client.bidi(none(), {});
      const done = rig.watch(call);
      call.write(note('x'));
      call.once('data', () => call.cancel());
      await done;
    },
  },
  {
    name: 'cancel with a code and a text of the own choice',
    run: async (rig, called) => {
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      await rig.patiently(called.opened, 'the handler');
      call.call?.cancelWithStatus(10, 'given up');
      await done;
    },
  },
];

export const cancellation: readonly Scenario[] = [
  ...held.map((one): Scenario => {
    const gates = new WeakMap<Rig, Gate>();
    const gateOf = (rig: Rig): Gate => {
      const gate = gates.get(rig) ?? new Gate();
      gates.set(rig, gate);
      return gate;
    };
    return {
      name: one.name,
      handlers: (rig) => silent(rig, gateOf(rig)),
      run: async (rig) => {
        await rig.warm();
        await one.run(rig, gateOf(rig));
      },
    };
  }),
  {
    name: 'cancel in the same turn, warm',
    transports: ['plaintext'],
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.unary(note('x'), none(), {}, rig.callback('unary'));
      call.cancel();
      await rig.watch(call, 'unary');
      const stream = rig.client.serverStream(note('x'), none(), {});
      stream.cancel();
      await rig.watch(stream, 'serverStream');
      const up = rig.client.clientStream(none(), {}, rig.callback('clientStream'));
      up.cancel();
      await rig.watch(up, 'clientStream');
      const both = rig.client.bidi(none(), {});
      both.cancel();
      await rig.watch(both, 'bidi');
      rig.killServers();
    },
  },
  {
    name: 'cancel in the same turn, before there is a connection',
    transports: ['plaintext'],
    run: async (rig) => {
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      call.cancel();
      await done;
    },
  },
  {
    name: 'cancel twice',
    transports: ['plaintext'],
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      call.cancel();
      call.cancel();
      await done;
    },
  },
  {
    name: 'cancel after the end is without effect',
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.unary(note('x'), none(), {}, rig.callback('unary'));
      await rig.watch(call, 'unary');
      call.cancel();
      const stream = rig.client.serverStream(note('x'), none(), {});
      await rig.watch(stream, 'serverStream');
      stream.cancel();
      await turns();
    },
  },
  {
    name: 'cancel from inside the metadata event',
    transports: ['plaintext'],
    handlers: (rig) => ({
      serverStream: (call) => {
        rig.watchServer(call);
        call.sendMetadata(new Metadata());
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.serverStream(note('x'), none(), {});
      call.once('metadata', () => call.cancel());
      await rig.watch(call);
    },
  },
];
