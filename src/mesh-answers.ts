/**
 * What a mesh answers without, or instead of, the method itself: caches, fallbacks and the application's own policies.
 *
 * @packageDocumentation
 */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { type CacheClient, type CacheStats, cacheClient, noCacheCounts } from '../interceptors/cache.ts';
import { fallbackClient } from '../interceptors/fallback.ts';
import type { ClientStage } from '../interceptors/pipeline.ts';
import { policiesClient } from '../interceptors/policies.ts';
import { cachePlans } from './cache/policy.ts';
import type { Clock } from './clock.ts';
import { type Fallbacks, fallbackPlans } from './fallback/policy.ts';
import type { CallInfo, ClientInterceptor } from './grpc/client-call.ts';
import { MethodCodecs } from './grpc/codecs.ts';
import type { FallbackCounts } from './grpc/fallback-call.ts';
import { type CacheCounts, MethodCache } from './grpc/method-cache.ts';
import { policiesBy, type UnaryPolicies } from './grpc/unary-policies.ts';
import { tableOf } from './policy/client-table.ts';
import type { Kept } from './policy/kept.ts';
import type { Policy } from './policy/policy.gen.ts';
import type { PolicyTable } from './policy/resolve.ts';

/** What `createMesh` may be given for these behaviours besides the policy. */
export interface AnswerDependencies {
  /** Services as generated code has them (`[Greeter.service]`): where messages must be read or written in another form than the door's. */
  readonly services?: readonly ServiceDefinition[];
  /** Functions that answer instead of failed calls, by method `pkg.Service/Method`. */
  readonly fallbacks?: Fallbacks;
  /** cockatiel policies around unary calls. */
  readonly policies?: UnaryPolicies;
}

/** Numbers of these behaviours. */
export interface AnswerStats {
  readonly cache: Readonly<CacheStats>;
  readonly fallbacks: Readonly<FallbackCounts>;
}

/** What is the same for every version of the policy: what to work with, what has been counted. */
export interface AnswersHome {
  readonly clock: Clock;
  readonly warn: (line: string) => void;
  /** Says what does not get truer with the next version. */
  readonly warnOnce: (line: string) => void;
  readonly codecs: MethodCodecs;
  readonly counts: CacheCounts;
  readonly fallbacks: FallbackCounts;
  readonly policiesOf: ReturnType<typeof policiesBy> | undefined;
}

/** @throws ConfigError when the dependencies make no sense. */
export function answersHome(
  { services, policies }: AnswerDependencies,
  clock: Clock,
  says: Pick<AnswersHome, 'warn' | 'warnOnce'>,
): AnswersHome {
  return {
    clock,
    ...says,
    codecs: new MethodCodecs(services),
    counts: noCacheCounts(),
    fallbacks: { used: 0, failed: 0 },
    policiesOf: policies === undefined ? undefined : policiesBy(policies),
  };
}

/** The stages of one version of a policy, and their numbers. */
export class Answers {
  /** For `clientStack`; a behaviour that nobody asked for is not there. */
  readonly stages: Partial<Readonly<Record<ClientStage, ClientInterceptor>>>;
  readonly #cache: CacheClient;
  readonly #fallbacks: FallbackCounts;

  /**
   * @param kept - Caches stay where their rules do.
   * @throws ConfigError when policy or dependencies make no sense.
   */
  constructor(policy: Policy, dependencies: AnswerDependencies, table: PolicyTable, home: AnswersHome, kept: Kept) {
    const { policiesOf } = home;
    const caches = cachePlans(policy, (path) => table.method(path).idempotent);
    const settings = { ...home, oneClient: false };
    this.#cache = cacheClient(caches, settings, (path, rules) => kept.take(`cache ${path}`, rules, () => new MethodCache(rules, settings)));
    const fallbacks = fallbackPlans(policy, dependencies.fallbacks);
    this.#fallbacks = home.fallbacks;
    const shared = { ...home, counts: home.fallbacks };
    const fallback = kept.take('fallback', fallbacks, () => fallbackClient((path) => fallbacks.get(path), shared));
    const retriedBelow = ({ method, door }: CallInfo): boolean => tableOf(table, door).method(method).retry.maxAttempts > 1;
    this.stages = {
      ...(fallbacks.size === 0 ? {} : { fallback }),
      ...(caches.size === 0 ? {} : { cache: this.#cache.intercept }),
      ...(policiesOf === undefined ? {} : { policies: policiesClient(policiesOf, { ...home, warn: home.warnOnce, retriedBelow }) }),
    };
  }

  stats(): AnswerStats {
    return { cache: this.#cache.stats(), fallbacks: this.#fallbacks };
  }
}
