/**
 * Takes over what a gRPC service config says about methods, so that its retryPolicy and hedgingPolicy can be replaced by
 * ours and attempts are never multiplied.
 *
 * Source: grpc-proto service_config.proto (MethodConfig), gRFC A6 (retryPolicy, hedgingPolicy).
 *
 * @packageDocumentation
 */

import { nearest } from '../input/nearest.ts';
import { show, showPath } from '../input/show.ts';
import { durationMs, secondsText } from './duration.ts';
import { retryRules } from './method-rules.ts';
import { checkPolicy, parsePolicy } from './parse.ts';
import type { MethodPolicy, Policy, RetryThrottling } from './policy.gen.ts';

/** What was read from a service config. */
export interface ImportedConfig {
  /** Checked; the layers below the user's own policy. */
  readonly policy: Pick<Policy, 'methods' | 'services' | 'defaults'>;
  /** What is not taken over, or means something else here; one sentence each, beginning with its path. */
  readonly diagnostics: readonly string[];
  /** `retryThrottling`, checked: one client's in gRPC, the mesh's here, so it is left to the policy. Absent: there is none. */
  readonly throttle?: RetryThrottling;
  /** The config without what has been taken over (methodConfig, retryThrottling): what grpc-js should still be given. */
  readonly rest: Readonly<Record<string, unknown>>;
}

type Table = Readonly<Record<string, unknown>>;
/** Adds a diagnostic about what stands at these keys of an entry. */
type Tell = (keys: readonly (string | number)[], text: string) => void;
type Layers = { methods: Record<string, MethodPolicy>; services: Record<string, MethodPolicy>; defaults?: MethodPolicy };

/** What is read of an entry; of the rest, why not and what to do. */
const TAKEN_OVER = ['name', 'timeout', 'retryPolicy', 'hedgingPolicy', 'waitForReady'];
const LARGEST = (way: 'send' | 'receive'): string =>
  `is not taken over: grpc-js has one limit for all methods of a client; set its option grpc.max_${way}_message_length`;
const IGNORED: Readonly<Record<string, string>> = {
  maxRequestMessageBytes: LARGEST('send'),
  maxResponseMessageBytes: LARGEST('receive'),
  // So grpc-js calls them, and then forgets them.
  maxRequestBytes: LARGEST('send'),
  maxResponseBytes: LARGEST('receive'),
};
const RETRY_FIELDS = ['maxAttempts', 'initialBackoff', 'maxBackoff', 'backoffMultiplier', 'retryableStatusCodes'] as const;
const HEDGING_FIELDS = ['maxAttempts', 'hedgingDelay', 'nonFatalStatusCodes'] as const;
const NAME_FIELDS = ['service', 'method'] as const;
/** `loadBalancingConfig` stays in force as it is: grpc-js goes on reading it. */
const CONFIG_FIELDS = ['methodConfig', 'retryThrottling', 'healthCheckConfig', 'loadBalancingPolicy', 'loadBalancingConfig'];
const UNSEEN = 'unknown key, not taken over';

const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads a service config: the object, or its JSON text as in the channel option `grpc.service_config`. Never throws: what
 * cannot be read is told in `diagnostics` and left out.
 *
 * As in gRPC, the most special entry stands alone: what the one of a method leaves open is not looked for in that of its service.
 */
export function importServiceConfig(json: unknown): ImportedConfig {
  const diagnostics: string[] = [];
  const config = readConfig(json, diagnostics);
  const { methodConfig, retryThrottling, ...rest } = config;
  tellTopLevel(rest, diagnostics);
  const throttle = readThrottle(retryThrottling, diagnostics);
  const layers: Layers = { methods: Object.create(null), services: Object.create(null) };
  if (Array.isArray(methodConfig)) {
    for (const [i, entry] of methodConfig.entries()) readEntry(entry, i, layers, diagnostics);
  } else if (methodConfig !== undefined) diagnostics.push(`serviceConfig.methodConfig: expected a list, got ${show(methodConfig)}`);
  return { policy: parsePolicy(layers, 'serviceConfig'), diagnostics, rest, ...(throttle === undefined ? {} : { throttle }) };
}

/** What stands beside `methodConfig`, and is not in force as it is. */
function tellTopLevel(config: Table, diagnostics: string[]): void {
  const { healthCheckConfig, loadBalancingPolicy } = config;
  if (healthCheckConfig !== undefined)
    diagnostics.push(
      'serviceConfig.healthCheckConfig: has no effect: grpc-js asks no health service; outlierDetection of the policy keeps calls away from endpoints that fail',
    );
  if (loadBalancingPolicy !== undefined)
    diagnostics.push(
      'serviceConfig.loadBalancingPolicy: grpc-js ignores it, and uses pick_first; write loadBalancingConfig, or leave it out for peak_ewma',
    );
  for (const key of Object.keys(config)) {
    if (CONFIG_FIELDS.includes(key)) continue;
    const meant = nearest(key, CONFIG_FIELDS);
    diagnostics.push(
      `${showPath('serviceConfig', [key])}: unknown key, which grpc-js ignores${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    );
  }
}

function readThrottle(value: unknown, diagnostics: string[]): RetryThrottling | undefined {
  if (value === undefined) return undefined;
  const checked = checkPolicy({ retryBudget: { throttle: value } });
  const at = 'serviceConfig.retryThrottling';
  for (const { keys, problem } of checked.problems ?? []) diagnostics.push(`${showPath(at, keys.slice(2))}: ${problem}; not taken over`);
  const throttle = checked.policy?.retryBudget?.throttle;
  if (throttle !== undefined)
    diagnostics.push(
      `${at}: is not taken over; write retryBudget: { throttle: ${JSON.stringify(throttle)} } into the policy to have the same for each service`,
    );
  return throttle;
}

function readConfig(json: unknown, diagnostics: string[]): Table {
  let config = json;
  if (typeof json === 'string') {
    try {
      config = JSON.parse(json);
    } catch {
      diagnostics.push('serviceConfig: not JSON');
      return {};
    }
  }
  if (isTable(config)) return config;
  if (config !== undefined && config !== null) diagnostics.push(`serviceConfig: expected an object, got ${show(config)}`);
  return {};
}

function readEntry(entry: unknown, index: number, layers: Layers, diagnostics: string[]): void {
  const path = ['methodConfig', index];
  const tell: Tell = (keys, text) => {
    diagnostics.push(`${showPath('serviceConfig', [...path, ...keys])}: ${text}`);
  };
  if (!isTable(entry)) {
    tell([], `expected an object, got ${show(entry)}`);
    return;
  }
  if (entry['waitForReady'] === true)
    tell(['waitForReady'], 'is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`');
  const own: MethodPolicy = {
    ...readTimeout(entry['timeout'], tell),
    ...readRetry(entry['retryPolicy'], tell),
    ...readHedging(entry, tell),
  };
  for (const key of Object.keys(entry)) {
    if (!TAKEN_OVER.includes(key)) tell([key], Object.hasOwn(IGNORED, key) ? (IGNORED[key] ?? UNSEEN) : UNSEEN);
  }
  const names: readonly unknown[] = Array.isArray(entry['name']) ? entry['name'] : [];
  if (names.length === 0) tell(['name'], `expected a list of names, got ${show(entry['name'])}`);
  for (const [i, name] of names.entries()) {
    const problem = store(name, own, layers);
    if (problem !== undefined) tell(['name', i], problem);
  }
}

function readTimeout(value: unknown, tell: Tell): MethodPolicy {
  if (value === undefined) return {};
  // grpc-js also takes protobuf's struct form: the only one in which it reads fractions right.
  const timeout = isTable(value) ? secondsText(Number(value['seconds'] ?? 0) + Number(value['nanos'] ?? 0) / 1e9) : value;
  const checked = checkPolicy({ defaults: { timeout } });
  for (const { problem } of checked.problems ?? []) tell(['timeout'], `${problem}; not taken over`);
  const defaults = checked.policy?.defaults ?? {};
  if (defaults.timeout === undefined) return {};
  if (durationMs(defaults.timeout) > 0) {
    tell(['timeout'], 'taken over for calls that come without a deadline; in gRPC it also cuts short those that have a longer one');
    return defaults;
  }
  // In a policy it means none, in a service config that every call is late.
  tell(['timeout'], 'expected a duration > "0s", got "0s"; not taken over');
  return {};
}

function readRetry(value: unknown, tell: Tell): MethodPolicy {
  if (value === undefined) return {};
  const checked = checkPolicy({ defaults: { retryPolicy: onlyOfGrpc(value, RETRY_FIELDS, 'retryPolicy', tell) } });
  for (const { keys, problem } of checked.problems ?? []) tell(keys.slice(1), `${problem}; the retryPolicy is not taken over`);
  const retryPolicy = checked.policy?.defaults?.retryPolicy;
  if (retryPolicy === undefined) return {};
  const missing = RETRY_FIELDS.filter((field) => retryPolicy[field] === undefined);
  if (missing.length > 0) tell(['retryPolicy'], `${missing.join(', ')} missing, which gRFC A6 demands; inmesh's defaults are used`);
  tell(
    ['retryPolicy'],
    'taken over; a call that may have been processed is re-sent only if its method is marked idempotent: true in the policy',
  );
  // In gRPC the entry stands alone: filled up, so that no half of it comes from a wider one.
  const { initialBackoffMs, maxBackoffMs, maxAttempts, backoffMultiplier } = retryRules(retryPolicy);
  return {
    retryPolicy: {
      maxAttempts,
      initialBackoff: secondsText(initialBackoffMs / 1000),
      maxBackoff: secondsText(maxBackoffMs / 1000),
      backoffMultiplier,
      retryableStatusCodes: retryPolicy.retryableStatusCodes ?? ['UNAVAILABLE'],
    },
  };
}

function readHedging(entry: Table, tell: Tell): MethodPolicy {
  const value = entry['hedgingPolicy'];
  if (value === undefined) return {};
  if (entry['retryPolicy'] !== undefined) {
    tell(['hedgingPolicy'], 'is not taken over: gRPC A6 allows no retryPolicy beside it');
    return {};
  }
  const checked = checkPolicy({ defaults: { hedgingPolicy: onlyOfGrpc(value, HEDGING_FIELDS, 'hedgingPolicy', tell) } });
  for (const { keys, problem } of checked.problems ?? []) tell(keys.slice(1), `${problem}; the hedgingPolicy is not taken over`);
  const hedgingPolicy = checked.policy?.defaults?.hedgingPolicy;
  if (hedgingPolicy === undefined) return {};
  if (hedgingPolicy.maxAttempts === undefined)
    tell(['hedgingPolicy'], "maxAttempts missing, which gRFC A6 demands; inmesh's default is used");
  tell(['hedgingPolicy'], 'taken over; only calls of methods marked idempotent: true in the policy are hedged, within retryBudget');
  // What is unset means something else in gRPC: no delay, and every failure is fatal.
  return { hedgingPolicy: { hedgingDelay: '0s', nonFatalStatusCodes: [], ...hedgingPolicy } };
}

/** The policy with what gRPC knows of it: as gRPC does, the rest is passed over, but it is told. */
function onlyOfGrpc(value: unknown, known: readonly string[], at: string, tell: Tell): unknown {
  if (!isTable(value)) return value;
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  for (const key of unknown) tell([at, key], 'unknown in gRPC, not taken over');
  return Object.fromEntries(Object.entries(value).filter(([key]) => known.includes(key)));
}

/** Puts `own` where `name` says; gives the problem if it cannot. */
function store(name: unknown, own: MethodPolicy, layers: Layers): string | undefined {
  if (!isTable(name)) return `expected an object, got ${show(name)}`;
  const unknown = Object.keys(name).find((key) => !NAME_FIELDS.some((field) => field === key));
  if (unknown !== undefined) return `unknown key ${show(unknown)}; a name has service and method, or neither`;
  const { service = '', method = '' } = name;
  if (typeof service !== 'string' || typeof method !== 'string') return 'expected service and method to be text';
  if (service === '') {
    if (method !== '') return `a method without a service, ${show(method)}`;
    if (layers.defaults !== undefined) return 'the default is configured twice; the first holds';
    layers.defaults = own;
    return undefined;
  }
  const kind = method === '' ? 'services' : 'methods';
  const key = method === '' ? service : `${service}/${method}`;
  const [problem] = checkPolicy({ [kind]: { [key]: {} } }).problems ?? [];
  if (problem !== undefined) return problem.problem;
  if (layers[kind][key] !== undefined) return `${show(key)} is configured twice; the first holds`;
  layers[kind][key] = own;
  return undefined;
}
