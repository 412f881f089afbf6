/**
 * Options of channels, clients and calls that change what travels or who is asked on the way.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { compressionAlgorithms, InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js';
import type { Rig, Scenario } from '../rig.ts';
import { note } from '../service.ts';

const none = (): Metadata => new Metadata();

/** `WriteFlags.NoCompress`, which grpc-js does not export. */
const NO_COMPRESS = 2;

/** An interceptor of an application that writes down all that it sees. */
function witness(rig: Rig, lane: string): Interceptor {
  return (options, nextCall) => {
    rig.log.add(lane, 'made for', options.method_definition.path, Object.keys(options).sort());
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        rig.log.add(lane, 'start', metadata);
        next(metadata, {
          onReceiveMetadata: (received, pass) => {
            rig.log.add(lane, 'onReceiveMetadata', received);
            pass(received);
          },
          onReceiveMessage: (message, pass) => {
            rig.log.add(lane, 'onReceiveMessage', message);
            pass(message);
          },
          onReceiveStatus: (status, pass) => {
            rig.log.add(lane, 'onReceiveStatus', { code: status.code, details: status.details, metadata: status.metadata });
            pass(status);
          },
        });
      },
      sendMessage: (message, next) => {
        rig.log.add(lane, 'sendMessage', message);
        next(message);
      },
      halfClose: (next) => {
        rig.log.add(lane, 'halfClose');
        next();
      },
      cancel: (next) => {
        rig.log.add(lane, 'cancel');
        next();
      },
    });
  };
}

async function each(rig: Rig, client = rig.client): Promise<void> {
  await rig.watch(client.unary(note('x'), none(), {}, rig.callback('unary')), 'unary');
  await rig.watch(client.serverStream(note('x'), none(), {}), 'serverStream');
  const both = client.bidi(none(), {});
  const done = rig.watch(both, 'bidi');
  both.end(note('x'));
  await done;
}

function seen(rig: Rig): Pick<Required<ReturnType<NonNullable<Scenario['handlers']>>>, 'unary'> {
  return {
    unary: (call, callback) => {
      rig.watchServer(call);
      callback(null, note(call.request.text));
    },
  };
}

export const options: readonly Scenario[] = [
  {
    name: 'gzip asked for by the channel',
    clientOptions: { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip },
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('squeeze '.repeat(1_000)), none(), {}, rig.callback()));
      await each(rig);
    },
  },
  {
    name: 'deflate asked for by the channel, refused for one message',
    transports: ['plaintext'],
    clientOptions: { 'grpc.default_compression_algorithm': compressionAlgorithms.deflate },
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      const text = 'squeeze '.repeat(100);
      await rig.watch(rig.client.unary(note(text), none(), {}, rig.callback('squeezed')), 'squeezed');
      const up = rig.client.clientStream(none(), {}, rig.callback('as it is'));
      const done = rig.watch(up, 'as it is');
      up.write(note(text), NO_COMPRESS);
      up.end();
      await done;
    },
  },
  {
    name: 'a host of the own choice',
    transports: ['plaintext'],
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { host: 'elsewhere.example' }, rig.callback()));
    },
  },
  {
    name: 'a default authority and a user agent of the own choice',
    transports: ['plaintext'],
    clientOptions: { 'grpc.default_authority': 'authority.example', 'grpc.primary_user_agent': 'contract/1' },
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), {}, rig.callback()));
    },
  },
  {
    name: 'the interceptors of an application see the same events',
    handlers: seen,
    run: async (rig) => {
      const client = rig.makeClient({ interceptors: [witness(rig, 'upper'), witness(rig, 'lower')] });
      await rig.warm(client);
      await each(rig, client);
      await rig.watch(client.missingUnary(note('x'), none(), {}, rig.callback('missing')), 'missing');
      const call = client.unary(note('x'), none(), {}, rig.callback('cancelled'));
      call.cancel();
      await rig.watch(call, 'cancelled');
    },
  },
  {
    name: 'the interceptors of one call',
    transports: ['plaintext'],
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { interceptors: [witness(rig, 'witness')] }, rig.callback()));
    },
  },
  {
    name: 'a call invocation transformer',
    transports: ['plaintext'],
    handlers: seen,
    run: async (rig) => {
      const client = rig.makeClient({
        callInvocationTransformer: (properties) => {
          rig.log.add('transformer', 'asked', properties.methodDefinition.path, properties.metadata, Object.keys(properties.callOptions));
          const metadata = properties.metadata.clone();
          metadata.set('transformed', 'yes');
          return { ...properties, metadata };
        },
      });
      await rig.warm(client);
      await rig.watch(client.unary(note('x'), none(), {}, rig.callback()));
    },
  },
  {
    name: 'peer and auth context, before, during and after a call',
    run: async (rig) => {
      await rig.warm();
      const call = rig.client.unary(note('x'), none(), {}, rig.callback());
      const look = (when: string): void => {
        const context = call.getAuthContext();
        const subject = context?.sslPeerCertificate?.subject.CN;
        rig.log.add(
          'client',
          `${when}:`,
          call.getPeer(),
          context === null ? 'null' : Object.keys(context).sort(),
          context?.transportSecurityType,
          subject,
        );
      };
      look('before');
      call.once('metadata', () => look('at metadata'));
      call.once('status', () => look('at status'));
      await rig.watch(call);
      look('after');
    },
  },
  {
    name: 'asynchronous context reaches the callbacks, warm',
    transports: ['plaintext'],
    run: async (rig) => {
      const context = new AsyncLocalStorage<string>();
      await rig.warm();
      const calls = ['first', 'second', 'third'].map((who) =>
        context.run(who, () => {
          const call = rig.client.unary(note('x'), none(), {}, () => rig.log.add(who, 'callback in', context.getStore()));
          call.on('status', () => rig.log.add(who, 'status in', context.getStore()));
          return rig.watch(call, `${who} call`);
        }),
      );
      await Promise.all(calls);
    },
  },
  {
    name: 'asynchronous context reaches the callbacks, before there is a connection',
    transports: ['plaintext'],
    run: async (rig) => {
      const context = new AsyncLocalStorage<string>();
      const calls = ['first', 'second', 'third'].map((who) =>
        context.run(who, () => {
          const call = rig.client.unary(note('x'), none(), {}, () => rig.log.add(who, 'callback in', context.getStore()));
          return rig.watch(call, `${who} call`);
        }),
      );
      await Promise.all(calls);
    },
  },
  {
    name: 'the retry policy of a service config',
    transports: ['plaintext'],
    clientOptions: {
      'grpc.service_config': JSON.stringify({
        methodConfig: [
          {
            name: [{}],
            retryPolicy: {
              maxAttempts: 3,
              initialBackoff: '0.001s',
              maxBackoff: '0.001s',
              backoffMultiplier: 1,
              retryableStatusCodes: ['UNAVAILABLE'],
            },
          },
        ],
      }),
    },
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.log.add('server', 'attempt', call.metadata.get('grpc-previous-rpc-attempts'));
        callback({ code: 14, details: 'later' });
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), {}, rig.callback()));
    },
  },
];
