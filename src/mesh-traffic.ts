/**
 * Traffic policy as a mesh has it: routes to clusters, mirrors and faults, with their numbers.
 *
 * @packageDocumentation
 */
import { ChannelCredentials, type ClientOptions } from '@grpc/grpc-js';
import { faultClient, faultServer } from '../interceptors/fault.ts';
import { mirrorClient } from '../interceptors/mirror.ts';
import type { ClientStage } from '../interceptors/pipeline.ts';
import { routeClient } from '../interceptors/route.ts';
import type { Catalog } from './batch/native/descriptors.ts';
import type { Clock } from './clock.ts';
import { ConfigError } from './errors.ts';
import { type FaultCounts, Faults, noFaultCounts } from './fault/faults.ts';
import type { ClientInterceptor } from './grpc/client-call.ts';
import type { ClusterTarget } from './grpc/cluster-ways.ts';
import { MethodCodecs } from './grpc/codecs.ts';
import { detachedClock } from './grpc/detached.ts';
import { FaultHome } from './grpc/fault-call.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import { checkedObject } from './input/checks.ts';
import { nearest } from './input/nearest.ts';
import { show, showPath } from './input/show.ts';
import type { AnswerDependencies } from './mesh-answers.ts';
import { Mirror, type MirrorStats, Mirrors } from './mirror/mirrors.ts';
import type { Tell } from './observe/event-log.ts';
import type { Kept } from './policy/kept.ts';
import type { Policy } from './policy/policy.gen.ts';
import { trafficRules } from './policy/traffic-rules.ts';
import type { Random } from './random.ts';
import { Routes } from './route/routes.ts';

/** What `createMesh` may be given for a cluster of the policy. */
export interface ClusterDependencies {
  /** Default: those of the client whose calls go there. */
  readonly credentials?: ChannelCredentials;
  /** Channel options, over the client's. */
  readonly options?: ClientOptions;
}

/** What `createMesh` may be given for traffic policy. */
export interface TrafficDependencies {
  /** Credentials and channel options of clusters, by their names. */
  readonly clusters?: Readonly<Record<string, ClusterDependencies>>;
}

/** Numbers of traffic policy. */
export interface TrafficStats {
  /** Calls that a route has sent to a cluster; under `''` those that it sent to their client's own target. */
  readonly routed: Readonly<Record<string, number>>;
  readonly mirrors: readonly MirrorStats[];
  readonly faults: { readonly client: Readonly<FaultCounts>; readonly server: Readonly<FaultCounts> };
}

export interface TrafficSettings extends TrafficDependencies, Pick<AnswerDependencies, 'services'> {
  readonly catalog: Catalog | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  readonly counts: TrafficCounts;
  /** Takes events. Default: nobody does. */
  readonly tell?: Tell;
}

/** What is counted over all versions of the policy. */
export interface TrafficCounts {
  readonly routed: Map<string, number>;
  readonly faults: FaultCounts;
  readonly serverFaults: FaultCounts;
}

/** Nothing counted yet. */
export function noTrafficCounts(): TrafficCounts {
  return { routed: new Map(), faults: noFaultCounts(), serverFaults: noFaultCounts() };
}

/** The stages of one version of a policy, and their numbers. */
export class Traffic {
  /** For `clientStack`; a behaviour that nobody asked for is not there. */
  readonly stages: Partial<Readonly<Record<ClientStage, ClientInterceptor>>>;
  /** Above the handler; undefined: no fault is declared. */
  readonly serverFault: ServerLayer | undefined;
  readonly clusters: ReadonlyMap<string, ClusterTarget>;
  readonly #counts: TrafficCounts;
  readonly #mirrors: Mirrors;

  /**
   * @param kept - Clusters, mirrors and faults stay where the policy says the same of them.
   * @throws ConfigError when policy or dependencies make no sense.
   */
  constructor(policy: Policy, settings: TrafficSettings, kept: Kept) {
    const { catalog, clock, random, warn, services, counts, tell = () => {} } = settings;
    const { routes, mirrors, faults, serverFaults } = trafficRules(policy, catalog, random);
    const clusters = clusterTargets(policy, kept, settings.clusters);
    this.clusters = clusters;
    this.#counts = counts;
    const codecs = new MethodCodecs(services);
    mirrors.forEach(({ rules }, index) => {
      if (rules.compare && services === undefined)
        throw new ConfigError(
          `policy.mirrors[${index}].compare`,
          'expected services, to read the answers: createMesh(policy, { services: [Greeter.service] })',
        );
    });
    const onDifferent = (cluster: string, paths: readonly string[]): void =>
      tell({ kind: 'mirror.different', level: 'warn', subject: cluster, text: `answers differ in ${paths.join(', ')}` });
    this.#mirrors = new Mirrors(
      mirrors.map(({ cluster, rules }, index) =>
        kept.take(`mirror ${index}`, policy.mirrors?.[index], () => {
          return new Mirror(cluster, rules, random, (paths) => onDifferent(cluster, paths));
        }),
      ),
    );
    const injected = kept.take('faults', [policy.faults, policy.server?.faults], () => {
      // Left behind by a test, they would be looked for everywhere else.
      if (faults.length + serverFaults.length > 0)
        tell({
          kind: 'fault.declared',
          level: 'warn',
          subject: 'mesh',
          text: `${faults.length} faults of client calls and ${serverFaults.length} of served calls are in force`,
        });
      return {
        client: new FaultHome(new Faults(faults, counts.faults), clock),
        server: new FaultHome(new Faults(serverFaults, counts.serverFaults), clock),
      };
    });
    const { routed } = counts;
    const onRouted = (cluster: string): void => {
      routed.set(cluster, (routed.get(cluster) ?? 0) + 1);
    };
    this.stages = {
      ...(routes.length === 0 ? {} : { route: routeClient({ routes: new Routes(routes), clusters, onRouted }) }),
      ...(mirrors.length === 0
        ? {}
        : {
            mirror: mirrorClient({
              mirrors: this.#mirrors,
              clock: detachedClock(clock),
              codecs,
              wayTo: ({ door }, name) => {
                const cluster = clusters.get(name);
                return cluster && door.way?.(cluster);
              },
              warn,
            }),
          }),
      ...(faults.length === 0 ? {} : { fault: faultClient(injected.client) }),
    };
    this.serverFault = serverFaults.length === 0 ? undefined : faultServer(injected.server);
  }

  stats(): TrafficStats {
    return {
      routed: Object.fromEntries(this.#counts.routed),
      mirrors: this.#mirrors.all.map((mirror) => mirror.stats()),
      faults: { client: this.#counts.faults, server: this.#counts.serverFaults },
    };
  }
}

function clusterTargets(policy: Policy, kept: Kept, given: TrafficDependencies['clusters'] = {}): ReadonlyMap<string, ClusterTarget> {
  const clusters = policy.clusters ?? {};
  for (const [name, dependencies] of Object.entries(given)) {
    const path = showPath('clusters', [name]);
    // A reload may take away a cluster that the program has credentials for, and bring it back.
    if (kept.isFirst && !Object.hasOwn(clusters, name)) {
      const meant = nearest(name, Object.keys(clusters));
      throw new ConfigError(path, `policy.clusters has no such cluster${meant === undefined ? '' : `; did you mean "${meant}"?`}`);
    }
    const { credentials } = checkedObject(dependencies, ['credentials', 'options'], path);
    if (credentials !== undefined && !(credentials instanceof ChannelCredentials))
      throw new ConfigError(
        `${path}.credentials`,
        `expected channel credentials, e.g. credentials.createInsecure(), got ${show(credentials)}`,
      );
  }
  return new Map(
    Object.entries(clusters).map(([name, { target }]) => {
      return [name, kept.take(`cluster ${name}`, target, () => ({ target, ...(Object.hasOwn(given, name) ? given[name] : {}) }))];
    }),
  );
}
