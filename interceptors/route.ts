/**
 * Routes: the first that matches says to which cluster a call goes, by method, metadata or a field of its request; a split gives each
 * cluster its share, by a key or by chance.
 *
 * - Scope: per call, so that all attempts of it go to the same cluster; above the cache, whose answers are one cluster's. Breakers,
 *   limits and bulkheads below count by method, whatever the cluster: opened by hand, a breaker holds for all of them.
 * - Rejects nothing. Throws UsageError on the first call of a client that has no way to a cluster: a route must not be passed by.
 * - A call that waits for its request to be routed has begun nothing yet. Methods that no route names have no layer.
 * - State: calls by cluster; one channel for each cluster and client, made when it is first used, closed with the client's.
 * - Source: gRFC A28; Envoy's weighted clusters (features TM1, TM2, LB10).
 *
 * @packageDocumentation
 */
import { UsageError } from '../src/errors.ts';
import type { CallInfo, ClientInterceptor, Door } from '../src/grpc/client-call.ts';
import type { ClusterTarget } from '../src/grpc/cluster-ways.ts';
import { RouteCall } from '../src/grpc/route-call.ts';
import type { Routes } from '../src/route/routes.ts';

/** What the route behaviour is told. */
export interface RouteSettings {
  readonly routes: Routes;
  /** By name. */
  readonly clusters: ReadonlyMap<string, ClusterTarget>;
  /** Counts a call that goes to a cluster; '': its client's own target. */
  readonly onRouted: (cluster: string) => void;
}

const NO_WAY =
  "policy.routes has a route for this method, but this client's interceptors know no channel: use mesh.client(), or mesh.options() besides mesh.interceptors()";

/** The client half; a server has none. */
export function routeClient({ routes, clusters, onRouted }: RouteSettings): ClientInterceptor {
  const redirect = (info: CallInfo, cluster: string): CallInfo => {
    onRouted(cluster);
    if (cluster === '') return info;
    const routed = towards(info, clusters.get(cluster));
    if (routed.story !== undefined) routed.story.target = routed.door.target;
    return routed;
  };
  return (info, next) => {
    const plan = routes.planOf(info.method);
    if (plan === undefined) return next(info);
    if (info.door.way === undefined) throw new UsageError(`${info.method}: ${NO_WAY}`);
    return plan.fixed === undefined ? new RouteCall(plan, info, next, redirect) : next(redirect(info, plan.fixed));
  };
}

/** The call as one of the client's channel to a cluster. @throws UsageError when there is none. */
function towards(info: CallInfo, cluster: ClusterTarget | undefined): CallInfo {
  const own = info.door;
  const door = cluster && own.way?.(cluster);
  if (door === undefined) throw new UsageError(`${info.method}: ${NO_WAY}`);
  // Others' interceptors below ours are to see the call: it is turned to the other channel below them. Bytes are a call of ours.
  if (own.kind === 'interceptors' && info.definition !== undefined)
    return { ...info, door: own.channel === undefined ? withoutChannel(door) : door };
  const { channel } = door;
  return { ...info, door, bottom: (below) => channel.open(below) };
}

function withoutChannel(door: Door): Door {
  return { ...door, channel: undefined };
}
