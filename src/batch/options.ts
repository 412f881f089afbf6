/**
 * Options of coalescing: type, defaults, check.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';

/**
 * When what waits goes out. `natural`: at the end of the turn, unless too many batches are unanswered; how many that is, is learned.
 * `tick`: at the end of the turn, always. `window`: after a fixed linger. `tikv`, `cassandra`: as those systems do.
 * `forecast`: when waiting on is forecast to cost more than it saves.
 */
export type FlushRule = 'natural' | 'tick' | 'window' | 'tikv' | 'cassandra' | 'forecast';

/** How calls are merged. */
export interface CoalesceOptions {
  /** Most items in one batch, 1 (nothing is merged) to 1024. Default 128. */
  readonly maxItems?: number;
  /** Most bytes of requests in one batch, 1024 to 4,000,000. Default 524,288. */
  readonly maxBytes?: number;
  /** Most unanswered batches at a time for each batch key, 1 to 8; `natural` learns how many within it, `tick` has no such limit. Default 8. */
  readonly maxCarriers?: number;
  /** Longest time that a full house of unanswered batches holds calls back, in ms, 0 to 1000. Default 5. */
  readonly maxHoldMs?: number;
  /** Metadata keys that may differ between items, besides the trace headers and `x-request-id`. Default none. */
  readonly itemMetadata?: readonly string[];
  /** When what waits goes out. Default `natural`. */
  readonly flush?: FlushRule;
  /** Longest wait for company, in ms, 1 to 1000; for `window`, `tikv`, `cassandra` and `forecast` only. Default 1. */
  readonly lingerMs?: number;
}

/** The same with every value decided. */
export type ResolvedCoalesceOptions = Required<CoalesceOptions>;

const KEYS = [
  'maxItems',
  'maxBytes',
  'maxCarriers',
  'maxHoldMs',
  'itemMetadata',
  'flush',
  'lingerMs',
] as const satisfies readonly (keyof CoalesceOptions)[];

/** All flush rules, the default first. */
export const FLUSH_RULES: readonly FlushRule[] = ['natural', 'tick', 'window', 'tikv', 'cassandra', 'forecast'];
const LINGER: readonly FlushRule[] = ['window', 'tikv', 'cassandra', 'forecast'];

/** @throws ConfigError when a value is out of its range. */
export function resolveCoalesceOptions(options?: CoalesceOptions, path = 'coalesce'): ResolvedCoalesceOptions {
  const given = checkedObject(options, KEYS, path);
  const whole = (min: number, max: number) => ({ min, max, integer: true });
  const flush = checkedRule(given['flush'], `${path}.flush`);
  if (given['lingerMs'] !== undefined && !LINGER.includes(flush))
    throw new ConfigError(`${path}.lingerMs`, `the flush rule ${flush} waits for nobody; set flush to one of ${LINGER.join(', ')}`);
  return {
    maxItems: checkedNumber(given['maxItems'], 128, whole(1, 1024), `${path}.maxItems`),
    maxBytes: checkedNumber(given['maxBytes'], 524_288, whole(1024, 4_000_000), `${path}.maxBytes`),
    maxCarriers: checkedNumber(given['maxCarriers'], 8, whole(1, 8), `${path}.maxCarriers`),
    maxHoldMs: checkedNumber(given['maxHoldMs'], 5, { min: 0, max: 1000, ms: true }, `${path}.maxHoldMs`),
    itemMetadata: options?.itemMetadata ?? [],
    flush,
    lingerMs: checkedNumber(given['lingerMs'], 1, { min: 1, max: 1000, ms: true }, `${path}.lingerMs`),
  };
}

function checkedRule(value: unknown, path: string): FlushRule {
  if (value === undefined) return 'natural';
  const rule = FLUSH_RULES.find((known) => known === value);
  if (rule !== undefined) return rule;
  const meant = typeof value === 'string' ? nearest(value, FLUSH_RULES) : undefined;
  throw new ConfigError(path, `expected one of ${FLUSH_RULES.join(', ')}, got ${show(value)}${meant ? `; did you mean ${meant}?` : ''}`);
}
