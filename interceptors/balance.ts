/**
 * Balancing: each call goes to the better of two random endpoints by latency times load.
 *
 * - No interceptor can choose an endpoint, so this is a set of channel options; the picker stands behind them. The stage here
 *   only looks whether grpc-js really uses it, and says so if not.
 * - Rejects nothing. State: the endpoints' loads and latencies, one book per channel.
 * - Source: Finagle and Linkerd (peak EWMA), Mitzenmacher (power of two choices); cases L1-L9, O30.
 *
 * @packageDocumentation
 */
import type { ChannelOptions, StatusObject } from '@grpc/grpc-js';
import type { BalanceOptions } from '../src/balance/options.ts';
import { Code } from '../src/call.ts';
import type { EndpointOptions } from '../src/endpoints/options.ts';
import { type CallInfo, type ClientCall, type ClientInterceptor, type Door, ForwardingCall } from '../src/grpc/client-call.ts';
import { newBook } from '../src/grpc/lb-policy.ts';
import { newSettings } from '../src/grpc/lb-settings.ts';
import { prepareChannelOptions } from '../src/grpc/service-config.ts';

/**
 * Options for one client: `new Greeter('dns:///greeter:50051', credentials, balanceOptions())`. Each call goes to the better of two
 * random endpoints by latency times load; the channel connects to every address. A service config in `channelOptions` that
 * names a policy wins over ours, and its retry policies stay.
 *
 * @throws ConfigError on options out of range or a broken service config.
 */
export function balanceOptions(
  options?: BalanceOptions,
  channelOptions: ChannelOptions = {},
  endpoints: EndpointOptions = {},
): ChannelOptions {
  const prepared = prepareChannelOptions(channelOptions, newBook(options), 'peak_ewma', 'keep', newSettings(endpoints));
  return prepared.options;
}

/** Says it, once for each client, when our policy was asked for and grpc-js uses another (a resolver may bring a service config). */
export function balanceClient({ warn }: { readonly warn: (line: string) => void }): ClientInterceptor {
  const looked = new WeakSet<Door>();
  return (info, next) =>
    info.door.book === undefined || looked.has(info.door) ? next(info) : new FirstCall(next(info), info, looked, warn);
}

class FirstCall extends ForwardingCall {
  readonly #info: CallInfo;
  readonly #looked: WeakSet<Door>;
  readonly #warn: (line: string) => void;

  constructor(lower: ClientCall, info: CallInfo, looked: WeakSet<Door>, warn: (line: string) => void) {
    super(lower);
    this.#info = info;
    this.#looked = looked;
    this.#warn = warn;
  }
  override onReceiveStatus(status: StatusObject): void {
    const { door } = this.#info;
    if (status.code === Code.OK && !this.#looked.has(door)) {
      this.#looked.add(door);
      if (door.book?.attached === false)
        this.#warn(`${door.target}: balancing is not in force: name resolution brought a service config with another LB policy`);
    }
    this.upper.onReceiveStatus(status);
  }
}
