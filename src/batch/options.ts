/**
 * Options of coalescing: type, defaults, check.
 *
 * @packageDocumentation
 */
import { checkedNumber, checkedObject } from '../input/checks.ts';

/** How calls are merged. */
export interface CoalesceOptions {
  /** Most items in one batch, 2 to 1024. Default 128. */
  readonly maxItems?: number;
  /** Most bytes of requests in one batch, 1024 to 4,000,000. Default 524,288. */
  readonly maxBytes?: number;
  /** Most unanswered batches at a time for each batch key, 1 to 8. Default 4. */
  readonly maxCarriers?: number;
  /** Longest time that a full house of unanswered batches holds calls back, in ms, 0 to 1000. Default 5. */
  readonly maxHoldMs?: number;
  /** Metadata keys that may differ between items, besides the trace headers and `x-request-id`. Default none. */
  readonly itemMetadata?: readonly string[];
}

/** The same with every value decided. */
export type ResolvedCoalesceOptions = Required<CoalesceOptions>;

const KEYS = ['maxItems', 'maxBytes', 'maxCarriers', 'maxHoldMs', 'itemMetadata'] as const satisfies readonly (keyof CoalesceOptions)[];

/** @throws ConfigError when a value is out of its range. */
export function resolveCoalesceOptions(options?: CoalesceOptions, path = 'coalesce'): ResolvedCoalesceOptions {
  const given = checkedObject(options, KEYS, path);
  const whole = (min: number, max: number) => ({ min, max, integer: true });
  return {
    maxItems: checkedNumber(given['maxItems'], 128, whole(2, 1024), `${path}.maxItems`),
    maxBytes: checkedNumber(given['maxBytes'], 524_288, whole(1024, 4_000_000), `${path}.maxBytes`),
    maxCarriers: checkedNumber(given['maxCarriers'], 4, whole(1, 8), `${path}.maxCarriers`),
    maxHoldMs: checkedNumber(given['maxHoldMs'], 5, { min: 0, max: 1000, ms: true }, `${path}.maxHoldMs`),
    itemMetadata: options?.itemMetadata ?? [],
  };
}
