/**
 * A checked policy as the engines ask it: by method path, in milliseconds, with every default filled in.
 *
 * @packageDocumentation
 */

import type { TunnelRule } from '../batch/tunnel-rule.ts';
import { splitMethod } from '../call.ts';
import { type EndpointRules, resolveEndpointOptions } from '../endpoints/options.ts';
import { ConfigError } from '../errors.ts';
import type { AdaptiveLimitRules } from '../limit/options.ts';
import { type OutlierRules, resolveOutlierOptions } from '../outlier/options.ts';
import { outlierOptions } from './breaker-rules.ts';
import { durationMs } from './duration.ts';
import { type BulkheadRules, bulkheadRules, limitRules } from './limit-rules.ts';
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
} from './policy.gen.ts';

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
}

/** The server half. */
export interface ServerRules {
  /** Undefined: no limit. */
  readonly bulkhead?: BulkheadRules;
  /** By path, `/pkg.Service/Method`. */
  readonly methodBulkheads: ReadonlyMap<string, BulkheadRules>;
  /** Undefined: no limit. */
  readonly limit?: AdaptiveLimitRules;
  /** Of calls without a deadline. Undefined: none. */
  readonly timeoutMs?: number;
  /** The same by path; undefined in it: none. */
  readonly methodTimeoutsMs: ReadonlyMap<string, number | undefined>;
  /** Of all calls, the fraction that may be refused for being late. */
  readonly lateRejectFraction: number;
  readonly trustTraits: boolean;
  readonly carriers: boolean;
  readonly tunnels: boolean;
  readonly maxItems: number;
  /** A file with a policy of gRFC A43. Undefined: everybody may call everything. */
  readonly authorization?: { readonly file: string; readonly refreshMs: number };
}

/** What a method's own .proto file says, e.g. `inmesh.v1.method_policy` or `idempotency_level`. */
export type DeclaredPolicy = (path: string) => MethodPolicy | undefined;

/** More paths than that are not one client's methods; the oldest is computed anew when it comes again. */
const MAX_CACHED = 10_000;

const DEFAULT_DECAY_MS = 10_000;
const DEFAULT_TTL_MS = 10_000;
const DEFAULT_WINDOW_MS = 120_000;
const DEFAULT_REFRESH_MS = 60_000;

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
  readonly server: ServerRules;
  readonly #methods: ReadonlyMap<string, MethodPolicy>;
  readonly #services: ReadonlyMap<string, MethodPolicy>;
  readonly #defaults: MethodPolicy | undefined;
  readonly #declared: DeclaredPolicy;
  readonly #coalesceMode: CoalesceMode;
  readonly #coalesceNames: ReadonlySet<string>;
  readonly #cache = new Map<string, MethodRules>();

  /**
   * @param policy - As `parsePolicy` gives it.
   * @param declared - What the methods' own files say. Wins over the policy's defaults, not over its services and methods.
   */
  constructor(policy: Policy, declared: DeclaredPolicy = () => undefined) {
    this.#methods = new Map(Object.entries(policy.methods ?? {}));
    this.#services = new Map(Object.entries(policy.services ?? {}));
    this.#defaults = policy.defaults;
    this.#declared = declared;

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
    const { traces = true, metrics = true, attemptSpans = 'auto' } = policy.telemetry ?? {};
    this.telemetry = { traces, metrics, attemptSpans };
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
    if (this.#cache.size >= MAX_CACHED) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(path, rules);
    return rules;
  }

  #resolve(path: string): MethodRules {
    const { service, method } = splitMethod(path);
    const name = `${service}/${method}`;
    const special = [this.#methods.get(name), this.#services.get(service), this.#declared(path)];
    const named = this.#coalesceNames.has(name) || this.#coalesceNames.has(service) ? 'auto' : undefined;
    const coalesce =
      special.find((layer) => layer?.coalesce !== undefined)?.coalesce ?? named ?? this.#defaults?.coalesce ?? this.#coalesceMode;
    return methodRules([...special, this.#defaults], coalesce);
  }
}

function policyBalance({ balance = {} }: Policy): Balance {
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

function endpointRules({ refresh, connectTimeout, hold, rebuild }: EndpointsPolicy = {}): EndpointRules {
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

function serverRules({ server = {} }: Policy): ServerRules {
  const { authorization } = server;
  const bulkhead = bulkheadRules(server.bulkhead);
  const limit = limitRules(server.limit);
  const methodBulkheads = new Map<string, BulkheadRules>();
  for (const [name, limit] of Object.entries(server.methodBulkheads ?? {})) {
    const rules = bulkheadRules(limit);
    if (rules !== undefined) methodBulkheads.set(`/${name}`, rules);
  }
  const methodTimeoutsMs = new Map<string, number | undefined>();
  for (const [name, timeout] of Object.entries(server.methodTimeouts ?? {}))
    methodTimeoutsMs.set(`/${name}`, durationMs(timeout) || undefined);
  return {
    ...(server.defaultTimeout === undefined ? {} : { timeoutMs: durationMs(server.defaultTimeout) }),
    methodTimeoutsMs,
    lateRejectFraction: server.lateRejectFraction ?? 1,
    trustTraits: server.trustTraits ?? false,
    ...(bulkhead === undefined ? {} : { bulkhead }),
    methodBulkheads,
    ...(limit === undefined ? {} : { limit }),
    carriers: server.carriers ?? true,
    tunnels: server.tunnels ?? true,
    maxItems: server.maxItems ?? 1024,
    ...(authorization === undefined
      ? {}
      : { authorization: { file: authorization.file, refreshMs: ms(authorization.refresh, DEFAULT_REFRESH_MS) } }),
  };
}
