/**
 * A checked policy as the engines ask it: by method path, in milliseconds, with every default filled in.
 *
 * @packageDocumentation
 */

import type { TunnelRule } from '../batch/tunnel-rule.ts';
import { splitMethod } from '../call.ts';
import { type EndpointRules, resolveEndpointOptions } from '../endpoints/options.ts';
import { ConfigError } from '../errors.ts';
import type { AccessLogRules } from '../observe/access-log.ts';
import { type OutlierRules, resolveOutlierOptions } from '../outlier/options.ts';
import { outlierOptions } from './breaker-rules.ts';
import type { Declaration } from './declared.ts';
import { durationMs } from './duration.ts';
import { type MethodRules, methodRules } from './method-rules.ts';
import type {
  AttemptSpans,
  Balance,
  BalancePolicy,
  CarrierForm,
  Coalesce,
  CoalesceMode,
  Endpoints as EndpointsPolicy,
  FlushRule,
  MethodPolicy,
  Policy,
  TelemetryNames,
} from './policy.gen.ts';
import { layerAt, layerOf, type PolicyLayer, valueAt } from './precedence.ts';
import { type ServerRules, serverRules } from './server-rules.ts';

/** Ratio of calls that may be re-sent, with a floor. */
export interface RetryBudgetRules {
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly ttlMs: number;
  /** gRFC A6's throttle in place of the others. */
  readonly throttle?: { readonly maxTokens: number; readonly tokenRatio: number };
}

/** Refusing what a service would refuse anyway. */
export interface AdaptiveThrottleRules {
  readonly k: number;
  readonly windowMs: number;
}

/** How an endpoint is chosen. */
export interface BalanceRules {
  readonly policy: BalancePolicy;
  /** The document names the policy: it stands against one that the client's service config names. */
  readonly explicit: boolean;
  readonly decayMs: number;
  /** Undefined: no limit. */
  readonly maxInFlight?: number;
  readonly outlierDetection: OutlierRules;
}

/** Limits of batches. Whether a method's calls join them stands in its own rules. */
export interface CoalesceRules {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly maxCarriers: number;
  /** Metadata keys that may differ between items, besides the built-in ones. */
  readonly itemMetadata: readonly string[];
  readonly flush: FlushRule;
  /** Undefined: as the flush rule has it. */
  readonly lingerMs?: number;
  readonly tunnels: TunnelRule;
}

/** Deadline propagation. */
export interface DeadlineRules {
  readonly propagate: boolean;
  readonly hopMarginMs: number;
}

/** Spans and metrics. */
export interface TelemetryRules {
  readonly traces: boolean;
  readonly metrics: boolean;
  readonly attemptSpans: AttemptSpans;
  readonly names: TelemetryNames;
  readonly grpcTraceBin: boolean;
  readonly retryMetrics: boolean;
  readonly balancerMetrics: boolean;
}

/** What is shown of single calls. */
export interface RecordRules {
  readonly accessLog: AccessLogRules;
  /** Request metadata that tap and access log may show. */
  readonly shownMetadata: readonly string[];
}

/** What a method's own .proto file says, e.g. `inmesh.v1.method_policy` or `idempotency_level`; the most special first. */
export type DeclaredPolicy = (path: string) => readonly Declaration[];

/** What a client's service config says, in our form. */
export type ServiceConfigPolicy = Pick<Policy, 'methods' | 'services' | 'defaults'>;

/** More paths than that are not one client's methods; the oldest is computed anew when it comes again. */
const MAX_CACHED = 10_000;

const DEFAULT_DECAY_MS = 10_000;
const DEFAULT_TTL_MS = 10_000;
const DEFAULT_WINDOW_MS = 120_000;

const ms = (text: string | undefined, fallback: number): number => (text === undefined ? fallback : durationMs(text));

/** A policy, ready to be asked. Immutable but for its cache: a changed policy is a new table. */
export class PolicyTable {
  readonly retryBudget: RetryBudgetRules;
  /** Undefined: off. */
  readonly adaptiveThrottle: AdaptiveThrottleRules | undefined;
  readonly balance: BalanceRules;
  readonly endpoints: EndpointRules;
  readonly coalesce: CoalesceRules;
  readonly deadline: DeadlineRules;
  /** What of itself a call tells its server. */
  readonly traits: { readonly priority: boolean; readonly tenant: boolean };
  readonly telemetry: TelemetryRules;
  /** What is shown of single calls. */
  readonly records: RecordRules;
  readonly server: ServerRules;
  /** The document. */
  readonly policy: Policy;
  readonly #methods: ReadonlyMap<string, MethodPolicy>;
  readonly #services: ReadonlyMap<string, MethodPolicy>;
  readonly #declared: DeclaredPolicy;
  readonly #imported: ServiceConfigPolicy;
  readonly #coalesceMode: CoalesceMode;
  readonly #coalesceNames: ReadonlySet<string>;
  readonly #cache = new Map<string, MethodRules>();
  readonly #withConfig = new WeakMap<ServiceConfigPolicy, PolicyTable>();

  /**
   * @param policy - As `parsePolicy` gives it.
   * @param declared - What the methods' own files say. Wins over the policy's defaults, not over its services and methods.
   * @param imported - What a client's own service config says. Wins over the policy's defaults, not over what is declared.
   */
  constructor(policy: Policy, declared: DeclaredPolicy = () => [], imported: ServiceConfigPolicy = {}) {
    this.policy = policy;
    this.#methods = new Map(Object.entries(policy.methods ?? {}));
    this.#services = new Map(Object.entries(policy.services ?? {}));
    this.#declared = declared;
    this.#imported = imported;

    const coalesce: Coalesce = typeof policy.coalesce === 'string' ? { mode: policy.coalesce } : (policy.coalesce ?? {});
    const names = coalesce.mode === 'never' ? [] : (coalesce.methods ?? []);
    this.#coalesceNames = new Set(names);
    this.#coalesceMode = coalesce.mode === 'auto' && names.length === 0 ? 'auto' : 'never';
    const {
      maxItems = 128,
      maxBytes = 524_288,
      maxCarriers = 8,
      itemMetadata = [],
      flush = 'natural',
      linger,
      carrier = 'auto',
      requireL7Visibility = false,
    } = coalesce;
    const lingerMs = linger === undefined ? {} : { lingerMs: durationMs(linger) };
    this.coalesce = {
      // A larger batch would fit nowhere.
      maxItems: Math.min(maxItems, policyBalance(policy).maxInFlight ?? maxItems),
      maxBytes,
      maxCarriers,
      itemMetadata,
      flush,
      ...lingerMs,
      tunnels: tunnelRule(carrier, requireL7Visibility),
    };

    const { ratio = 0.2, minPerSecond = 10, ttl, throttle } = policy.retryBudget ?? {};
    this.retryBudget = { ratio, minPerSecond, ttlMs: ms(ttl, DEFAULT_TTL_MS), ...(throttle === undefined ? {} : { throttle }) };
    const adaptive = policy.adaptiveThrottle;
    this.adaptiveThrottle = adaptive && { k: adaptive.k ?? 2, windowMs: ms(adaptive.window, DEFAULT_WINDOW_MS) };

    const balance = policyBalance(policy);
    this.balance = {
      policy: balance.policy ?? 'peak_ewma',
      explicit: balance.policy !== undefined,
      decayMs: ms(balance.decay, DEFAULT_DECAY_MS),
      ...(balance.maxInFlight === undefined ? {} : { maxInFlight: balance.maxInFlight }),
      outlierDetection: resolveOutlierOptions(outlierOptions(policy.outlierDetection), 'policy.outlierDetection'),
    };

    this.endpoints = endpointRules(policy.endpoints);

    this.deadline = { propagate: policy.deadline?.propagate ?? true, hopMarginMs: ms(policy.deadline?.hopMargin, 0) };
    this.traits = { priority: policy.propagation?.priority ?? true, tenant: policy.propagation?.tenant ?? true };
    this.telemetry = telemetryRules(policy);
    this.records = recordRules(policy);
    this.server = serverRules(policy);
  }

  /**
   * The rules of one method. The same object for the same path, so that callers may key on it.
   *
   * @param path - `/pkg.Service/Method`.
   */
  method(path: string): MethodRules {
    const known = this.#cache.get(path);
    if (known !== undefined) return known;
    const rules = this.#resolve(path);
    if (this.#cache.size >= MAX_CACHED) for (const oldest of this.#cache.keys()) if (this.#cache.delete(oldest)) break;
    this.#cache.set(path, rules);
    return rules;
  }

  /** The same for a client that has a service config of its own; one table for each such config. */
  withServiceConfig(imported: ServiceConfigPolicy): PolicyTable {
    const known = this.#withConfig.get(imported);
    if (known !== undefined) return known;
    const made = new PolicyTable(this.policy, this.#declared, imported);
    this.#withConfig.set(imported, made);
    return made;
  }

  /** Whether the document names a method or its service. @param path - `/pkg.Service/Method`. */
  names(path: string): boolean {
    const { service, method } = splitMethod(path);
    return this.#methods.has(`${service}/${method}`) || this.#services.has(service);
  }

  /** Who speaks of a method, the most special first. */
  layers(path: string): readonly PolicyLayer[] {
    const { service, method } = splitMethod(path);
    const name = `${service}/${method}`;
    const named = this.#coalesceNames.has(name) || this.#coalesceNames.has(service);
    // In a service config the most special entry stands alone.
    const places = [['methods', name], ['services', service], ['defaults']];
    const [at = [], entry] =
      places.map((keys) => [keys, valueAt(this.#imported, keys)] as const).find(([, says]) => says !== undefined) ?? [];
    return [
      ...layerAt('methods', 'policy', ['methods', name], this.#methods.get(name)),
      ...layerAt('services', 'policy', ['services', service], this.#services.get(service)),
      ...this.#declared(path).flatMap(({ where, says }) => layerOf('declared', where, says)),
      ...layerAt('service-config', 'serviceConfig', at, entry as MethodPolicy | undefined),
      ...layerOf('policy', 'policy.coalesce.methods', named ? { coalesce: 'auto' } : undefined),
      ...layerAt('defaults', 'policy', ['defaults'], this.policy.defaults),
      ...layerOf('policy', 'policy.coalesce.mode', this.#coalesceMode === 'auto' ? { coalesce: 'auto' } : undefined),
    ];
  }

  #resolve(path: string): MethodRules {
    return methodRules(this.layers(path));
  }
}

/** The part that says how an endpoint is chosen, in its long form. */
export function policyBalance({ balance = {} }: Policy): Balance {
  return typeof balance === 'string' ? { policy: balance } : balance;
}

function tunnelRule(carrier: CarrierForm, requireL7Visibility: boolean): TunnelRule {
  if (carrier === 'tunnel' && requireL7Visibility) {
    throw new ConfigError(
      'policy.coalesce.requireL7Visibility',
      'expected false, got true, for coalesce.carrier is "tunnel", which no proxy can look into; did you mean carrier: "envelope"?',
    );
  }
  if (carrier === 'envelope' || requireL7Visibility) return 'never';
  return carrier === 'tunnel' ? 'always' : 'under-load';
}

/** How the connections of a channel are watched. */
export function endpointRules({ refresh, connectTimeout, hold, rebuild }: EndpointsPolicy = {}): EndpointRules {
  return resolveEndpointOptions(
    {
      ...(refresh === undefined ? {} : { refreshMs: durationMs(refresh) }),
      ...(connectTimeout === undefined ? {} : { connectTimeoutMs: durationMs(connectTimeout) }),
      ...(hold === undefined ? {} : { holdMs: durationMs(hold) }),
      ...(rebuild === undefined ? {} : { rebuild }),
    },
    'policy.endpoints',
  );
}

/** What spans and metrics there are. */
export function telemetryRules({ telemetry = {} }: Policy): TelemetryRules {
  const {
    traces = true,
    metrics = true,
    names = 'semconv',
    grpcTraceBin = false,
    retryMetrics = false,
    balancerMetrics = false,
  } = telemetry;
  const { attemptSpans = names === 'semconv' ? 'auto' : 'always' } = telemetry;
  return { traces, metrics, attemptSpans, names, grpcTraceBin, retryMetrics, balancerMetrics };
}

function recordRules({ telemetry = {} }: Policy): RecordRules {
  const { accessLog: mode = 'off', accessLogPerSecond: perSecond = 1_000, tapMetadata = [] } = telemetry;
  return { accessLog: { mode, perSecond }, shownMetadata: tapMetadata };
}
