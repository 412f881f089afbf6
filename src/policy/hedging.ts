/**
 * What a policy says of hedging: in the engine's units, and whether it may say it.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { DEFAULT_ATTEMPTS, DEFAULT_NON_FATAL, DEFAULT_PERCENTILE, type HedgeRules } from '../hedge/options.ts';
import { quote, showPath } from '../input/show.ts';
import { MAX_ATTEMPTS } from '../retry/options.ts';
import { durationMs } from './duration.ts';
import { toCode } from './names.ts';
import type { Problem } from './parse.ts';
import type { HedgingPolicy, MethodPolicy, Policy } from './policy.gen.ts';

/** Hedging rules, or undefined for no hedging. */
export function hedgeRules(policy: HedgingPolicy | undefined): HedgeRules | undefined {
  if (policy === undefined) return undefined;
  const { maxAttempts = DEFAULT_ATTEMPTS, hedgingDelay, percentile = DEFAULT_PERCENTILE, nonFatalStatusCodes } = policy;
  return {
    maxAttempts: Math.min(maxAttempts, MAX_ATTEMPTS),
    ...(hedgingDelay === undefined ? {} : { delayMs: durationMs(hedgingDelay) }),
    percentile,
    nonFatalCodes:
      nonFatalStatusCodes === undefined ? DEFAULT_NON_FATAL : new Set(nonFatalStatusCodes.map((code) => toCode(code) ?? Code.UNKNOWN)),
  };
}

type Layer = readonly [keys: readonly [string, ...string[]], own: MethodPolicy | undefined];

const layersOf = ({ defaults, services = {}, methods = {} }: Policy): Layer[] => [
  [['defaults'], defaults],
  ...Object.entries(services).map(([name, own]): Layer => [['services', name], own]),
  ...Object.entries(methods).map(([name, own]): Layer => [['methods', name], own]),
];

/** Retry and hedging in one breath (R39). From different layers they may come: then hedging holds. */
export function hedgingProblems(policy: Policy): Problem[] {
  return layersOf(policy)
    .filter(([, own]) => own?.hedgingPolicy !== undefined && own.retryPolicy !== undefined)
    .map(([keys]) => ({
      keys: [...keys, 'hedgingPolicy'],
      problem: 'expected no retryPolicy beside it: gRPC A6 allows one of them, and hedging sends failed calls again too',
    }));
}

/**
 * Several attempts of a hedged call may run, so somebody must have said that this does no harm (H19).
 *
 * @param described - Descriptors are there: they may mark methods that the policy does not name.
 * @param isMarked - Whether a method is marked, by `/pkg.Service/Method`.
 * @throws ConfigError naming the first place where hedging is asked for in vain, and what to write.
 */
export function checkHedging(policy: Policy, described: boolean, isMarked: (path: string) => boolean): void {
  const layers = layersOf(policy);
  for (const [keys, own] of layers) {
    if (own?.hedgingPolicy === undefined) continue;
    const [kind, name = ''] = keys;
    if (kind === 'methods' ? isMarked(`/${name}`) : marksSome(keys, own, policy, layers, described)) continue;
    const place = kind === 'defaults' ? 'defaults: { idempotent: true }' : `${kind}: { ${quote(name)}: { idempotent: true } }`;
    throw new ConfigError(
      showPath('policy', [...keys, 'hedgingPolicy']),
      `expected only for methods that are marked, for a hedged call may run more than once. If that does no harm, say it: ${place}`,
    );
  }
}

/** Something below this layer is marked: hedging holds for that. */
function marksSome([kind, name]: Layer[0], own: MethodPolicy, policy: Policy, layers: readonly Layer[], described: boolean): boolean {
  const below = layers.some(
    ([[, other = ''], { idempotent } = {}]) => idempotent === true && (kind === 'defaults' || other.startsWith(`${name}/`)),
  );
  return below || (own.idempotent ?? (described || policy.defaults?.idempotent === true));
}
