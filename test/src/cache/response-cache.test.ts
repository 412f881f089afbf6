import { describe, expect, test } from 'vitest';
import { resolveCacheOptions } from '../../../src/cache/options.ts';
import { ResponseCache } from '../../../src/cache/response-cache.ts';

const cacheOf = (options: object): ResponseCache<{ n: number }> => new ResponseCache(resolveCacheOptions(options, 'cache'));

describe('ResponseCache', () => {
  test('an answer is fresh, then stale, then gone', () => {
    const cache = cacheOf({ ttlMs: 100, staleIfErrorMs: 50 });
    const answer = { n: 1 };
    cache.store('k', answer, 10, 1000);
    const at = (nowMs: number) => [cache.fresh('k', nowMs), cache.stale('k', nowMs)];
    expect(at(1099.9)).toEqual([answer, answer]);
    expect(at(1100)).toEqual([undefined, answer]);
    expect(at(1149.9)).toEqual([undefined, answer]);
    expect(cache.entries).toBe(1);
    expect(at(1150)).toEqual([undefined, undefined]);
    expect([cache.entries, cache.bytes]).toEqual([0, 0]);
  });

  test('without staleIfError a fresh answer stands in for no failure', () => {
    const cache = cacheOf({ ttlMs: 100 });
    cache.store('k', { n: 1 }, 10, 0);
    expect(cache.stale('k', 1)).toBeUndefined();
  });

  test('without ttl an answer may be kept for failures only', () => {
    const cache = cacheOf({ staleIfErrorMs: 100 });
    cache.store('k', { n: 1 }, 10, 0);
    expect([cache.keeps, cache.fresh('k', 0), cache.stale('k', 0)]).toEqual([true, undefined, { n: 1 }]);
  });

  test('without either nothing is kept', () => {
    const cache = cacheOf({});
    cache.store('k', { n: 1 }, 10, 0);
    expect([cache.keeps, cache.entries]).toEqual([false, 0]);
  });

  test('an entry counts more than its bytes, so that many small ones are bounded too', () => {
    const cache = cacheOf({ ttlMs: 100, maxBytes: 1024 });
    for (let i = 0; i < 10; i++) cache.store(`k${i}`, { n: i }, 0, 0);
    expect(cache.entries).toBe(4);
    expect(cache.evicted).toBe(6);
  });
});

describe('resolveCacheOptions', () => {
  test('fills in what is missing', () => {
    expect(resolveCacheOptions(undefined, 'cache')).toEqual({
      ttlMs: 0,
      staleIfErrorMs: 0,
      maxEntries: 1000,
      maxBytes: 16_777_216,
      singleFlight: true,
      metadata: [],
    });
  });

  test.for([
    [{ ttlMS: 1 }, 'cache.ttlMS: unknown option; did you mean ttlMs?'],
    [{ ttlMs: '5s' }, 'cache.ttlMs: expected milliseconds as a number >= 0, got "5s"; did you mean 5000?'],
    [{ maxEntries: 0 }, 'cache.maxEntries: expected a whole number >= 1, got 0'],
    [{ maxBytes: 1 }, 'cache.maxBytes: expected a number >= 1024, got 1'],
    [{ singleFlight: 'yes' }, 'cache.singleFlight: expected true or false, got "yes"'],
    [{ singleFlight: false }, 'cache: keeps no answer and joins no calls'],
    [{ metadata: 'a' }, 'cache.metadata: expected a list of metadata keys, got "a"'],
    [
      { metadata: ['Accept-Language'] },
      'cache.metadata[0]: expected a metadata key such as "accept-language", got "Accept-Language"; did you mean "accept-language"?',
    ],
    [{ metadata: ['grpc-timeout'] }, 'that key is reserved'],
    [{ metadata: [3] }, 'cache.metadata[0]: expected a metadata key'],
  ] as const)('%j is refused', ([options, problem]) => {
    expect(() => resolveCacheOptions(options, 'cache')).toThrow(problem);
  });
});
