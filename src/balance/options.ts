/**
 * Options of the balancer.
 *
 * @packageDocumentation
 */
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { type OutlierOptions, type OutlierRules, resolveOutlierOptions } from '../outlier/options.ts';

/** How the balancer remembers latency and failures. Every default is good for calls of 1 ms to 1 s. */
export interface BalanceOptions {
  /** Time constant of the latency estimate in ms, > 0: a peak is worth 37 % after this long. @defaultValue 10_000 (Finagle's) */
  readonly decayMs?: number;
  /** How many average endpoints an endpoint that drops every call is dearer, >= 0; 0 ignores drops. @defaultValue 10 */
  readonly penalty?: number;
  /** Time constant of the memory of dropped calls in ms, > 0. @defaultValue 2_000: back in the mix some 5 s after the last drop */
  readonly penaltyMs?: number;
  /**
   * From this age on, in ms, > 0, a call without an answer is taken for a stream: its silence is no sign of a stall, its
   * length no latency. A stalled endpoint is tried again as often. @defaultValue 10_000
   */
  readonly patienceMs?: number;
  /**
   * When the last ready endpoint is lost, calls wait this long for another before they fail, in ms, >= 0. Replicas restarted
   * in turn may all be down for a moment. Where nothing was ever ready calls fail as fast as without inmesh. @defaultValue 1_000
   */
  readonly graceMs?: number;
  /**
   * Calls and items of batches in flight at one endpoint, at most; whole number >= 1. Full endpoints are passed over; when all are
   * full, calls end with RESOURCE_EXHAUSTED. @defaultValue no limit
   */
  readonly maxInFlight?: number;
  /** How long an address that left name resolution keeps what was learned about it, in ms, >= 0. @defaultValue 300_000 */
  readonly historyMs?: number;
  /** Which endpoints get no calls for a while. @defaultValue those that fail five times in a row, or fall silent */
  readonly outlierDetection?: OutlierOptions;
}

/** {@link BalanceOptions} with everything filled in. */
export type BalanceRules = Required<Omit<BalanceOptions, 'outlierDetection'>> & { readonly outlierDetection: OutlierRules };

const KEYS = [
  'decayMs',
  'penalty',
  'penaltyMs',
  'patienceMs',
  'graceMs',
  'maxInFlight',
  'historyMs',
  'outlierDetection',
] as const satisfies readonly (keyof BalanceOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveBalanceOptions(input: unknown, path: string): BalanceRules {
  const given = checkedObject(input, KEYS, path);
  const span = { min: 0, above: true, ms: true };
  return {
    decayMs: checkedNumber(given['decayMs'], 10_000, span, `${path}.decayMs`),
    penalty: checkedNumber(given['penalty'], 10, { min: 0 }, `${path}.penalty`),
    penaltyMs: checkedNumber(given['penaltyMs'], 2_000, span, `${path}.penaltyMs`),
    patienceMs: checkedNumber(given['patienceMs'], 10_000, span, `${path}.patienceMs`),
    graceMs: checkedNumber(given['graceMs'], 1_000, { min: 0, ms: true }, `${path}.graceMs`),
    maxInFlight: checkedNumber(given['maxInFlight'], Number.POSITIVE_INFINITY, { min: 1, integer: true }, `${path}.maxInFlight`),
    historyMs: checkedNumber(given['historyMs'], 300_000, { min: 0, ms: true }, `${path}.historyMs`),
    outlierDetection: resolveOutlierOptions(given['outlierDetection'], `${path}.outlierDetection`),
  };
}
