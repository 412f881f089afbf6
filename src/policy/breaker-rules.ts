/**
 * Breakers and outlier detection of a policy, in the engines' units.
 *
 * @packageDocumentation
 */
import { type BreakerRules, resolveBreakerOptions } from '../breaker/options.ts';
import type { OutlierOptions } from '../outlier/options.ts';
import { type DurationText, durationMs } from './duration.ts';
import type { Problem } from './parse.ts';
import type { CircuitBreaker, MethodPolicy, OutlierDetection, Policy } from './policy.gen.ts';

/** A breaker's rules; undefined: none. */
export function breakerRules(policy: CircuitBreaker | undefined): BreakerRules | undefined {
  if (policy === undefined) return undefined;
  const { window, openTime, maxOpenTime, ...counts } = policy;
  return resolveBreakerOptions({ ...counts, ...inMs({ windowMs: window, openMs: openTime, maxOpenMs: maxOpenTime }) }, 'breaker');
}

/** The balancer's option of the same name. */
export function outlierOptions(policy: OutlierDetection = {}): OutlierOptions {
  const { interval, baseEjectionTime, maxEjectionTime, ...rest } = policy;
  return { ...rest, ...inMs({ intervalMs: interval, baseEjectionMs: baseEjectionTime, maxEjectionMs: maxEjectionTime }) };
}

/** A longest time that is shorter than the first would not be heeded. (gRFC A50 says of outlier detection that it is not.) */
export function breakerProblems({ defaults, services = {}, methods = {} }: Policy): Problem[] {
  const layers: readonly (readonly [readonly string[], MethodPolicy | undefined])[] = [
    [['defaults'], defaults],
    ...Object.entries(services).map(([name, own]) => [['services', name], own] as const),
    ...Object.entries(methods).map(([name, own]) => [['methods', name], own] as const),
  ];
  return layers.flatMap(([keys, own]) => {
    const { openTime, maxOpenTime } = own?.breaker ?? {};
    if (openTime === undefined || maxOpenTime === undefined || durationMs(maxOpenTime) >= durationMs(openTime)) return [];
    return [{ keys: [...keys, 'breaker', 'maxOpenTime'], problem: `expected at least openTime ("${openTime}"), got "${maxOpenTime}"` }];
  });
}

function inMs<Key extends string>(times: Readonly<Record<Key, DurationText | undefined>>): { readonly [K in Key]?: number } {
  const given = Object.entries<DurationText | undefined>(times).flatMap(([key, time]) =>
    time === undefined ? [] : [[key, durationMs(time)] as const],
  );
  return Object.fromEntries(given) as { readonly [K in Key]?: number };
}
