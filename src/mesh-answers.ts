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
import { policiesBy, type UnaryPolicies } from './grpc/unary-policies.ts';
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

/** The stages of one mesh, and their numbers. */
export class Answers {
  /** For `clientStack`; a behaviour that nobody asked for is not there. */
  readonly stages: Partial<Readonly<Record<ClientStage, ClientInterceptor>>>;
  readonly #cache: CacheClient;
  readonly #fallbacks: FallbackCounts = { used: 0, failed: 0 };

  /** @throws ConfigError when policy or dependencies make no sense. */
  constructor(policy: Policy, dependencies: AnswerDependencies, table: PolicyTable, clock: Clock, warn: (line: string) => void) {
    const codecs = new MethodCodecs(dependencies.services);
    const shared = { clock, codecs, warn };
    const caches = cachePlans(policy, (path) => table.method(path).idempotent);
    this.#cache = cacheClient(caches, { ...shared, counts: noCacheCounts(), oneClient: false });
    const fallbacks = fallbackPlans(policy, dependencies.fallbacks);
    const retriedBelow = ({ method, door }: CallInfo): boolean => (door.rules ?? table).method(method).retry.maxAttempts > 1;
    const policiesOf = dependencies.policies === undefined ? undefined : policiesBy(dependencies.policies);
    this.stages = {
      ...(fallbacks.size === 0 ? {} : { fallback: fallbackClient((path) => fallbacks.get(path), { ...shared, counts: this.#fallbacks }) }),
      ...(caches.size === 0 ? {} : { cache: this.#cache.intercept }),
      ...(policiesOf === undefined ? {} : { policies: policiesClient(policiesOf, { ...shared, retriedBelow }) }),
    };
  }

  stats(): AnswerStats {
    return { cache: this.#cache.stats(), fallbacks: this.#fallbacks };
  }
}
