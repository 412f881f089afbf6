/**
 * The batch rules of a policy, checked against descriptors.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { showPath } from '../../input/show.ts';
import type { MethodPolicy, Policy } from '../../policy/policy.gen.ts';
import { firstSaid } from '../../policy/precedence.ts';
import type { PolicyTable } from '../../policy/resolve.ts';
import { compileRule } from './compile.ts';
import type { Catalog } from './descriptors.ts';
import type { NativePlan } from './plan.ts';

/**
 * Plans by path, `/pkg.Service/GetX`.
 *
 * @param table - Made of the same policy, and of what the files declare.
 * @throws ConfigError naming the rule, the field and the reason.
 */
export function nativePlans(policy: Policy, catalog: Catalog | undefined, table: PolicyTable): ReadonlyMap<string, NativePlan> {
  refuseWide(['defaults'], policy.defaults);
  for (const [service, wide] of Object.entries(policy.services ?? {})) refuseWide(['services', service], wide);
  const plans = new Map<string, NativePlan>();
  const inFiles = [...(catalog?.methods ?? [])].map(({ path }) => path);
  for (const method of new Set([...Object.keys(policy.methods ?? {}).map((name) => `/${name}`), ...inFiles])) {
    const said = firstSaid(table.layers(method), ({ batch }) => batch);
    if (said === undefined) continue;
    const path = said.by.where(['batch']);
    if (catalog === undefined)
      throw new ConfigError(
        path,
        'needs the descriptors of the service: createMesh(policy, { descriptors }), the output of `buf build` or of proto-loader',
      );
    plans.set(method, compileRule(said.value, catalog, { method, idempotent: table.method(method).idempotent, path }));
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
