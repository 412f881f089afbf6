/**
 * The channel itself: connectivity, its name, its end.
 */
import { connectivityState, Metadata } from '@grpc/grpc-js';
import { Gate, type Rig, type Scenario, turns } from '../rig.ts';
import { type Notes, note } from '../service.ts';

const none = (): Metadata => new Metadata();

function attempt(rig: Rig, lane: string, what: string, action: () => unknown): void {
  try {
    rig.log.add(lane, `${what}:`, action());
  } catch (error) {
    rig.log.add(lane, `${what} throws`, error);
  }
}

function state(rig: Rig, client: Notes, when: string): void {
  attempt(rig, 'state', when, () => connectivityState[client.getChannel().getConnectivityState(false)]);
}

/** One step of connectivity, as a promise. */
function nextState(rig: Rig, client: Notes, deadlineMs: number): Promise<Error | undefined> {
  const channel = client.getChannel();
  return rig.patiently(
    new Promise((resolve) => channel.watchConnectivityState(channel.getConnectivityState(false), Date.now() + deadlineMs, resolve)),
    'a change of state',
  );
}

export const channel: readonly Scenario[] = [
  {
    name: 'connectivity from idle to ready',
    run: async (rig) => {
      const { client } = rig;
      state(rig, client, 'new');
      attempt(rig, 'state', 'asked to connect', () => connectivityState[client.getChannel().getConnectivityState(true)]);
      for (let i = 0; i < 3; i++) {
        if (client.getChannel().getConnectivityState(false) === connectivityState.READY) break;
        const error = await nextState(rig, client, 5_000);
        rig.log.add('state', 'changed', error);
      }
      state(rig, client, 'at last');
      await rig.watch(client.unary(note('x'), none(), {}, rig.callback()));
      state(rig, client, 'after a call');
    },
  },
  {
    name: 'watching connectivity until a deadline',
    transports: ['plaintext'],
    run: async (rig) => {
      rig.log.add('state', 'changed', await nextState(rig, rig.client, 50));
      state(rig, rig.client, 'after');
    },
  },
  {
    name: 'connectivity towards an address where nobody listens',
    transports: ['plaintext'],
    serve: false,
    run: async (rig) => {
      rig.address = 'localhost:1';
      const { client } = rig;
      client.getChannel().getConnectivityState(true);
      for (let i = 0; i < 3; i++) {
        if (client.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE) break;
        rig.log.add('state', 'changed', await nextState(rig, client, 5_000));
      }
      state(rig, client, 'at last');
    },
  },
  {
    name: 'waitForReady of a client',
    transports: ['plaintext'],
    run: async (rig) => {
      const wait = (client: Notes, lane: string): Promise<void> =>
        rig.patiently(
          new Promise((resolve) =>
            client.waitForReady(Date.now() + 400, (error) => {
              rig.log.add(lane, 'ready', error);
              resolve();
            }),
          ),
          'waitForReady',
        );
      await wait(rig.client, 'reachable');
      await wait(rig.makeClient({}, 'localhost:1'), 'unreachable');
      const closed = rig.makeClient();
      closed.close();
      await wait(closed, 'closed');
    },
  },
  {
    name: 'the name of a channel',
    transports: ['plaintext'],
    run: async (rig) => {
      rig.log.add('client', 'target', rig.client.getChannel().getTarget());
      rig.log.add('client', 'target', rig.makeClient({}, `dns:///${rig.address}`).getChannel().getTarget());
      rig.log.add(
        'client',
        'target',
        rig
          .makeClient({}, `ipv4:${rig.address.replace('localhost', '127.0.0.1')}`)
          .getChannel()
          .getTarget(),
      );
      const reference = rig.client.getChannel().getChannelzRef();
      rig.log.add('client', 'channelz', Object.keys(reference).sort(), reference.kind, reference.name, reference.id > 0);
      const silent = rig.makeClient({ 'grpc.enable_channelz': 0 }).getChannel().getChannelzRef();
      rig.log.add('client', 'channelz off', silent.kind, silent.name);
    },
  },
  {
    name: 'every form of address reaches the server',
    transports: ['plaintext'],
    run: async (rig) => {
      const port = rig.address.split(':')[1];
      const forms = [
        `localhost:${port}`,
        `dns:localhost:${port}`,
        `dns:///localhost:${port}`,
        `ipv4:127.0.0.1:${port}`,
        `127.0.0.1:${port}`,
      ];
      for (const [i, address] of forms.entries()) {
        await rig.watch(rig.makeClient({}, address).unary(note('x'), none(), {}, rig.callback(`form ${i}`)), `form ${i}`);
      }
    },
  },
  {
    name: 'close while a call is under way',
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.watchServer(call);
        setTimeout(() => callback(null, note('late but here')), 50);
      },
    }),
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      await turns(10);
      rig.client.close();
      rig.log.add('client', 'closed');
      state(rig, rig.client, 'closed');
      await done;
    },
  },
  {
    name: 'close before there is a connection',
    transports: ['plaintext'],
    run: async (rig) => {
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const done = rig.watch(call);
      rig.client.close();
      await done;
    },
  },
  {
    name: 'calls after close',
    transports: ['plaintext'],
    run: async (rig) => {
      const { client } = rig;
      await rig.warm();
      client.close();
      attempt(rig, 'unary', 'call', () => {
        void rig.watch(client.unary(note('x'), none(), {}, rig.callback('unary')), 'unary');
      });
      attempt(rig, 'serverStream', 'call', () => {
        void rig.watch(client.serverStream(note('x'), none(), {}), 'serverStream');
      });
      attempt(rig, 'clientStream', 'call', () => {
        void rig.watch(client.clientStream(none(), {}, rig.callback('clientStream')), 'clientStream');
      });
      attempt(rig, 'bidi', 'call', () => {
        void rig.watch(client.bidi(none(), {}), 'bidi');
      });
      attempt(rig, 'channel', 'target', () => client.getChannel().getTarget());
      attempt(rig, 'channel', 'state', () => connectivityState[client.getChannel().getConnectivityState(false)]);
      attempt(rig, 'channel', 'watch', () =>
        client.getChannel().watchConnectivityState(connectivityState.READY, Date.now() + 50, () => undefined),
      );
      attempt(
        rig,
        'channel',
        'createCall',
        () => void client.getChannel().createCall('/contract.Notes/Unary', Date.now() + 50, null, null, null),
      );
      attempt(rig, 'channel', 'close again', () => client.close());
      await turns(10);
    },
  },
  {
    name: 'a closed channel that is asked to connect',
    transports: ['plaintext'],
    run: async (rig) => {
      const { client } = rig;
      await rig.warm();
      client.close();
      const reference = client.getChannel();
      attempt(rig, 'channel', 'state', () => connectivityState[reference.getConnectivityState(true)]);
      attempt(rig, 'channel', 'createCall', () => void reference.createCall('/contract.Notes/Unary', Date.now() + 50, null, null, null));
      client.close();
    },
  },
  {
    name: 'a call on the channel without a client',
    transports: ['plaintext'],
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.getChannel().createCall('/contract.Notes/Unary', Number.POSITIVE_INFINITY, null, null, null);
      const over = new Gate();
      rig.log.add('client', 'number', typeof call.getCallNumber());
      call.start(none(), {
        onReceiveMetadata: (metadata) => rig.log.add('client', 'metadata', metadata),
        onReceiveMessage: (message: Buffer) => rig.log.add('client', 'message', message.toString()),
        onReceiveStatus: (status) => {
          rig.log.add('client', 'status', { code: status.code, details: status.details, metadata: status.metadata });
          over.open();
        },
      });
      call.sendMessageWithContext({ callback: () => rig.log.add('writes', 'written') }, Buffer.from('x'));
      call.startRead();
      call.halfClose();
      await rig.patiently(over.opened, 'the status');
    },
  },
  {
    name: 'a server that comes back on its address',
    transports: ['plaintext'],
    clientOptions: { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 50 },
    run: async (rig) => {
      await rig.watch(rig.client.unary(note('x'), none(), {}, rig.callback('before')), 'before');
      const lost = nextState(rig, rig.client, 5_000);
      rig.killServers();
      await lost;
      await rig.serve({}, Number(rig.address.split(':')[1]));
      const metadata = new Metadata({ waitForReady: true });
      await rig.watch(rig.client.unary(note('x'), metadata, {}, rig.callback('after')), 'after');
    },
  },
];
