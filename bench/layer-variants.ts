/**
 * The layers whose own CPU is measured, each over a fake channel under an unmodified generated client.
 *
 * @packageDocumentation
 */
import { type ClientOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import type { ClientRecipe } from './echo.ts';
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
  'channel-quiet',
  'wrap',
  'tracing',
  'metrics',
  'deadline',
  'breaker',
  'limit',
  'bulkhead',
  'retry',
  'hedge',
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
const alone = (make: (inmesh: Inmesh) => Interceptor) => async (): Promise<ClientRecipe> => ({
  options: { channelOverride: fakeChannel(), interceptors: [make(await import('../src/index.ts'))] },
});
const door = (make: (doors: Doors) => ClientOptions) => async (): Promise<ClientRecipe> => ({ options: make(await import('./doors.ts')) });
const bare = async (): Promise<ClientRecipe> => ({ options: { channelOverride: fakeChannel() } });

async function defaultInterceptors(): Promise<ClientRecipe> {
  const { createMesh } = await import('../src/index.ts');
  const mesh = createMesh();
  // With the stacks that bare makes, or what is saved there would hide what we cost.
  return { options: { ...mesh.options({}, { callerStacks: true }), channelOverride: fakeChannel(), interceptors: mesh.interceptors() } };
}

/** Door 3 with the client stack of `createMesh()`. */
async function wrap(): Promise<ClientRecipe> {
  const { defaultChannel, wrapped } = await import('./doors.ts');
  return { options: defaultChannel(fakeChannel()), wrap: wrapped };
}

/** How the client of every layer is made, by name. */
export const LAYERS: Readonly<Record<LayerName, () => Promise<ClientRecipe>>> = {
  bare,
  'bare-again': bare,
  'noop-interceptor': async () => ({ options: { channelOverride: fakeChannel(), interceptors: [noop] } }),
  'empty-interceptors': door((doors) => ({ channelOverride: fakeChannel(), ...doors.emptyInterceptors() })),
  'empty-channel': door((doors) => doors.emptyChannel(fakeChannel())),
  'default-interceptors': defaultInterceptors,
  'default-channel': door((doors) => doors.defaultChannel(fakeChannel())),
  'channel-quiet': door((doors) => doors.withStacks(doors.defaultChannel(fakeChannel()), false)),
  wrap,
  tracing: alone((inmesh) => inmesh.tracingInterceptor()),
  metrics: alone((inmesh) => inmesh.metricsInterceptor()),
  deadline: alone((inmesh) => inmesh.deadlineInterceptor()),
  breaker: alone((inmesh) => inmesh.breakerInterceptor()),
  limit: alone((inmesh) => inmesh.limitInterceptor({ min: 1000, max: 1000 })),
  bulkhead: alone((inmesh) => inmesh.bulkheadInterceptor({ slots: 1000 })),
  retry: alone((inmesh) => inmesh.retryInterceptor()),
  hedge: alone((inmesh) => inmesh.hedgeInterceptor({ methods: ['/inmesh.bench.Echo/Say'], delayMs: 10_000 })),
};
