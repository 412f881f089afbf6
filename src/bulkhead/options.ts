/**
 * Options of a bulkhead.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';

/** How many calls may be in flight, and how many may wait. */
export interface BulkheadOptions {
  /** Calls in flight at a time. Whole number >= 0, or Infinity; 0 lets nothing through. */
  readonly slots: number;
  /** Calls that may wait for a slot. Whole number >= 0, or Infinity. @defaultValue 0 */
  readonly queue?: number;
  /** Longest wait for a slot in ms, > 0. @defaultValue until the call's own deadline */
  readonly queueTimeoutMs?: number;
}

/** {@link BulkheadOptions} with everything filled in; no timeout is Infinity. */
export interface BulkheadRules {
  readonly slots: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
}

const KEYS = ['slots', 'queue', 'queueTimeoutMs'] as const satisfies readonly (keyof BulkheadOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveBulkheadOptions(input: unknown, path: string): BulkheadRules {
  const given = checkedObject(input, KEYS, path);
  if (given['slots'] === undefined) throw new ConfigError(`${path}.slots`, 'is missing; expected a whole number >= 0');
  const count = { min: 0, max: Number.POSITIVE_INFINITY, integer: true };
  return {
    slots: checkedNumber(given['slots'], 0, count, `${path}.slots`),
    queue: checkedNumber(given['queue'], 0, count, `${path}.queue`),
    queueTimeoutMs: checkedNumber(
      given['queueTimeoutMs'],
      Number.POSITIVE_INFINITY,
      { min: 0, above: true, max: Number.POSITIVE_INFINITY, ms: true },
      `${path}.queueTimeoutMs`,
    ),
  };
}
