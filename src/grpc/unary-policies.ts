/**
 * Which policies of the application's hold for which method.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import { nameProblem } from '../policy/names.ts';
import type { UnaryPolicy } from './policy-call.ts';

/** Policies for every method, or by method `pkg.Service/Method` and service `pkg.Service`; of several the first is outermost. */
export type UnaryPolicies = UnaryPolicy | readonly UnaryPolicy[] | Readonly<Record<string, UnaryPolicy | readonly UnaryPolicy[]>>;

/** Policies of a method, the first outermost; undefined: none. */
export type PoliciesOf = (path: string) => readonly UnaryPolicy[] | undefined;

/** @throws ConfigError when something is no policy, or its name no method or service. */
export function policiesBy(given: UnaryPolicies, path = 'policies'): PoliciesOf {
  const all = policiesAt(given);
  if (all !== undefined) return () => all;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw noPolicy(path, given);
  const byName = new Map<string, readonly UnaryPolicy[]>();
  for (const [name, value] of Object.entries(given)) {
    const problem = nameProblem(name, { method: true, service: true, key: false });
    if (problem !== undefined) throw new ConfigError(path, problem);
    const policies = policiesAt(value);
    if (policies === undefined) throw noPolicy(`${path}[${show(name)}]`, value);
    byName.set(`/${name}`, policies);
  }
  return (method) => byName.get(method) ?? byName.get(method.slice(0, method.lastIndexOf('/')));
}

function policiesAt(value: unknown): readonly UnaryPolicy[] | undefined {
  if (isPolicy(value)) return [value];
  return Array.isArray(value) && value.length > 0 && value.every(isPolicy) ? value : undefined;
}

function isPolicy(value: unknown): value is UnaryPolicy {
  return typeof value === 'object' && value !== null && 'execute' in value && typeof value.execute === 'function';
}

const noPolicy = (path: string, value: unknown): ConfigError =>
  new ConfigError(path, `expected a policy of cockatiel (an object with execute) or a list of them, got ${show(value)}`);
