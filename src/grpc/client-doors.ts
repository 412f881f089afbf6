/**
 * The two client doors of one mesh: makes channels, gives each its book, and remembers them until the mesh is closed.
 *
 * @packageDocumentation
 */
import {
  type CallInvocationTransformer,
  ChannelCredentials,
  type ChannelInterface,
  type ChannelOptions,
  type Client,
  type ClientOptions,
  connectivityState,
  type Interceptor,
} from '@grpc/grpc-js';
import type { EndpointChange } from '../balance/changes.ts';
import { BalanceTotals } from '../balance/counts.ts';
import { Endpoints } from '../balance/endpoints.ts';
import { resolveBalanceOptions } from '../balance/options.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { refusal, UsageError } from '../errors.ts';
import { show } from '../input/show.ts';
import type { PolicyTable } from '../policy/resolve.ts';
import { importServiceConfig } from '../policy/service-config.ts';
import type { Random } from '../random.ts';
import type { ResetBudget } from '../resets/reset-budget.ts';
import { createRawChannel, describeCalls, MeshChannel, RawChannel } from './channel-door.ts';
import type { ClientInterceptor, Door } from './client-call.ts';
import { resolveWrapOptions, wrapClient } from './client-door.ts';
import type { WrapOptions, WrappedClient } from './client-door-types.ts';
import { type ClusterTarget, redirectable, waysOf } from './cluster-ways.ts';
import { type EndpointStats, endpointStats } from './endpoint-stats.ts';
import { asInterceptor, DOOR, type PlacedBehaviour } from './interceptor-door.ts';
import { localStatus, RefusedCall } from './refuse.ts';
import { prepareChannelOptions } from './service-config.ts';
import { soften } from './soft-call.ts';
import { type TargetState, targetStates } from './target-states.ts';

export type { EndpointStats } from './endpoint-stats.ts';

export interface ClientDoorsOptions {
  readonly table: PolicyTable;
  readonly stack: PlacedBehaviour;
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  /** How often streams may be reset. */
  readonly resets: ResetBudget;
  /** Targets of policy that calls may be sent to, by name. Default: none. */
  readonly clusters?: ReadonlyMap<string, ClusterTarget> | undefined;
  /** Hears what happens to endpoints. Default: nobody does. */
  readonly onChange?: (target: string, change: EndpointChange) => void;
  /** What has happened to endpoints, by target. Default: nobody reads it. */
  readonly totals?: BalanceTotals;
}

/** grpc-js keeps its channel factory and transformer under plain names; google-gax passes on only prefixed ones. */
const FACTORY = 'channelFactoryOverride';
const TRANSFORMER = 'callInvocationTransformer';
const CONFIG = 'grpc.service_config';

const CLOSED: ClientInterceptor = () => new RefusedCall(localStatus(refusal(Code.UNAVAILABLE, 'client.mesh/closed', 'the mesh is closed')));

const NOT_WRAPPABLE =
  'mesh.wrap() takes a client on a channel of this mesh: new Greeter(target, credentials, mesh.client()), or { channelOverride: mesh.channel(target, credentials) }';
const TRANSFORMED = 'mesh.wrap(): this client has a callInvocationTransformer, which its calls would pass by: leave one of the two out';
const NOT_NONE = "mesh.wrap(): this client was made with interceptors, but { interceptors: 'none' } says that it has none: give the list";

interface Made {
  readonly channel: ChannelInterface;
  readonly door: Door & { readonly channel: RawChannel };
}

export class ClientDoors {
  readonly #options: ClientDoorsOptions;
  readonly #made = new Set<Made>();
  readonly #byChannel = new WeakMap<ChannelInterface, Door>();
  /** Our channels, with the options of the client that each was made for, as far as we saw them. */
  readonly #ours = new WeakMap<ChannelInterface, ClientOptions>();
  #closed = false;
  #warnedReplaced = false;

  constructor(options: ClientDoorsOptions) {
    this.#options = options;
  }

  client(own: ClientOptions): ClientOptions {
    const factory: NonNullable<ClientOptions['channelFactoryOverride']> = (target, credentials, options) => {
      const channel = this.channel(target, credentials, options);
      this.#ours.set(channel, own);
      return channel;
    };
    const transformer = describeCalls(own.callInvocationTransformer);
    return { ...own, [FACTORY]: factory, [TRANSFORMER]: transformer, [`grpc.${FACTORY}`]: factory, [`grpc.${TRANSFORMER}`]: transformer };
  }

  channel(target: string, credentials: ChannelCredentials, options: ClientOptions): ChannelInterface {
    const { channel, door } = this.#make(target, credentials, options, 'channel');
    const { stack, clock } = this.#options;
    const behaviours = stack.name.split('+');
    const made = new MeshChannel(
      channel,
      { behaviours, intercept: stack.intercept, clock, closed: () => (this.#closed ? CLOSED : undefined) },
      door,
    );
    this.#keep({ channel: made, door });
    this.#ours.set(made, {});
    return made;
  }

  wrap<C extends Client>(client: C, options: WrapOptions): WrappedClient<C> {
    const settings = resolveWrapOptions(options);
    const channel: unknown = typeof client?.getChannel === 'function' ? client.getChannel() : undefined;
    const own = channel instanceof MeshChannel ? this.#ours.get(channel) : undefined;
    if (!(channel instanceof MeshChannel) || own === undefined) throw new UsageError(NOT_WRAPPABLE);
    if (own.callInvocationTransformer !== undefined) throw new UsageError(TRANSFORMED);
    const { interceptors = [], interceptor_providers = [] } = own;
    if (options.interceptors === 'none' && interceptors.length + interceptor_providers.length > 0) throw new UsageError(NOT_NONE);
    return wrapClient(client, channel, settings);
  }

  options(own: ClientOptions): ClientOptions {
    const factory: NonNullable<ClientOptions['channelFactoryOverride']> = (target, credentials, options) => {
      const made = this.#make(target, credentials, options, 'interceptors');
      this.#keep(made);
      this.#byChannel.set(made.channel, made.door);
      if (made.door.way !== undefined) redirectable(made.channel);
      return made.channel;
    };
    return { ...own, [FACTORY]: factory, [TRANSFORMER]: this.#showDoor(own.callInvocationTransformer) };
  }

  interceptors(): Interceptor[] {
    const { stack, clock } = this.#options;
    const intercept: ClientInterceptor = (info, next) => (this.#closed ? CLOSED : stack.intercept)(info, next);
    return [asInterceptor({ ...stack, intercept }, clock)];
  }

  endpoints(): Record<string, EndpointStats[]> {
    const { clock } = this.#options;
    const byTarget: Record<string, EndpointStats[]> = {};
    for (const { door } of this.#made) {
      if (door.book === undefined) continue;
      const known = byTarget[door.target];
      const stats = endpointStats(door.book.endpoints, clock);
      if (known !== undefined) known.push(...stats);
      else if (stats.length > 0) byTarget[door.target] = stats;
    }
    return byTarget;
  }

  targets(): readonly TargetState[] {
    return targetStates(this.#made);
  }

  /** The rules of clients of this target, where a service config of theirs has a say in them. */
  rulesFor(target: string): PolicyTable | undefined {
    return [...this.#made].find(({ door }) => door.target === target && door.rules !== undefined)?.door.rules;
  }

  /** From now on every call is refused. */
  refuse(): void {
    this.#closed = true;
  }

  close(): void {
    for (const { channel } of this.#made) channel.close();
    this.#made.clear();
  }

  #keep(made: Made): Made {
    if (this.#closed)
      made.channel.close(); // nobody would close it later
    else this.#made.add(made);
    return made;
  }

  #make(target: string, credentials: ChannelCredentials, given: ClientOptions, kind: Door['kind']): Made {
    if (!(credentials instanceof ChannelCredentials)) throw notOurs(credentials);
    const { table, clock, random, warn, totals = new BalanceTotals() } = this.#options;
    for (const made of this.#made) if (made.channel.getConnectivityState(false) === connectivityState.SHUTDOWN) this.#made.delete(made);
    const options = withoutOurs(given);
    const rules = this.#importRules(options);
    const { decayMs, maxInFlight, outlierDetection } = table.balance;
    const book = new Endpoints(
      resolveBalanceOptions({ decayMs, maxInFlight, outlierDetection }, 'policy.balance'),
      clock,
      random,
      totals.of(target),
    );
    book.onChange((change) => this.#options.onChange?.(target, change));
    const settings = { rules: table.endpoints, clock, random };
    const prepared = prepareChannelOptions(options, book, table.balance.policy === 'off' ? 'off' : 'peak_ewma', 'take', settings);
    if (prepared.reason !== undefined && table.balance.explicit && table.balance.policy !== 'off')
      warn(`policy.balance is not in force: ${prepared.reason}`);
    const channel = createRawChannel(target, credentials, prepared.options);
    const onClose = beforeClose(channel);
    if (prepared.ours) onClose(soften(channel, book, this.#options.resets, clock));
    const door = {
      kind,
      target,
      channel: new RawChannel(channel, clock),
      book: prepared.ours ? book : undefined,
      rules,
      onClose,
      maxReplyBytes: receiveLimit(prepared.options),
    };
    const { clusters } = this.#options;
    if (clusters === undefined || clusters.size === 0) return { channel, door };
    const ways = waysOf(clusters, (...to) => this.#keep(this.#make(...to, kind)), { credentials, options: given, kind });
    onClose(ways.close);
    return { channel, door: { ...door, way: ways.way } };
  }

  /** Reads the client's own service config, takes its method part out of the options, and gives the rules that it makes. */
  #importRules(options: ChannelOptions): PolicyTable | undefined {
    const text = options[CONFIG];
    if (text === undefined || !text.includes('methodConfig')) return undefined;
    const { policy: imported, diagnostics, rest } = importServiceConfig(text);
    if (diagnostics.some((line) => line.endsWith('not JSON'))) return undefined; // refused with its own words further on
    for (const line of diagnostics) this.#options.warn(line);
    if (Object.keys(rest).length > 0) options[CONFIG] = JSON.stringify(rest);
    else delete options[CONFIG];
    return this.#options.table.withServiceConfig(imported);
  }

  /** Tells our interceptors about their channel, and that a call replaced them. */
  #showDoor(own: CallInvocationTransformer | undefined): CallInvocationTransformer {
    return (given) => {
      const call = own === undefined ? given : own(given);
      const { interceptors, interceptor_providers } = call.callOptions;
      const replaced = (interceptors?.length ?? 0) > 0 || (interceptor_providers?.length ?? 0) > 0;
      if (replaced && !this.#warnedReplaced) {
        this.#warnedReplaced = true;
        this.#options.warn(
          `${call.methodDefinition.path}: the call's own interceptors replace the client's, inmesh's with them; use mesh.client() to have both`,
        );
      }
      const door = this.#byChannel.get(call.channel);
      // A list of the call's own may hold ours above others: nothing is known of what stands below, so no batches.
      const shown = replaced && door !== undefined ? { ...door, channel: undefined } : door;
      return shown === undefined ? call : { ...call, callOptions: { ...call.callOptions, [DOOR]: shown } };
    };
  }
}

/** Lets others act before the channel is closed, by whomever: its own method is shadowed on the instance. */
function beforeClose(channel: ChannelInterface): (fn: () => void) => void {
  const listeners: (() => void)[] = [];
  const close = channel.close.bind(channel);
  channel.close = () => {
    for (const listener of listeners.splice(0)) listener();
    close();
  };
  return (fn) => listeners.push(fn);
}

/** The longest message that a client with these options takes; -1 in them is no limit. */
function receiveLimit(options: ChannelOptions): number {
  const limit = options['grpc.max_receive_message_length'] ?? 4 << 20;
  return limit < 0 ? 2 ** 31 - 1 : Math.max(1, limit);
}

function notOurs(credentials: unknown): UsageError {
  const ofAnotherCopy = typeof credentials === 'object' && credentials !== null && 'compose' in credentials;
  return new UsageError(
    ofAnotherCopy
      ? 'these channel credentials are not of the @grpc/grpc-js that inmesh uses: two copies of it are installed (see `npm ls @grpc/grpc-js`); one must go'
      : `expected channel credentials, e.g. credentials.createInsecure(), got ${show(credentials)}`,
  );
}

/** The options without what a client's constructor or gax leaves in them; functions there would defeat the sharing of connections. */
function withoutOurs(options: ClientOptions): ChannelOptions {
  const { interceptors: _i, interceptor_providers: _p, channelOverride: _o, [FACTORY]: _f, [TRANSFORMER]: _t, ...rest } = options;
  delete rest[`grpc.${FACTORY}`];
  delete rest[`grpc.${TRANSFORMER}`];
  return rest;
}
