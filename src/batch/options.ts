/**
 * Options of coalescing: type, defaults, check.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';

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

const DEFAULTS: ResolvedCoalesceOptions = { maxItems: 128, maxBytes: 524_288, maxCarriers: 4, maxHoldMs: 5, itemMetadata: [] };

/** @throws ConfigError when a value is out of its range. */
export function resolveCoalesceOptions(options: CoalesceOptions = {}, path = 'coalesce'): ResolvedCoalesceOptions {
  const resolved = { ...DEFAULTS, ...options };
  const range = (name: 'maxItems' | 'maxBytes' | 'maxCarriers' | 'maxHoldMs', least: number, most: number) => {
    const value: unknown = resolved[name];
    if (
      typeof value !== 'number' ||
      !Number.isFinite(value) ||
      value < least ||
      value > most ||
      (name !== 'maxHoldMs' && !Number.isInteger(value))
    ) {
      throw new ConfigError(
        `${path}.${name}`,
        `expected ${name === 'maxHoldMs' ? 'a number' : 'an integer'} from ${least} to ${most}, got ${JSON.stringify(value)}`,
      );
    }
  };
  range('maxItems', 2, 1024);
  range('maxBytes', 1024, 4_000_000);
  range('maxCarriers', 1, 8);
  range('maxHoldMs', 0, 1000);
  return resolved;
}
