/**
 * Routes on their own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, Interceptor } from '@grpc/grpc-js';
import { type Descriptors, readDescriptors } from '../../src/batch/native/sources.ts';
import { systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { RawChannel } from '../../src/grpc/channel-door.ts';
import type { CallInfo, ClientCall, ClientInterceptor, NextClientCall } from '../../src/grpc/client-call.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { ObjectCall } from '../../src/grpc/object-call.ts';
import { RouteCall } from '../../src/grpc/route-call.ts';
import { checkedObject } from '../../src/input/checks.ts';
import { show, showPath } from '../../src/input/show.ts';
import { systemRandom } from '../../src/random.ts';
import { type RouteOptions, resolveRoute } from '../../src/route/options.ts';
import { Routes } from '../../src/route/routes.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link routeInterceptor}. */
export interface RouteInterceptorOptions {
  /** The first that matches holds; what none matches goes to the client's own target. */
  readonly routes: readonly RouteOptions[];
  /** Where calls may go, by the names that routes use: `{ canary: () => other.getChannel() }`. */
  readonly clusters: Readonly<Record<string, () => ChannelInterface>>;
  /** Needed for routes by a field of the request: `buf build -o image.binpb`, or what proto-loader gave. */
  readonly descriptors?: Descriptors;
}

/**
 * Sends calls to other channels. Must be the last of the list: interceptors below it don't see the calls that leave, and each attempt
 * of a retry above is routed for itself.
 *
 * @throws ConfigError on a bad option.
 */
export function routeInterceptor(options: RouteInterceptorOptions): Interceptor {
  checkedObject(options, ['routes', 'clusters', 'descriptors'], 'route');
  const { routes: list, clusters, descriptors } = options;
  if (!Array.isArray(list)) throw new ConfigError('route.routes', `expected a list of routes, got ${show(list)}`);
  const names = Object.keys(checkedObject(clusters, Object.keys(clusters ?? {}), 'route.clusters'));
  for (const name of names) {
    const channel: unknown = clusters[name];
    if (typeof channel !== 'function')
      throw new ConfigError(showPath('route.clusters', [name]), `expected () => client.getChannel(), got ${show(channel)}`);
  }
  const catalog = descriptors === undefined ? undefined : readDescriptors(descriptors, 'route.descriptors');
  const around = { clusters: names, catalog, random: systemRandom };
  const routes = new Routes(list.map((route: RouteOptions, index) => resolveRoute(route, around, `route.routes[${index}]`)));
  const elsewhere = (info: CallInfo, cluster: string, next: NextClientCall): ClientCall => {
    const channel = clusters[cluster]?.();
    if (channel === undefined || info.definition === undefined) return next(info);
    return new ObjectCall(new RawChannel(channel, systemClock).open(info), info.definition);
  };
  const intercept: ClientInterceptor = (info, next) => {
    const plan = routes.planOf(info.method);
    if (plan === undefined) return next(info);
    let cluster = '';
    const chosen = (_info: CallInfo, name: string): CallInfo => {
      cluster = name;
      return info;
    };
    return new RouteCall(plan, info, (below) => (cluster === '' ? next(below) : elsewhere(below, cluster, next)), chosen);
  };
  return asInterceptor({ ...placed('balance', intercept), name: 'route' });
}
