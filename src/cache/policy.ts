/**
 * Which methods have a cache, by the policy.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import { durationMs } from '../policy/duration.ts';
import type { Cache, MethodPolicy, Policy } from '../policy/policy.gen.ts';
import { type CacheRules, resolveCacheOptions } from './options.ts';

/**
 * Rules by path, `/pkg.Service/Method`.
 *
 * @param isIdempotent - Whether a method, by its path, is marked as harmless to repeat.
 * @throws ConfigError for a cache of many methods at once, of a method that is not marked, or one that does nothing.
 */
export function cachePlans(policy: Policy, isIdempotent: (path: string) => boolean): ReadonlyMap<string, CacheRules> {
  refuseWide(['defaults'], policy.defaults);
  for (const [service, wide] of Object.entries(policy.services ?? {})) refuseWide(['services', service], wide);
  const plans = new Map<string, CacheRules>();
  for (const [name, { cache }] of Object.entries(policy.methods ?? {})) {
    if (cache === undefined) continue;
    const path = showPath('policy', ['methods', name, 'cache']);
    if (!isIdempotent(`/${name}`))
      throw new ConfigError(
        path,
        `nothing says that ${name} only reads; if so, say it: methods: { "${name}": { idempotent: true, cache: ... } }`,
      );
    plans.set(`/${name}`, cacheRules(cache, path));
  }
  return plans;
}

function cacheRules(cache: Cache, path: string): CacheRules {
  const { ttl, staleIfError, ...rest } = cache;
  const times = {
    ...(ttl === undefined ? {} : { ttlMs: durationMs(ttl) }),
    ...(staleIfError === undefined ? {} : { staleIfErrorMs: durationMs(staleIfError) }),
  };
  return resolveCacheOptions({ ...rest, ...times }, path);
}

/** Harmless to repeat is not harmless to leave out: a delete may be both marked and no question. So each method is named. */
function refuseWide(keys: readonly string[], policy: MethodPolicy | undefined): void {
  if (policy?.cache !== undefined)
    throw new ConfigError(
      showPath('policy', [...keys, 'cache']),
      'a cache is one method\'s, one that only reads: it belongs under methods["pkg.Service/Method"]',
    );
}
