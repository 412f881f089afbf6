/**
 * The cache on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor, ServiceDefinition } from '@grpc/grpc-js';
import { CACHE_OPTIONS, type CacheOptions, resolveCacheOptions } from '../../src/cache/options.ts';
import { systemClock } from '../../src/clock.ts';
import { MethodCodecs } from '../../src/grpc/codecs.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { checkedObject } from '../../src/input/checks.ts';
import { checkedPaths } from '../../src/input/paths.ts';
import { type CacheStats, cacheClient, noCacheCounts } from '../cache.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link cacheInterceptor}; each method has a cache of that size. */
export interface CacheInterceptorOptions extends CacheOptions {
  /** Paths (`/pkg.Service/Method`) of methods that only read. */
  readonly methods: readonly string[];
  /** Their services as generated code has them: `[Greeter.service]`. Interceptors see objects, and bytes are what is kept. */
  readonly services: readonly ServiceDefinition[];
}

/** A client interceptor that keeps answers. */
export interface CacheInterceptor extends Interceptor {
  stats(): CacheStats;
}

/**
 * Keeps the answers of some methods, and joins calls that ask the same at the same time. **One for each client**: an interceptor
 * can't see which server, and with which credentials, it is used for.
 *
 * @throws ConfigError on a bad option.
 */
export function cacheInterceptor(options: CacheInterceptorOptions): CacheInterceptor {
  const { methods, services, ...own } = checkedObject(options, ['methods', 'services', ...CACHE_OPTIONS], 'cache');
  const rules = resolveCacheOptions(own, 'cache');
  const codecs = new MethodCodecs(services as readonly ServiceDefinition[], 'cache.services');
  const plans = new Map(checkedPaths(methods, 'cache.methods').map((path) => [path, rules]));
  const warn = (line: string): void => process.emitWarning(line, 'InmeshWarning');
  const client = cacheClient(plans, { clock: systemClock, codecs, counts: noCacheCounts(), warn, oneClient: true });
  return Object.assign(asInterceptor(placed('cache', client.intercept)), { stats: client.stats });
}
