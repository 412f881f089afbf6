/**
 * What it takes to put a channel of ours in a client's place: its options, and its end.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, ChannelOptions, ClientOptions } from '@grpc/grpc-js';
import { UsageError } from '../errors.ts';
import { show } from '../input/show.ts';

/** grpc-js keeps its channel factory and transformer under plain names; google-gax passes on only prefixed ones. */
export const FACTORY = 'channelFactoryOverride';
export const TRANSFORMER = 'callInvocationTransformer';

/** Lets others act before the channel is closed, by whomever: its own method is shadowed on the instance. */
export function beforeClose(channel: ChannelInterface): (fn: () => void) => () => void {
  const listeners = new Set<() => void>();
  const close = channel.close.bind(channel);
  channel.close = () => {
    for (const listener of [...listeners]) listener();
    listeners.clear();
    close();
  };
  return (fn) => {
    listeners.add(fn);
    return () => void listeners.delete(fn);
  };
}

/** The longest message that a client with these options takes; -1 in them is no limit. */
export function receiveLimit(options: ChannelOptions): number {
  const limit = options['grpc.max_receive_message_length'] ?? 4 << 20;
  return limit < 0 ? 2 ** 31 - 1 : Math.max(1, limit);
}

export function notOurs(credentials: unknown): UsageError {
  const ofAnotherCopy = typeof credentials === 'object' && credentials !== null && 'compose' in credentials;
  return new UsageError(
    ofAnotherCopy
      ? 'these channel credentials are not of the @grpc/grpc-js that inmesh uses: two copies of it are installed (see `npm ls @grpc/grpc-js`); one must go'
      : `expected channel credentials, e.g. credentials.createInsecure(), got ${show(credentials)}`,
  );
}

/** The options without what a client's constructor or gax leaves in them; functions there would defeat the sharing of connections. */
export function withoutOurs(options: ClientOptions): ChannelOptions {
  const { interceptors: _i, interceptor_providers: _p, channelOverride: _o, [FACTORY]: _f, [TRANSFORMER]: _t, ...rest } = options;
  delete rest[`grpc.${FACTORY}`];
  delete rest[`grpc.${TRANSFORMER}`];
  return rest;
}
