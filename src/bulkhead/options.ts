/**
 * Options of a bulkhead.
 *
 * @packageDocumentation
 */
import { PRIORITIES } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject, type NumberRule } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { quote, show } from '../input/show.ts';

/** What calls are told apart by. */
export type BulkheadBy = 'tenant' | 'priority' | 'method';

/** How many calls may be in flight, and how many may wait. */
export interface BulkheadOptions {
  /** Calls in flight at a time. Whole number >= 0, or Infinity; 0 lets nothing through. */
  readonly slots: number;
  /** Calls that may wait for a slot. Whole number >= 0, or Infinity. @defaultValue 0 */
  readonly queue?: number;
  /** Longest wait for a slot in ms, > 0. @defaultValue until the call's own deadline */
  readonly queueTimeoutMs?: number;
  /** What calls are told apart by. With `tenant` and no `partitions`, each tenant has slots and a queue of its own. */
  readonly by?: BulkheadBy;
  /**
   * By the name of a tenant, priority or method (`pkg.Service/Method`): its share of the slots and of the queue, > 0, at most 1
   * in all. At most 100. A share that is idle is lent to whoever asks, and its owner gets in at once all the same: until what
   * is lent comes back, more calls than `slots` may be in flight, at most twice as many and one for each partition. Who is
   * not named has no share, only what is lent. Needs `by`.
   */
  readonly partitions?: Readonly<Record<string, number>>;
}

/** {@link BulkheadOptions} with everything filled in; no timeout is Infinity. */
export interface BulkheadRules {
  readonly slots: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly by: BulkheadBy | undefined;
  /** Empty: none. */
  readonly partitions: ReadonlyMap<string, number>;
}

const KEYS = ['slots', 'queue', 'queueTimeoutMs', 'by', 'partitions'] as const satisfies readonly (keyof BulkheadOptions)[];
const KINDS: readonly BulkheadBy[] = ['tenant', 'priority', 'method'];
/** Each free slot looks at all of them. */
const MAX_PARTITIONS = 100;
/** Shares are decimals: 0.7 + 0.2 + 0.1 is a little more than 1 or less. */
const ROUNDING = 1e-9;
const NO_PARTITIONS: ReadonlyMap<string, number> = new Map();

/** Counts of a bulkhead. */
export const COUNT: NumberRule = { min: 0, max: Number.POSITIVE_INFINITY, integer: true };

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveBulkheadOptions(input: unknown, path: string): BulkheadRules {
  const given = checkedObject(input, KEYS, path);
  if (given['slots'] === undefined) throw new ConfigError(`${path}.slots`, 'is missing; expected a whole number >= 0');
  const by = checkedBy(given['by'], `${path}.by`);
  return {
    slots: checkedNumber(given['slots'], 0, COUNT, `${path}.slots`),
    queue: checkedNumber(given['queue'], 0, COUNT, `${path}.queue`),
    queueTimeoutMs: checkedNumber(
      given['queueTimeoutMs'],
      Number.POSITIVE_INFINITY,
      { min: 0, above: true, max: Number.POSITIVE_INFINITY, ms: true },
      `${path}.queueTimeoutMs`,
    ),
    by,
    partitions: checkedPartitions(given['partitions'], by, path),
  };
}

function checkedBy(value: unknown, path: string): BulkheadBy | undefined {
  if (value === undefined) return undefined;
  const by = KINDS.find((kind) => kind === value);
  if (by !== undefined) return by;
  const meant = typeof value === 'string' ? nearest(value, KINDS) : undefined;
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  throw new ConfigError(path, `expected "tenant", "priority" or "method", got ${show(value)}${hint}`);
}

function checkedPartitions(input: unknown, by: BulkheadBy | undefined, path: string): ReadonlyMap<string, number> {
  if (input === undefined) {
    // Slots for each priority or method would be more than `slots` in all, and nobody would expect that.
    if (by === undefined || by === 'tenant') return NO_PARTITIONS;
    throw new ConfigError(`${path}.partitions`, `is missing; expected shares, for by is "${by}"`);
  }
  const name = `${path}.partitions`;
  if (by === undefined)
    throw new ConfigError(`${path}.by`, 'is missing; expected "tenant", "priority" or "method", for there are partitions');
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new ConfigError(name, `expected an object, got ${show(input)}`);
  }
  const shares = new Map<string, number>();
  let sum = 0;
  for (const [key, value] of Object.entries(input)) {
    if (by === 'priority' && !PRIORITIES.some((priority) => priority === key)) {
      const meant = nearest(key, PRIORITIES);
      const hint = meant === undefined ? `known are ${PRIORITIES.join(', ')}` : `did you mean "${meant}"?`;
      throw new ConfigError(name, `unknown priority ${quote(key)}; ${hint}`);
    }
    const share = checkedNumber(value ?? null, 0, { min: 0, above: true, max: 1 }, `${name}[${quote(key)}]`);
    shares.set(key, share);
    sum += share;
  }
  if (sum > 1 + ROUNDING) throw new ConfigError(name, `expected shares of at most 1 in all, got ${Number(sum.toFixed(6))}`);
  if (shares.size < 1 || shares.size > MAX_PARTITIONS) {
    throw new ConfigError(name, `expected 1 to ${MAX_PARTITIONS} partitions, got ${shares.size}`);
  }
  return shares;
}
