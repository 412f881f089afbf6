/**
 * The layers whose own CPU is measured, each over a fake channel under an unmodified generated client.
 *
 * @packageDocumentation
 */
import { type ClientOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { fakeChannel } from './fake-channel.ts';
import { empty, meshClient } from './variants.ts';

/** Layers, in the order of the table. */
export const LAYER_NAMES = [
  'bare',
  'bare-again',
  'noop-interceptor',
  'empty-interceptors',
  'empty-channel',
  'default-interceptors',
] as const;

/** Name of a layer. */
export type LayerName = (typeof LAYER_NAMES)[number];

/** A full pass-through interceptor as grpc-js's documentation writes it: the yardstick. */
const noop: Interceptor = (options, next) =>
  new InterceptingCall(next(options), {
    start: (metadata, _listener, forward) =>
      forward(metadata, {
        onReceiveMetadata: (received, pass) => pass(received),
        onReceiveMessage: (message, pass) => pass(message),
        onReceiveStatus: (status, pass) => pass(status),
      }),
    sendMessage: (message, pass) => pass(message),
    halfClose: (pass) => pass(),
    cancel: (pass) => pass(),
  });

const over = (options: ClientOptions): ClientOptions => ({ channelOverride: fakeChannel(), ...options });

/** Client options of every layer by name. May throw `AbsentError`. */
export const LAYERS: Readonly<Record<LayerName, () => Promise<ClientOptions>>> = {
  bare: async () => over({}),
  'bare-again': async () => over({}),
  'noop-interceptor': async () => over({ interceptors: [noop] }),
  'empty-interceptors': async () => over((await empty()).emptyInterceptors()),
  'empty-channel': async () => (await empty()).emptyChannel(fakeChannel()),
  'default-interceptors': async () => over({ interceptors: (await meshClient('interceptors', false)).options.interceptors ?? [] }),
};
