/**
 * Options of a batch handler: type, defaults, check.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { type CoalesceOptions, type ResolvedCoalesceOptions, resolveCoalesceOptions } from './options.ts';

/** How the calls of a batch handler are gathered. */
export interface GatherOptions {
  /** Most calls in one run of the handler, 2 to 1024. Default 128. */
  readonly maxItems?: number;
  /** Most runs of the handler at a time, for each method and key, 1 to 1024. Default 4. */
  readonly maxConcurrent?: number;
  /** Most calls that wait for a run, for each method and key; one more ends with RESOURCE_EXHAUSTED. 1 to 1,000,000. Default 10,000. */
  readonly maxWaiting?: number;
  /** When what waits goes out while a run is free. Default `natural`: at the end of the event-loop turn. */
  readonly flush?: NonNullable<CoalesceOptions['flush']>;
  /** Longest wait for company, in ms, 1 to 1000; for `window`, `tikv`, `cassandra` and `forecast` only. Default 1. */
  readonly lingerMs?: number;
}

/** The same with every value decided. */
export interface GatherRules {
  readonly maxItems: number;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  /** When what waits goes out. */
  readonly flush: ResolvedCoalesceOptions;
}

/** Those that decide when a batch goes out are checked where they are defined. */
const FLUSH_KEYS = ['flush', 'lingerMs'] as const;
const KEYS = ['maxItems', 'maxConcurrent', 'maxWaiting', ...FLUSH_KEYS] as const satisfies readonly (keyof GatherOptions)[];
/** What is held back while all runs are busy is counted by `maxConcurrent` and `maxWaiting`, not in time. */
const HOLD_MS = 1000;

/** @param more - Keys that the caller checks itself. @throws ConfigError when a value is out of its range. */
export function resolveGatherOptions(options: unknown, more: readonly string[] = [], path = 'batchHandler'): GatherRules {
  const given = checkedObject(options, [...KEYS, ...more], path);
  const whole = (min: number, max: number) => ({ min, max, integer: true });
  const maxItems = checkedNumber(given['maxItems'], 128, whole(2, 1024), `${path}.maxItems`);
  const maxConcurrent = checkedNumber(given['maxConcurrent'], 4, whole(1, 1024), `${path}.maxConcurrent`);
  const flush: Record<string, unknown> = {};
  for (const key of FLUSH_KEYS) if (given[key] !== undefined) flush[key] = given[key];
  const resolved = resolveCoalesceOptions(flush as CoalesceOptions, path);
  return {
    maxItems,
    maxConcurrent,
    maxWaiting: checkedNumber(given['maxWaiting'], 10_000, whole(1, 1_000_000), `${path}.maxWaiting`),
    flush: { ...resolved, maxItems, maxBytes: Number.POSITIVE_INFINITY, maxCarriers: maxConcurrent, maxHoldMs: HOLD_MS },
  };
}

/** @throws ConfigError unless `value` is a function or undefined. */
export function checkedFunction(value: unknown, path: string): void {
  if (value !== undefined && typeof value !== 'function') throw new ConfigError(path, `expected a function, got ${show(value)}`);
}
