/**
 * Balancing alone, without the rest of the mesh: no interceptor can choose an endpoint, so this is a set of channel options.
 *
 * @packageDocumentation
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import type { BalanceOptions } from '../src/balance/options.ts';
import { newBook } from '../src/grpc/lb-policy.ts';
import { prepareChannelOptions } from '../src/grpc/service-config.ts';

/**
 * Options for one client: `new Greeter('dns:///greeter:50051', credentials, balanceOptions())`. Each call goes to the better of two
 * random endpoints by latency times load; the channel connects to every address. A service config in `channelOptions` that
 * names a policy wins over ours, and its retry policies stay.
 *
 * @throws ConfigError on options out of range or a broken service config.
 */
export function balanceOptions(options?: BalanceOptions, channelOptions: ChannelOptions = {}): ChannelOptions {
  const prepared = prepareChannelOptions(channelOptions, newBook(options), 'peak_ewma', 'keep');
  return prepared.options;
}
