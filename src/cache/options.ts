/**
 * Options of a response cache.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';

/** What is kept of a method's answers, and what its calls may share. */
export interface CacheOptions {
  /** How long an answer is given again, in ms, >= 0. @defaultValue 0: not at all, only calls that are out at the same time are joined */
  readonly ttlMs?: number;
  /** How long after that it may still stand in for a failure, in ms, >= 0. @defaultValue 0 */
  readonly staleIfErrorMs?: number;
  /** Most answers kept. Whole number >= 1. @defaultValue 1000 */
  readonly maxEntries?: number;
  /** Most bytes kept, >= 1024. @defaultValue 16 MiB */
  readonly maxBytes?: number;
  /** Whether calls that ask the same at the same time are one call. @defaultValue true */
  readonly singleFlight?: boolean;
  /**
   * Metadata keys that are part of the question, in lower case. Calls with any other metadata of the application are neither
   * answered nor joined. @defaultValue none
   */
  readonly metadata?: readonly string[];
}

/** {@link CacheOptions} with everything filled in. */
export interface CacheRules {
  readonly ttlMs: number;
  readonly staleIfErrorMs: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly singleFlight: boolean;
  readonly metadata: readonly string[];
}

/** Names of all options. */
export const CACHE_OPTIONS: readonly (keyof CacheOptions)[] = [
  'ttlMs',
  'staleIfErrorMs',
  'maxEntries',
  'maxBytes',
  'singleFlight',
  'metadata',
];

const METADATA_KEY = /^[0-9a-z_.-]{1,256}$/;
/** Never the application's. */
const RESERVED = /^(?:grpc-|inmesh-|:)|^(?:te|content-type|user-agent|host)$/;

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveCacheOptions(input: unknown, path: string): CacheRules {
  const given = checkedObject(input, CACHE_OPTIONS, path);
  const { singleFlight = true, metadata = [] } = given;
  if (typeof singleFlight !== 'boolean') throw new ConfigError(`${path}.singleFlight`, `expected true or false, got ${show(singleFlight)}`);
  if (!Array.isArray(metadata)) throw new ConfigError(`${path}.metadata`, `expected a list of metadata keys, got ${show(metadata)}`);
  for (const [index, key] of metadata.entries()) checkKey(key, `${path}.metadata[${index}]`);
  const rules = {
    ttlMs: checkedNumber(given['ttlMs'], 0, { min: 0, ms: true }, `${path}.ttlMs`),
    staleIfErrorMs: checkedNumber(given['staleIfErrorMs'], 0, { min: 0, ms: true }, `${path}.staleIfErrorMs`),
    maxEntries: checkedNumber(given['maxEntries'], 1000, { min: 1, integer: true }, `${path}.maxEntries`),
    maxBytes: checkedNumber(given['maxBytes'], 16 * 1024 * 1024, { min: 1024 }, `${path}.maxBytes`),
    singleFlight,
    metadata,
  };
  if (!singleFlight && rules.ttlMs + rules.staleIfErrorMs === 0)
    throw new ConfigError(path, 'keeps no answer and joins no calls: set ttl, staleIfError or singleFlight');
  return rules;
}

function checkKey(key: unknown, path: string): void {
  const expected = `expected a metadata key such as "accept-language", got ${show(key)}`;
  if (typeof key !== 'string') throw new ConfigError(path, expected);
  if (RESERVED.test(key.toLowerCase())) throw new ConfigError(path, `${expected}; that key is reserved`);
  if (METADATA_KEY.test(key)) return;
  const lower = key.toLowerCase();
  throw new ConfigError(path, METADATA_KEY.test(lower) ? `${expected}; did you mean ${show(lower)}?` : expected);
}
