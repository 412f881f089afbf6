/**
 * Credentials of channels and calls.
 */
import { CallCredentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Rig, Scenario } from '../rig.ts';
import { type Handlers, note } from '../service.ts';

const none = (): Metadata => new Metadata();

function token(rig: Rig, value: string): CallCredentials {
  return CallCredentials.createFromMetadataGenerator((parameters, callback) => {
    rig.log.add('generator', 'asked', parameters);
    const metadata = new Metadata();
    metadata.set('authorization', value);
    callback(null, metadata);
  });
}

function broken(text: string): CallCredentials {
  return CallCredentials.createFromMetadataGenerator((_parameters, callback) => callback(new Error(text)));
}

function seen(rig: Rig): Partial<Handlers> {
  return {
    unary: (call, callback) => {
      rig.watchServer(call);
      const context = call.getAuthContext();
      rig.log.add('server', 'auth', context.transportSecurityType, context.sslPeerCertificate?.subject?.CN);
      callback(null, note('ok'));
    },
    serverStream: (call) => {
      rig.watchServer(call);
      call.end();
    },
  };
}

export const security: readonly Scenario[] = [
  {
    name: 'credentials of one call',
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { credentials: token(rig, 'Bearer one') }, rig.callback()));
      await rig.watch(rig.client.serverStream(note('x'), none(), { credentials: token(rig, 'Bearer stream') }), 'serverStream');
    },
  },
  {
    name: 'credentials of two calls at once do not mix',
    transports: ['TLS'],
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.log.add(`server ${call.request.text}`, 'authorization', call.metadata.get('authorization'));
        callback(null, note('ok'));
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await Promise.all(
        ['one', 'two', 'three'].map((who) =>
          rig.watch(rig.client.unary(note(who), none(), { credentials: token(rig, `Bearer ${who}`) }, rig.callback(who)), who),
        ),
      );
    },
  },
  {
    name: 'two credentials joined',
    transports: ['TLS'],
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      const credentials = token(rig, 'Bearer one').compose(token(rig, 'Bearer two'));
      await rig.watch(rig.client.unary(note('x'), none(), { credentials }, rig.callback()));
    },
  },
  {
    name: 'credentials that cannot be had',
    transports: ['TLS'],
    handlers: seen,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { credentials: broken('token shop is closed') }, rig.callback()));
    },
  },
  {
    name: 'credentials that fail with a code of their own',
    transports: ['TLS'],
    run: async (rig) => {
      await rig.warm();
      const error: Partial<ServiceError> = Object.assign(new Error('coded'), { code: 8, details: 'no more tokens' });
      const credentials = CallCredentials.createFromMetadataGenerator((_parameters, callback) => callback(error as Error));
      await rig.watch(rig.client.unary(note('x'), none(), { credentials }, rig.callback()));
    },
  },
  {
    name: 'the server sees who calls',
    handlers: seen,
    run: async (rig) => {
      await rig.watch(rig.client.unary(note('x'), none(), {}, rig.callback()));
    },
  },
];
