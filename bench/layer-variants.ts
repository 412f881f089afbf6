/**
 * The layers whose own CPU is measured, each over a fake channel under an unmodified generated client.
 *
 * @packageDocumentation
 */
import { type ClientOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { fakeChannel } from './fake-channel.ts';

/** Layers, in the order of the table. Those named after a behaviour are that behaviour alone at door 1. */
export const LAYER_NAMES = [
  'bare',
  'bare-again',
  'noop-interceptor',
  'empty-interceptors',
  'empty-channel',
  'default-interceptors',
  'default-channel',
  'tracing',
  'metrics',
  'deadline',
  'bulkhead',
  'retry',
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

type Inmesh = typeof import('../src/index.ts');
type Doors = typeof import('./doors.ts');

// Everything of ours is loaded on use: a bare process loads none of it.
const alone = (make: (inmesh: Inmesh) => Interceptor) => async (): Promise<ClientOptions> => ({
  channelOverride: fakeChannel(),
  interceptors: [make(await import('../src/index.ts'))],
});
const door = (make: (doors: Doors) => ClientOptions) => async (): Promise<ClientOptions> => make(await import('./doors.ts'));
const bare = async (): Promise<ClientOptions> => ({ channelOverride: fakeChannel() });

async function defaultInterceptors(): Promise<ClientOptions> {
  const { createMesh } = await import('../src/index.ts');
  const mesh = createMesh();
  return { ...mesh.options(), channelOverride: fakeChannel(), interceptors: mesh.interceptors() };
}

/** Client options of every layer by name. */
export const LAYERS: Readonly<Record<LayerName, () => Promise<ClientOptions>>> = {
  bare,
  'bare-again': bare,
  'noop-interceptor': async () => ({ channelOverride: fakeChannel(), interceptors: [noop] }),
  'empty-interceptors': door((doors) => ({ channelOverride: fakeChannel(), ...doors.emptyInterceptors() })),
  'empty-channel': door((doors) => doors.emptyChannel(fakeChannel())),
  'default-interceptors': defaultInterceptors,
  'default-channel': door((doors) => doors.defaultChannel(fakeChannel())),
  tracing: alone((inmesh) => inmesh.tracingInterceptor()),
  metrics: alone((inmesh) => inmesh.metricsInterceptor()),
  deadline: alone((inmesh) => inmesh.deadlineInterceptor()),
  bulkhead: alone((inmesh) => inmesh.bulkheadInterceptor({ slots: 1000 })),
  retry: alone((inmesh) => inmesh.retryInterceptor()),
};
