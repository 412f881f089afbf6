/**
 * Cache: answers kept for a while, and calls that ask the same at the same time joined; unary calls of methods that only read.
 *
 * - Scope: per call; above breaker, limit and bulkhead, for a hit needs no permit and an old answer must outlive an open breaker.
 * - Rejects with DEADLINE_EXCEEDED a call whose own time ends while another's is out for it (`client.cache/deadline`). A call
 *   that fails takes those that joined it along, but not by its own deadline or cancellation: then they ask anew.
 * - What has undeclared metadata or credentials of its own passes by (deny by default: nobody gets another caller's answer).
 * - State: one bounded cache for each method that policy names; bytes, so that no caller's object reaches another.
 * - Source: singleflight of Go's x/sync; stale-if-error of RFC 5861; cases Q8, K14.
 *
 * @packageDocumentation
 */
import type { CacheRules } from '../src/cache/options.ts';
import { CachedCall } from '../src/grpc/cached-call.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import { type CacheCounts, type CacheSettings, MethodCache } from '../src/grpc/method-cache.ts';

/** What `mesh.stats()` shows of caches. */
export interface CacheStats extends CacheCounts {
  /** Answers kept now, and their bytes. */
  entries: number;
  bytes: number;
  /** Answers that had to go for others. */
  evicted: number;
}

/** The client half, and its numbers. */
export interface CacheClient {
  readonly intercept: ClientInterceptor;
  stats(): CacheStats;
}

/** Nothing counted yet. */
export function noCacheCounts(): CacheCounts {
  return { hits: 0, misses: 0, shared: 0, stale: 0, bypassed: 0 };
}

/**
 * @param plans - Rules by path; a method that is not there has no layer.
 * @param cacheOf - Gives the cache of a method. Default: a new one.
 */
export function cacheClient(
  plans: ReadonlyMap<string, CacheRules>,
  settings: CacheSettings,
  cacheOf: (path: string, rules: CacheRules) => MethodCache = (_path, rules) => new MethodCache(rules, settings),
): CacheClient {
  const caches = new Map([...plans].map(([path, rules]) => [path, cacheOf(path, rules)]));
  const sum = (read: (cache: MethodCache) => number): number => [...caches.values()].reduce((total, cache) => total + read(cache), 0);
  return {
    intercept: (info, next) => {
      const cache = caches.get(info.method);
      const isUnary = info.kind === 'unary' || info.kind === undefined;
      return cache === undefined || !isUnary || info.options?.cache === 'never' ? next(info) : new CachedCall(cache, info, next);
    },
    stats: () => ({
      ...settings.counts,
      entries: sum(({ answers }) => answers.entries),
      bytes: sum(({ answers }) => answers.bytes),
      evicted: sum(({ answers }) => answers.evicted),
    }),
  };
}
