/**
 * What holds for one method, and where each value comes from.
 *
 * Values are those of the rules in force, put back into the words of the document; origins are told by `precedence.ts`. So there is
 * no second opinion here on what wins, nor on what is built in.
 *
 * @packageDocumentation
 */
import { codeName } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import type { ExplainedView, ExplainView } from '../observe/views.ts';
import { secondsText } from './duration.ts';
import { BUILT_IN, BY_METHOD, pageOf, UNITS } from './explain-fields.ts';
import { nameProblem } from './names.ts';
import { policyRule } from './policy.gen.ts';
import { saidAt, valueAt } from './precedence.ts';
import type { PolicyTable } from './resolve.ts';
import { entriesOfRule } from './rules.ts';

/** Parts of the document that hold for methods. */
const OF_METHODS: ReadonlySet<string> = new Set(['defaults', 'services', 'methods']);

/** What a document says at a path, and where. */
type Told = Pick<ExplainedView, 'value' | 'origin' | 'where'>;
type Teller = (path: readonly string[]) => Told | undefined;
type Entries = Readonly<Record<string, object>>;

/**
 * Every field of the policy as it is for one method: those of methods first, then those of the whole mesh. A message that nobody
 * sets is one row, with null.
 *
 * @param table - A mesh's, or `new PolicyTable(parsePolicy(document))`.
 * @param method - `pkg.Service/Method`; a slash in front does no harm.
 * @throws ConfigError when it is no such name.
 */
export function explain(table: PolicyTable, method: string): ExplainView {
  const name = method.replace(/^\//, '');
  const problem = nameProblem(name, { method: true, service: false, key: false });
  if (problem !== undefined) throw new ConfigError('explain', problem);

  const layers = table.layers(`/${name}`);
  const byLayers: Teller = (path) => {
    const said = saidAt(layers, path);
    return said && { value: said.value, origin: said.by.origin, where: said.by.where(path) };
  };
  const byDocument: Teller = (path) => {
    const keys = BY_METHOD.has(path.join('.')) ? [...path, name] : path;
    const value = valueAt(table.policy, keys);
    return value === undefined ? undefined : { value, origin: 'policy', where: showPath('policy', keys) };
  };
  const { defaults = {}, ...rest } = entriesOfRule(policyRule) ?? {};
  const whole = Object.fromEntries(Object.entries(rest).filter(([field]) => !OF_METHODS.has(field)));
  const own = table.method(`/${name}`);
  const rules = { ...own, retryPolicy: own.retry, hedgingPolicy: own.hedge };
  const meshRules = { ...table, propagation: table.traits, outlierDetection: table.balance.outlierDetection };
  return {
    method: name,
    values: [...rowsOf(entriesOfRule(defaults) ?? {}, [], rules, byLayers), ...rowsOf(whole, [], meshRules, byDocument)],
  };
}

function rowsOf(entries: Entries, above: readonly string[], rules: unknown, tell: Teller): ExplainedView[] {
  return Object.entries(entries).flatMap(([name, rule]) => {
    const path = [...above, name];
    const field = path.join('.');
    const inForce = BY_METHOD.has(field) ? undefined : ruleOf(rules, name);
    const told = tell(path);
    const below = entriesOfRule(rule);
    if (below !== undefined && (told !== undefined || inForce !== undefined)) return rowsOf(below, path, inForce, tell);
    const value = inWords(inForce) ?? told?.value ?? BUILT_IN[field] ?? null;
    return [{ field, value, origin: told?.origin ?? 'built-in', where: told?.where ?? pageOf(path) }];
  });
}

/** What the rules in force have for a field, times as text. */
function ruleOf(rules: unknown, field: string): unknown {
  const same = valueAt(rules, [field]);
  if (same !== undefined) return same;
  const inUnits = UNITS[field] ?? `${field}Ms`;
  const value = valueAt(rules, [inUnits]);
  return typeof value === 'number' && inUnits.endsWith('Ms') ? secondsText(value / 1000) : value;
}

/** As the document would write it; undefined: not at all. */
function inWords(value: unknown): unknown {
  if (value instanceof Set) return [...value].map((code: number) => codeName(code));
  return value === Number.POSITIVE_INFINITY ? undefined : value;
}
