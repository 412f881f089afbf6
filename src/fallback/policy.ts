/**
 * Which methods have a fallback, by the policy and by the functions given to `createMesh`.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import { durationMs } from '../policy/duration.ts';
import { nameProblem } from '../policy/names.ts';
import type { MethodPolicy, Policy } from '../policy/policy.gen.ts';
import { type FallbackFunction, type FallbackRules, resolveFallbackOptions } from './options.ts';

/** Functions by method, `pkg.Service/Method`. */
export type Fallbacks = Readonly<Record<string, FallbackFunction>>;

/**
 * Rules by path, `/pkg.Service/Method`. A function needs no policy, a policy without a method needs a function.
 *
 * @throws ConfigError for a fallback of many methods at once, of a method to itself, or with both or neither answer.
 */
export function fallbackPlans(policy: Policy, functions: Fallbacks = {}): ReadonlyMap<string, FallbackRules> {
  refuseWide(['defaults'], policy.defaults);
  for (const [service, wide] of Object.entries(policy.services ?? {})) refuseWide(['services', service], wide);
  const plans = new Map<string, FallbackRules>();
  for (const [name, answer] of Object.entries(functions)) {
    const path = showPath('fallbacks', [name]);
    const problem = nameProblem(name, { method: true, service: false, key: false });
    if (problem !== undefined) throw new ConfigError('fallbacks', problem);
    if (policy.methods?.[name]?.fallback === undefined) plans.set(`/${name}`, resolveFallbackOptions({ answer }, path));
  }
  for (const [name, { fallback }] of Object.entries(policy.methods ?? {})) {
    if (fallback === undefined) continue;
    const path = showPath('policy', ['methods', name, 'fallback']);
    const { method, timeout, onStatus } = fallback;
    const answer = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (method === undefined && answer === undefined)
      throw new ConfigError(
        path,
        `names no method, and createMesh was given no function: createMesh(policy, { fallbacks: { "${name}": (failure, request) => ... } })`,
      );
    if (method === name) throw new ConfigError(`${path}.method`, `${name} cannot stand in for itself`);
    const options = {
      ...(method === undefined ? {} : { method: `/${method}` }),
      ...(answer === undefined ? {} : { answer }),
      ...(onStatus === undefined ? {} : { onStatus }),
      ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
    };
    plans.set(`/${name}`, resolveFallbackOptions(options, path));
  }
  return plans;
}

function refuseWide(keys: readonly string[], policy: MethodPolicy | undefined): void {
  if (policy?.fallback !== undefined)
    throw new ConfigError(
      showPath('policy', [...keys, 'fallback']),
      'a fallback is one method\'s, with answers of its type: it belongs under methods["pkg.Service/Method"]',
    );
}
