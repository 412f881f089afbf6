/**
 * Our two doors with nothing behind them: what the doors themselves cost.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, ClientOptions } from '@grpc/grpc-js';
import { systemClock } from '../src/clock.ts';
import { createRawChannel, describeCalls, MeshChannel } from '../src/grpc/channel-door.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import { asInterceptor } from '../src/grpc/interceptor-door.ts';

const passOn: ClientInterceptor = (info, next) => next(info);

/** Door 1 without behaviours. */
export function emptyInterceptors(): ClientOptions {
  return { interceptors: [asInterceptor({ name: 'empty', from: 0, to: 0, intercept: passOn })] };
}

/** Door 2 without behaviours, over grpc-js's own channel or over `lower`. */
export function emptyChannel(lower?: ChannelInterface): ClientOptions {
  const stack = { behaviours: [], intercept: passOn, clock: systemClock, closed: () => undefined };
  return {
    channelFactoryOverride: (target, credentials, options) =>
      new MeshChannel(lower ?? createRawChannel(target, credentials, options), stack, undefined),
    callInvocationTransformer: describeCalls(),
  };
}
