/**
 * Options of outlier detection. Names and defaults are those of gRFC A50; what is ours says so.
 *
 * @packageDocumentation
 */
import { checkedNumber, checkedObject } from '../input/checks.ts';

/** Ejects endpoints whose success rate is below the mean by more than `stdevFactor` / 1000 standard deviations. */
export interface SuccessRateOptions {
  /** Thousandths of a standard deviation, >= 0. @defaultValue 1900 */
  readonly stdevFactor?: number;
  /** How many of a hundred that are found out are ejected, 0 to 100. @defaultValue 100 */
  readonly enforcementPercentage?: number;
  /** From so many endpoints with `requestVolume` on. Whole number >= 0. @defaultValue 5 */
  readonly minimumHosts?: number;
  /** Calls within the interval that an endpoint must have had to be judged. Whole number >= 0. @defaultValue 100 */
  readonly requestVolume?: number;
}

/** Ejects endpoints of whose calls more than `threshold` percent failed. */
export interface FailurePercentageOptions {
  /** Percent, 0 to 100. @defaultValue 85 */
  readonly threshold?: number;
  /** How many of a hundred that are found out are ejected, 0 to 100. @defaultValue 100 */
  readonly enforcementPercentage?: number;
  /** From so many endpoints with `requestVolume` on. Whole number >= 0. @defaultValue 5 */
  readonly minimumHosts?: number;
  /** Calls within the interval that an endpoint must have had to be judged. Whole number >= 0. @defaultValue 50 */
  readonly requestVolume?: number;
}

/** When endpoints get no calls for a while. */
export interface OutlierOptions {
  /** Time between two judgements in ms, > 0. @defaultValue 10_000 */
  readonly intervalMs?: number;
  /** Length of the first ejection in ms, > 0; each one in a row is longer by as much. @defaultValue 30_000 */
  readonly baseEjectionMs?: number;
  /** Longest ejection in ms, > 0; at least `baseEjectionMs`. @defaultValue 300_000 */
  readonly maxEjectionMs?: number;
  /** Nobody is ejected while that share of all endpoints, or more, is. 0 to 100. @defaultValue 10 */
  readonly maxEjectionPercent?: number;
  /** @defaultValue nobody is ejected for its success rate */
  readonly successRateEjection?: SuccessRateOptions;
  /** @defaultValue nobody is ejected for its share of failures */
  readonly failurePercentageEjection?: FailurePercentageOptions;
  /** Ours: success rates this little below the mean eject nobody, 0 to 1; 0 is A50 to the letter. @defaultValue 0.05 */
  readonly minimumGap?: number;
  /** Ours (Envoy's): with less than that share of the ready endpoints left, ejections are not heeded. 0 to 1. @defaultValue 0.5 */
  readonly panicThreshold?: number;
  /**
   * Ours (Envoy's, Linkerd's): failures in a row that eject an endpoint until a call on it succeeds; so does silence. 0: neither.
   * @defaultValue 5
   */
  readonly consecutiveFailures?: number;
}

/** {@link OutlierOptions} with everything filled in. */
export interface OutlierRules extends Required<Omit<OutlierOptions, 'successRateEjection' | 'failurePercentageEjection'>> {
  readonly successRateEjection: Required<SuccessRateOptions> | undefined;
  readonly failurePercentageEjection: Required<FailurePercentageOptions> | undefined;
}

const KEYS = [
  'intervalMs',
  'baseEjectionMs',
  'maxEjectionMs',
  'maxEjectionPercent',
  'successRateEjection',
  'failurePercentageEjection',
  'minimumGap',
  'panicThreshold',
  'consecutiveFailures',
] as const satisfies readonly (keyof OutlierOptions)[];

const SPAN = { min: 0, above: true, ms: true };
const PERCENT = { min: 0, max: 100 };
const COUNT = { min: 0, integer: true };

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveOutlierOptions(input: unknown, path: string): OutlierRules {
  const given = checkedObject(input, KEYS, path);
  const baseEjectionMs = checkedNumber(given['baseEjectionMs'], 30_000, SPAN, `${path}.baseEjectionMs`);
  return {
    intervalMs: checkedNumber(given['intervalMs'], 10_000, SPAN, `${path}.intervalMs`),
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, checkedNumber(given['maxEjectionMs'], 300_000, SPAN, `${path}.maxEjectionMs`)),
    maxEjectionPercent: checkedNumber(given['maxEjectionPercent'], 10, PERCENT, `${path}.maxEjectionPercent`),
    successRateEjection: successRate(given['successRateEjection'], `${path}.successRateEjection`),
    failurePercentageEjection: failurePercentage(given['failurePercentageEjection'], `${path}.failurePercentageEjection`),
    minimumGap: checkedNumber(given['minimumGap'], 0.05, { min: 0, max: 1 }, `${path}.minimumGap`),
    panicThreshold: checkedNumber(given['panicThreshold'], 0.5, { min: 0, max: 1 }, `${path}.panicThreshold`),
    consecutiveFailures: checkedNumber(given['consecutiveFailures'], 5, COUNT, `${path}.consecutiveFailures`),
  };
}

function successRate(input: unknown, path: string): Required<SuccessRateOptions> | undefined {
  if (input === undefined) return undefined;
  const given = checkedObject(input, ['stdevFactor', 'enforcementPercentage', 'minimumHosts', 'requestVolume'], path);
  return {
    stdevFactor: checkedNumber(given['stdevFactor'], 1900, { min: 0 }, `${path}.stdevFactor`),
    enforcementPercentage: checkedNumber(given['enforcementPercentage'], 100, PERCENT, `${path}.enforcementPercentage`),
    minimumHosts: checkedNumber(given['minimumHosts'], 5, COUNT, `${path}.minimumHosts`),
    requestVolume: checkedNumber(given['requestVolume'], 100, COUNT, `${path}.requestVolume`),
  };
}

function failurePercentage(input: unknown, path: string): Required<FailurePercentageOptions> | undefined {
  if (input === undefined) return undefined;
  const given = checkedObject(input, ['threshold', 'enforcementPercentage', 'minimumHosts', 'requestVolume'], path);
  return {
    threshold: checkedNumber(given['threshold'], 85, PERCENT, `${path}.threshold`),
    enforcementPercentage: checkedNumber(given['enforcementPercentage'], 100, PERCENT, `${path}.enforcementPercentage`),
    minimumHosts: checkedNumber(given['minimumHosts'], 5, COUNT, `${path}.minimumHosts`),
    requestVolume: checkedNumber(given['requestVolume'], 50, COUNT, `${path}.requestVolume`),
  };
}
