/**
 * The batch rules of a policy, checked against descriptors.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { showPath } from '../../input/show.ts';
import type { MethodPolicy, Policy } from '../../policy/policy.gen.ts';
import { compileRule } from './compile.ts';
import type { Catalog } from './descriptors.ts';
import type { NativePlan } from './plan.ts';

/** What the methods' own files say: `idempotency_level`. */
export function declaredBy(catalog: Catalog | undefined): (path: string) => MethodPolicy | undefined {
  return (path) => {
    const level = catalog?.method(path)?.idempotency ?? 'unknown';
    return level === 'unknown' ? undefined : { idempotent: true };
  };
}

/**
 * Plans by path, `/pkg.Service/GetX`.
 *
 * @param isIdempotent - Whether a method, by its path, is marked as harmless to repeat.
 * @throws ConfigError naming the rule, the field and the reason.
 */
export function nativePlans(
  policy: Policy,
  catalog: Catalog | undefined,
  isIdempotent: (path: string) => boolean,
): ReadonlyMap<string, NativePlan> {
  refuseWide(['defaults'], policy.defaults);
  for (const [service, wide] of Object.entries(policy.services ?? {})) refuseWide(['services', service], wide);
  const plans = new Map<string, NativePlan>();
  for (const [name, { batch }] of Object.entries(policy.methods ?? {})) {
    if (batch === undefined) continue;
    const path = showPath('policy', ['methods', name, 'batch']);
    const method = `/${name}`;
    if (catalog === undefined)
      throw new ConfigError(
        path,
        'needs the descriptors of the service: createMesh(policy, { descriptors }), the output of `buf build` or of proto-loader',
      );
    plans.set(method, compileRule(batch, catalog, { method, idempotent: isIdempotent(method), path }));
  }
  for (const { method, via } of plans.values()) {
    if (plans.has(via))
      throw new ConfigError(
        showPath('policy', ['methods', method.slice(1), 'batch', 'via']),
        `${via} is merged itself; a batch is not put into a batch`,
      );
  }
  return plans;
}

function refuseWide(keys: readonly string[], policy: MethodPolicy | undefined): void {
  if (policy?.batch !== undefined)
    throw new ConfigError(
      showPath('policy', [...keys, 'batch']),
      'a batch rule is one method\'s: it belongs under methods["pkg.Service/Method"]',
    );
}
