/**
 * Takes over what a gRPC service config says about methods, so that its retryPolicy and hedgingPolicy can be replaced by
 * ours and attempts are never multiplied.
 *
 * Source: grpc-proto service_config.proto (MethodConfig), gRFC A6 (retryPolicy, hedgingPolicy).
 *
 * @packageDocumentation
 */

import { show, showPath } from '../input/show.ts';
import { durationMs, secondsText } from './duration.ts';
import { retryRules } from './method-rules.ts';
import { checkPolicy, parsePolicy } from './parse.ts';
import type { MethodPolicy, Policy } from './policy.gen.ts';

/** What was read from a service config. */
export interface ImportedConfig {
  /** Checked; the layers below the user's own policy. */
  readonly policy: Pick<Policy, 'methods' | 'services' | 'defaults'>;
  /** What is not taken over, or means something else here; one sentence each, beginning with its path. */
  readonly diagnostics: readonly string[];
  /** The config without what has been taken over (methodConfig, retryThrottling): what grpc-js should still be given. */
  readonly rest: Readonly<Record<string, unknown>>;
}

type Table = Readonly<Record<string, unknown>>;
type Layers = { methods: Record<string, MethodPolicy>; services: Record<string, MethodPolicy>; defaults?: MethodPolicy };

const IGNORED: Readonly<Record<string, string>> = {
  waitForReady: 'is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`',
  maxRequestMessageBytes: 'is not taken over: set grpc.max_send_message_length',
  maxResponseMessageBytes: 'is not taken over: set grpc.max_receive_message_length',
  maxRequestBytes: 'is not taken over: set grpc.max_send_message_length',
  maxResponseBytes: 'is not taken over: set grpc.max_receive_message_length',
};
const TAKEN_OVER = ['name', 'timeout', 'retryPolicy', 'hedgingPolicy'];
const RETRY_FIELDS = ['maxAttempts', 'initialBackoff', 'maxBackoff', 'backoffMultiplier', 'retryableStatusCodes'] as const;

const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads a service config: the object, or its JSON text as in the channel option `grpc.service_config`. Never throws: what
 * cannot be read is told in `diagnostics` and left out.
 */
export function importServiceConfig(json: unknown): ImportedConfig {
  const diagnostics: string[] = [];
  const config = readConfig(json, diagnostics);
  const { methodConfig, retryThrottling, ...rest } = config;
  if (retryThrottling !== undefined)
    diagnostics.push('serviceConfig.retryThrottling: is not taken over; retryBudget of the policy takes its place');
  const layers: Layers = { methods: Object.create(null), services: Object.create(null) };
  if (Array.isArray(methodConfig)) {
    for (const [i, entry] of methodConfig.entries()) readEntry(entry, i, layers, diagnostics);
  } else if (methodConfig !== undefined) diagnostics.push(`serviceConfig.methodConfig: expected a list, got ${show(methodConfig)}`);
  tellInherited(layers, diagnostics);
  return { policy: parsePolicy(layers, 'serviceConfig'), diagnostics, rest };
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
  const tell = (keys: readonly (string | number)[], text: string): void => {
    diagnostics.push(`${showPath('serviceConfig', [...path, ...keys])}: ${text}`);
  };
  if (!isTable(entry)) {
    tell([], `expected an object, got ${show(entry)}`);
    return;
  }
  const own: MethodPolicy = {
    ...readTimeout(entry['timeout'], tell),
    ...readRetry(entry['retryPolicy'], tell),
    ...readHedging(entry, tell),
  };
  for (const key of Object.keys(entry)) {
    if (!TAKEN_OVER.includes(key)) tell([key], Object.hasOwn(IGNORED, key) ? (IGNORED[key] ?? '') : 'unknown key, not taken over');
  }
  const names: readonly unknown[] = Array.isArray(entry['name']) ? entry['name'] : [];
  if (names.length === 0) tell(['name'], `expected a list of names, got ${show(entry['name'])}`);
  for (const [i, name] of names.entries()) {
    const problem = store(name, own, layers);
    if (problem !== undefined) tell(['name', i], problem);
  }
}

function readTimeout(value: unknown, tell: (keys: readonly string[], text: string) => void): MethodPolicy {
  if (value === undefined) return {};
  // grpc-js also takes protobuf's struct form: the only one in which it reads fractions right.
  const timeout = isTable(value) ? secondsText(Number(value['seconds'] ?? 0) + Number(value['nanos'] ?? 0) / 1e9) : value;
  const checked = checkPolicy({ defaults: { timeout } });
  for (const { problem } of checked.problems ?? []) tell(['timeout'], `${problem}; not taken over`);
  const defaults = checked.policy?.defaults ?? {};
  if (defaults.timeout === undefined || durationMs(defaults.timeout) > 0) return defaults;
  // In a policy it means none, in a service config that every call is late.
  tell(['timeout'], 'expected a duration > "0s", got "0s"; not taken over');
  return {};
}

function readRetry(value: unknown, tell: (keys: readonly (string | number)[], text: string) => void): MethodPolicy {
  if (value === undefined) return {};
  const checked = checkPolicy({ defaults: { retryPolicy: value } });
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

function readHedging(entry: Table, tell: (keys: readonly (string | number)[], text: string) => void): MethodPolicy {
  const value = entry['hedgingPolicy'];
  if (value === undefined) return {};
  if (entry['retryPolicy'] !== undefined) {
    tell(['hedgingPolicy'], 'is not taken over: gRPC A6 allows no retryPolicy beside it');
    return {};
  }
  const checked = checkPolicy({ defaults: { hedgingPolicy: value } });
  for (const { keys, problem } of checked.problems ?? []) tell(keys.slice(1), `${problem}; the hedgingPolicy is not taken over`);
  const hedgingPolicy = checked.policy?.defaults?.hedgingPolicy;
  if (hedgingPolicy === undefined) return {};
  tell(['hedgingPolicy'], 'taken over; only calls of methods marked idempotent: true in the policy are hedged, within retryBudget');
  // What is unset means something else in gRPC: no delay, and every failure is fatal.
  return { hedgingPolicy: { hedgingDelay: '0s', nonFatalStatusCodes: [], ...hedgingPolicy } };
}

/** Puts `own` where `name` says; gives the problem if it cannot. */
function store(name: unknown, own: MethodPolicy, layers: Layers): string | undefined {
  if (!isTable(name)) return `expected an object, got ${show(name)}`;
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

/** In gRPC the most special entry stands alone; here it inherits what it does not say. */
function tellInherited(layers: Layers, diagnostics: string[]): void {
  const tell = (key: string, own: MethodPolicy, wider: MethodPolicy | undefined, where: string): void => {
    for (const field of ['timeout', 'retryPolicy', 'hedgingPolicy'] as const) {
      if (own[field] === undefined && wider?.[field] !== undefined)
        diagnostics.push(`serviceConfig: ${key} has no ${field} in gRPC, here it inherits that of ${where}`);
    }
  };
  for (const [service, own] of Object.entries(layers.services)) tell(service, own, layers.defaults, 'the default');
  for (const [method, own] of Object.entries(layers.methods)) {
    const service = method.slice(0, method.indexOf('/'));
    tell(method, own, layers.services[service], service);
    if (layers.services[service] === undefined) tell(method, own, layers.defaults, 'the default');
  }
}
