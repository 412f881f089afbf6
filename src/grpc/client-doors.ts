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
import { type BalanceRules, resolveBalanceOptions } from '../balance/options.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { refusal, UsageError } from '../errors.ts';
import { same } from '../input/same.ts';
import type { PolicyTable, ServiceConfigPolicy } from '../policy/resolve.ts';
import { importServiceConfig } from '../policy/service-config.ts';
import type { Random } from '../random.ts';
import type { ResetBudget } from '../resets/reset-budget.ts';
import { CallerStacks } from './caller-stacks.ts';
import { type ChannelStack, createRawChannel, describeCalls, MeshChannel, RawChannel } from './channel-door.ts';
import { beforeClose, FACTORY, notOurs, receiveLimit, TRANSFORMER, withoutOurs } from './channel-parts.ts';
import type { ClientInterceptor, Door } from './client-call.ts';
import { resolveWrapOptions, wrapClient } from './client-door.ts';
import type { MeshClientOptions, WrapOptions, WrappedClient } from './client-door-types.ts';
import { type ClusterTarget, redirectable, type Ways, waysOf } from './cluster-ways.ts';
import { type EndpointStats, endpointStats } from './endpoint-stats.ts';
import { asCurrentInterceptor, DOOR, type PlacedBehaviour } from './interceptor-door.ts';
import { localStatus, RefusedCall } from './refuse.ts';
import { prepareChannelOptions } from './service-config.ts';
import { soften } from './soft-call.ts';
import { type TargetState, targetStates } from './target-states.ts';

export type { EndpointStats } from './endpoint-stats.ts';

/** What is in force for calls that begin now. */
export interface ClientForce {
  readonly table: PolicyTable;
  readonly stack: PlacedBehaviour;
  /** Targets of policy that calls may be sent to, by name. Default: none. */
  readonly clusters?: ReadonlyMap<string, ClusterTarget> | undefined;
}

export interface ClientDoorsOptions extends ClientForce {
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  /** How often streams may be reset. */
  readonly resets: ResetBudget;
  /** Hears what happens to endpoints. Default: nobody does. */
  readonly onChange?: (target: string, change: EndpointChange) => void;
  /** What has happened to endpoints, by target. Default: nobody reads it. */
  readonly totals?: BalanceTotals;
}

const CONFIG = 'grpc.service_config';

const CLOSED: ClientInterceptor = () => new RefusedCall(localStatus(refusal(Code.UNAVAILABLE, 'client.mesh/closed', 'the mesh is closed')));

const NOT_WRAPPABLE =
  'mesh.wrap() takes a client on a channel of this mesh: new Greeter(target, credentials, mesh.client()), or { channelOverride: mesh.channel(target, credentials) }';
const TRANSFORMED = 'mesh.wrap(): this client has a callInvocationTransformer, which its calls would pass by: leave one of the two out';
const NOT_NONE = "mesh.wrap(): this client was made with interceptors, but { interceptors: 'none' } says that it has none: give the list";

interface Made {
  readonly channel: ChannelInterface;
  readonly door: Door & { readonly channel: RawChannel };
  readonly book: Endpoints;
  readonly ways: Ways;
}

/** The stack of channels, which changes in place: a call reads it once, when it begins. */
interface CurrentStack extends ChannelStack {
  behaviours: readonly string[];
  intercept: ClientInterceptor;
}

export class ClientDoors {
  readonly #options: ClientDoorsOptions;
  readonly #made = new Set<Made>();
  readonly #byChannel = new WeakMap<ChannelInterface, Door>();
  /** Our channels, with the options of the client that each was made for, as far as we saw them. */
  readonly #ours = new WeakMap<ChannelInterface, ClientOptions>();
  /** Channels of clients with interceptors that turn calls to clusters. */
  readonly #redirectable = new WeakSet<ChannelInterface>();
  readonly #stack: CurrentStack;
  #placed: PlacedBehaviour;
  #force: ClientForce;
  #closed = false;
  #warnedReplaced = false;

  constructor(options: ClientDoorsOptions) {
    this.#options = options;
    this.#force = options;
    const { stack, clock } = options;
    const { intercept } = stack;
    this.#stack = { behaviours: stack.name.split('+'), intercept, clock, closed: () => (this.#closed ? CLOSED : undefined) };
    this.#placed = this.#place(stack);
  }

  /** From now on this is in force. Calls that have begun go on as they began; channels and what was learned of endpoints stay. */
  take(force: ClientForce): void {
    const before = this.#force.table.balance;
    this.#force = force;
    this.#stack.behaviours = force.stack.name.split('+');
    this.#stack.intercept = force.stack.intercept;
    this.#placed = this.#place(force.stack);
    const books = same(before, force.table.balance) ? undefined : this.#bookRules();
    for (const { channel, book } of this.#made) {
      if (books !== undefined) book.retune(books);
      if (this.#byChannel.has(channel)) this.#redirect(channel);
    }
  }

  /** No call uses other clusters than these any more: the ways there are closed. */
  retainClusters(clusters: ReadonlySet<ClusterTarget>): void {
    for (const { ways } of this.#made) ways.retain(clusters);
    this.#purge();
  }

  client(own: ClientOptions, options: MeshClientOptions): ClientOptions {
    const factory: NonNullable<ClientOptions['channelFactoryOverride']> = (target, credentials, options) => {
      const channel = this.channel(target, credentials, options);
      this.#ours.set(channel, own);
      return channel;
    };
    const transformer = describeCalls(own.callInvocationTransformer, new CallerStacks(options));
    return { ...own, [FACTORY]: factory, [TRANSFORMER]: transformer, [`grpc.${FACTORY}`]: factory, [`grpc.${TRANSFORMER}`]: transformer };
  }

  channel(target: string, credentials: ChannelCredentials, options: ClientOptions): ChannelInterface {
    const made = this.#make(target, credentials, options, 'channel');
    const channel = new MeshChannel(made.channel, this.#stack, made.door);
    this.#keep({ ...made, channel });
    this.#ours.set(channel, {});
    return channel;
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

  options(own: ClientOptions, options: MeshClientOptions): ClientOptions {
    const stacks = new CallerStacks(options);
    const factory: NonNullable<ClientOptions['channelFactoryOverride']> = (target, credentials, options) => {
      const made = this.#make(target, credentials, options, 'interceptors');
      this.#keep(made);
      this.#byChannel.set(made.channel, made.door);
      this.#redirect(made.channel);
      return made.channel;
    };
    return { ...own, [FACTORY]: factory, [TRANSFORMER]: this.#showDoor(own.callInvocationTransformer, stacks) };
  }

  interceptors(): Interceptor[] {
    return [asCurrentInterceptor(() => this.#placed, this.#options.clock)];
  }

  #place(stack: PlacedBehaviour): PlacedBehaviour {
    return { ...stack, intercept: (info, next) => (this.#closed ? CLOSED : stack.intercept)(info, next) };
  }

  #redirect(channel: ChannelInterface): void {
    if ((this.#force.clusters?.size ?? 0) === 0 || this.#redirectable.has(channel)) return;
    this.#redirectable.add(channel);
    redirectable(channel);
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
    const imported = [...this.#made].find(({ door }) => door.target === target && door.imported !== undefined)?.door.imported;
    return imported && this.#force.table.withServiceConfig(imported);
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
    const { clock, random, warn, totals = new BalanceTotals() } = this.#options;
    const { table } = this.#force;
    this.#purge();
    const options = withoutOurs(given);
    const imported = this.#importRules(options);
    const book = new Endpoints(this.#bookRules(), clock, random, totals.of(target));
    book.onChange((change) => this.#options.onChange?.(target, change));
    const settings = { rules: table.endpoints, clock, random };
    const prepared = prepareChannelOptions(options, book, table.balance.policy === 'off' ? 'off' : 'peak_ewma', 'take', settings);
    if (prepared.reason !== undefined && table.balance.explicit && table.balance.policy !== 'off')
      warn(`policy.balance is not in force: ${prepared.reason}`);
    const channel = createRawChannel(target, credentials, prepared.options);
    const onClose = beforeClose(channel);
    if (prepared.ours) onClose(soften(channel, book, this.#options.resets, clock));
    const ways = waysOf((...to) => this.#keep(this.#make(...to, kind)), { credentials, options: given, kind });
    onClose(ways.close);
    const door = {
      kind,
      target,
      channel: new RawChannel(channel, clock),
      book: prepared.ours ? book : undefined,
      imported,
      onClose,
      maxReplyBytes: receiveLimit(prepared.options),
      way: ways.way,
    };
    return { channel, door, book, ways };
  }

  #bookRules(): BalanceRules {
    const { decayMs, maxInFlight, outlierDetection } = this.#force.table.balance;
    return resolveBalanceOptions({ decayMs, maxInFlight, outlierDetection }, 'policy.balance');
  }

  /** Forgets channels that their clients have closed. */
  #purge(): void {
    for (const made of this.#made) if (made.channel.getConnectivityState(false) === connectivityState.SHUTDOWN) this.#made.delete(made);
  }

  /** Reads the client's own service config, takes its method part out of the options, and gives the rules that it makes. */
  #importRules(options: ChannelOptions): ServiceConfigPolicy | undefined {
    const text = options[CONFIG];
    if (text === undefined) return undefined;
    const { policy: imported, diagnostics, rest } = importServiceConfig(text);
    if (diagnostics.some((line) => line.endsWith('not JSON'))) return undefined; // refused with its own words further on
    for (const line of diagnostics) this.#options.warn(line);
    if (Object.keys(rest).length > 0) options[CONFIG] = JSON.stringify(rest);
    else delete options[CONFIG];
    return imported;
  }

  /** Tells our interceptors about their channel, and that a call replaced them. */
  #showDoor(own: CallInvocationTransformer | undefined, stacks: CallerStacks): CallInvocationTransformer {
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
      if (shown === undefined) return call;
      const told = { ...call, callOptions: { ...call.callOptions, [DOOR]: shown } };
      return own === undefined ? stacks.of(told) : told;
    };
  }
}
