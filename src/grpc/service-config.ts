/**
 * Makes the channel options that a mesh needs out of those the user gave: our LB policy unless the user chose one, the user's
 * retry policies taken out (attempts of two retriers would multiply), and grpc-js's silent fallbacks made loud.
 *
 * @packageDocumentation
 */
import { type ChannelOptions, experimental } from '@grpc/grpc-js';
import type { Endpoints } from '../balance/endpoints.ts';
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import { bookOption, PEAK_EWMA, registerPeakEwma } from './lb-policy.ts';
import { type EndpointSettings, newSettings, settingsOption } from './lb-settings.ts';

/** A retry or hedging policy found in a service config, with the methods it is for, as the user wrote them. */
export interface TakenPolicy {
  readonly name: unknown;
  readonly retryPolicy?: unknown;
  readonly hedgingPolicy?: unknown;
}

/** Options for the channel, and what became of the user's wishes. */
export interface PreparedOptions {
  readonly options: ChannelOptions;
  /** True: our LB policy balances this channel and publishes in the book. */
  readonly ours: boolean;
  /** Why not, for logs. */
  readonly reason?: string;
  /** Policies taken out of the service config, for the mesh to take over. Absent: there were none. */
  readonly retryPolicies?: readonly TakenPolicy[];
}

type Json = Readonly<Record<string, unknown>>;

const CONFIG_KEY = 'grpc.service_config';
const CONFIG_PATH = `options["${CONFIG_KEY}"]`;
/** A replica that comes back is to be used soon; grpc-js's own default waits a second, longer after each failure. */
const RECONNECT_KEY = 'grpc.initial_reconnect_backoff_ms';
const RECONNECT_MS = 100;
/** And though it was away for long: grpc-js's own default is two minutes. */
const MAX_RECONNECT_KEY = 'grpc.max_reconnect_backoff_ms';
const MAX_RECONNECT_MS = 5_000;
/** grpc-js resolves a name at most so often; asked sooner, it waits. Its default of 30 s would make a refresh of ours idle. */
const RESOLUTION_KEY = 'grpc.dns_min_time_between_resolutions_ms';
const RESOLUTION_MS = 1_000;
const NO_TXT_KEY = 'grpc.service_config_disable_resolution';

/** LB policies of grpc-js and its xDS package; those that are registered in this process are suggested for a wrong name. */
const KNOWN_POLICIES = [PEAK_EWMA, 'pick_first', 'round_robin', 'outlier_detection', 'weighted_round_robin', 'ring_hash'];

/**
 * Channel options for a mesh. The user's are kept but for retry policies; TXT service config is off unless asked for, and
 * `grpc.enable_retries` is never touched: transparent retries need it. `retries: 'keep'` is for a balancer without a mesh.
 *
 * @throws ConfigError when the service config is not JSON, or names only LB policies that grpc-js would silently replace by
 * pick_first.
 */
export function prepareChannelOptions(
  userOptions: ChannelOptions,
  book: Endpoints,
  balance: 'peak_ewma' | 'off',
  retries: 'take' | 'keep' = 'take',
  settings: EndpointSettings = newSettings(),
): PreparedOptions {
  registerPeakEwma();
  const config = parseConfig(userOptions[CONFIG_KEY]);
  const chosen = chosenPolicy(config);
  const { rest, taken } = retries === 'keep' ? { rest: config, taken: [] } : takeRetryPolicies(config);
  const reason = whyNotOurs(chosen, balance);
  const final = reason === undefined && chosen === undefined ? { ...rest, loadBalancingConfig: [{ [PEAK_EWMA]: {} }] } : rest;
  const options: ChannelOptions = { [NO_TXT_KEY]: 1, ...(reason === undefined ? endpointDefaults(settings) : {}), ...userOptions };
  if (Object.keys(final).length > 0) options[CONFIG_KEY] = JSON.stringify(final);
  if (reason === undefined) Object.assign(options, bookOption(book), settingsOption(settings));
  return {
    options,
    ours: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    ...(taken.length === 0 ? {} : { retryPolicies: taken }),
  };
}

/** What our policy needs of grpc-js, unless the user said otherwise. */
function endpointDefaults({ rules: { refreshMs } }: EndpointSettings): ChannelOptions {
  const reconnect = { [RECONNECT_KEY]: RECONNECT_MS, [MAX_RECONNECT_KEY]: MAX_RECONNECT_MS };
  return refreshMs === 0 ? reconnect : { ...reconnect, [RESOLUTION_KEY]: Math.min(RESOLUTION_MS, refreshMs / 2) };
}

function whyNotOurs(chosen: string | undefined, balance: 'peak_ewma' | 'off'): string | undefined {
  if (chosen !== undefined && chosen !== PEAK_EWMA) return `the service config chooses ${chosen}`;
  if (balance === 'off' && chosen === undefined) return 'balance is off';
  return undefined;
}

function parseConfig(text: unknown): Json {
  if (text === undefined) return {};
  if (typeof text !== 'string') throw new ConfigError(CONFIG_PATH, `expected JSON text, got ${show(text)}`);
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(CONFIG_PATH, `not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(config)) throw new ConfigError(CONFIG_PATH, `expected a JSON object, got ${show(text)}`);
  return config;
}

/** The LB policy that grpc-js will use because of this config; undefined when the config leaves it open. */
function chosenPolicy(config: Json): string | undefined {
  const list = config['loadBalancingConfig'];
  const path = `${CONFIG_PATH}.loadBalancingConfig`;
  if (list !== undefined && !Array.isArray(list)) throw new ConfigError(path, `expected a list, got ${show(list)}`);
  const entries: unknown[] = list ?? [];
  const chosen = entries.map((entry, index) => usablePolicy(entry, `${path}[${index}]`)).find((name) => name !== undefined);
  if (chosen !== undefined) return chosen;
  if (entries.length > 0) throw unknownPolicy(entries, path);
  const old = config['loadBalancingPolicy'];
  if (old === undefined) return undefined;
  if (typeof old !== 'string') throw new ConfigError(`${CONFIG_PATH}.loadBalancingPolicy`, `expected a name, got ${show(old)}`);
  return `loadBalancingPolicy ${show(old)}, which grpc-js ignores for pick_first; write "loadBalancingConfig":[{"${old.toLowerCase()}":{}}]`;
}

/** The name of a policy that grpc-js can use; undefined when it does not know it. Known but wrong is never skipped in silence. */
function usablePolicy(entry: unknown, path: string): string | undefined {
  const [[name, body] = [], ...more] = isObject(entry) ? Object.entries(entry) : [];
  if (name === undefined || !isObject(body) || more.length > 0)
    throw new ConfigError(path, `expected an object with one key, the policy's name, and an object in it`);
  if (!experimental.isLoadBalancerNameRegistered(name)) return undefined;
  try {
    experimental.parseLoadBalancingConfig({ [name]: body });
  } catch (error) {
    throw new ConfigError(`${path}.${name}`, error instanceof Error ? error.message : String(error));
  }
  return name;
}

function unknownPolicy(entries: readonly unknown[], path: string): ConfigError {
  const names = entries.flatMap((entry) => (isObject(entry) ? Object.keys(entry) : []));
  const registered = KNOWN_POLICIES.filter((name) => experimental.isLoadBalancerNameRegistered(name));
  const meant = nearest(names[0] ?? '', registered);
  const advice = meant === undefined ? `known are ${registered.join(', ')}` : `did you mean ${meant}?`;
  return new ConfigError(path, `grpc-js knows no policy ${names.join(', ')} and would use pick_first; ${advice}`);
}

/** The config without the retry policies of its methods, and those. */
function takeRetryPolicies(config: Json): { readonly rest: Json; readonly taken: readonly TakenPolicy[] } {
  const list = config['methodConfig'];
  if (list === undefined) return { rest: config, taken: [] };
  if (!Array.isArray(list)) throw new ConfigError(`${CONFIG_PATH}.methodConfig`, `expected a list, got ${show(list)}`);
  const taken: TakenPolicy[] = [];
  const kept = list.map((entry: unknown, index) => {
    if (!isObject(entry)) throw new ConfigError(`${CONFIG_PATH}.methodConfig[${index}]`, `expected an object, got ${show(entry)}`);
    const { retryPolicy, hedgingPolicy, ...others } = entry;
    if (retryPolicy !== undefined || hedgingPolicy !== undefined)
      taken.push({
        name: entry['name'],
        ...(retryPolicy === undefined ? {} : { retryPolicy }),
        ...(hedgingPolicy === undefined ? {} : { hedgingPolicy }),
      });
    return others;
  });
  return { rest: { ...config, methodConfig: kept }, taken };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
