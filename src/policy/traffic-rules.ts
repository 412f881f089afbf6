/**
 * Clusters, routes, mirrors and faults of a policy: what is wrong with them, and what they are in the engines' units.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { ConfigError } from '../errors.ts';
import { type FaultOptions, type FaultRules, resolveFault, resolveFaults } from '../fault/options.ts';
import { quote } from '../input/show.ts';
import { type MirrorOptions, type MirrorRules, resolveMirror } from '../mirror/options.ts';
import type { Random } from '../random.ts';
import { checkCluster, type RouteOptions, type RouteRule, resolveRoute } from '../route/options.ts';
import { durationMs } from './duration.ts';
import type { Problem } from './parse.ts';
import type { Fault, Mirror as MirrorPolicy, Policy } from './policy.gen.ts';

/** A mirror and where it sends its copies. */
export interface NamedMirror {
  readonly cluster: string;
  readonly rules: MirrorRules;
}

/** What a policy says of traffic. */
export interface TrafficRules {
  readonly routes: readonly RouteRule[];
  readonly mirrors: readonly NamedMirror[];
  readonly faults: readonly FaultRules[];
  readonly serverFaults: readonly FaultRules[];
}

/** @throws ConfigError naming the first thing that makes no sense. @param catalog - Undefined: no descriptors were given. */
export function trafficRules(policy: Policy, catalog: Catalog | undefined, random: Random): TrafficRules {
  const clusters = Object.keys(policy.clusters ?? {});
  const routes = (policy.routes ?? []).map((route, index) =>
    resolveRoute(route as RouteOptions, { clusters, catalog, random }, `policy.routes[${index}]`),
  );
  const mirrors = (policy.mirrors ?? []).map((mirror, index) => mirrorRules(mirror, clusters, `policy.mirrors[${index}]`));
  return {
    routes,
    mirrors,
    faults: resolveFaults((policy.faults ?? []).map(faultOptions), 'policy.faults'),
    serverFaults: resolveFaults((policy.server?.faults ?? []).map(faultOptions), 'policy.server.faults'),
  };
}

/** All that can be seen without descriptors. */
export function trafficProblems(policy: Policy): Problem[] {
  const clusters = Object.keys(policy.clusters ?? {});
  const random: Random = () => 0;
  const each = <T>(list: readonly T[] | undefined, keys: readonly string[], check: (item: T, path: string) => void): Problem[] =>
    (list ?? []).flatMap((item, index) => {
      try {
        check(item, '');
        return [];
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return [{ keys: [...keys, index, ...keysOf(error.path)], problem: error.message.slice(error.path.length + 2) }];
      }
    });
  return [
    ...Object.entries(policy.clusters ?? {}).flatMap(([name, { target }]) => targetProblems(['clusters', name, 'target'], target)),
    ...each(policy.routes, ['routes'], (route, path) => resolveRoute(route as RouteOptions, { clusters, catalog: 'unseen', random }, path)),
    ...each(policy.mirrors, ['mirrors'], (mirror, path) => mirrorRules(mirror, clusters, path)),
    ...each(policy.faults, ['faults'], (fault, path) => resolveFault(faultOptions(fault), path)),
    ...each(policy.server?.faults, ['server', 'faults'], (fault, path) => resolveFault(faultOptions(fault), path)),
  ];
}

/** What grpc-js would take for the name of a host, and never find. */
function targetProblems(keys: Problem['keys'], target: string): Problem[] {
  // Some write a password into a URL.
  const shown = target.replace(/\/\/[^/@]*@/, '//');
  const [, rest] = /^(?:https?|grpcs?|tcp):\/\/([^/\s]*)/.exec(shown) ?? [];
  if (rest === undefined && (!/\s/.test(target) || target.startsWith('unix:'))) return [];
  const meant = rest === undefined ? shown.replaceAll(/\s+/g, '') : rest && `dns:///${rest}`;
  const hint = meant === '' ? '' : `; did you mean ${quote(meant)}?`;
  return [{ keys, problem: `expected a target such as "dns:///host:443" or "host:443", got ${quote(shown)}${hint}` }];
}

/** `.match.headers[0].name` as keys. */
function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/\.(\w+)|\[(\d+)\]/g)].map(([, key, index]) => (key === undefined ? Number(index) : (POLICY_NAMES[key] ?? key)));
}

/** Options whose unit stands in their names. */
const POLICY_NAMES: Readonly<Record<string, string>> = { delayMs: 'delay', timeoutMs: 'timeout' };

function mirrorRules(mirror: MirrorPolicy, clusters: readonly string[], path: string): NamedMirror {
  const { cluster, timeout, ...rest } = mirror;
  checkCluster(cluster, clusters, `${path}.cluster`);
  const options = { ...rest, ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }) };
  return { cluster, rules: resolveMirror(options as MirrorOptions, path) };
}

function faultOptions({ delay, ...rest }: Fault): FaultOptions {
  return { ...rest, ...(delay === undefined ? {} : { delayMs: durationMs(delay) }) } as FaultOptions;
}
