/**
 * Mistakes in a policy that can be found without running it.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { nativePlans } from '../batch/native/rules.ts';
import { fallbackPlans } from '../fallback/policy.ts';
import { declaredBy } from '../policy/declared.ts';
import type { Policy } from '../policy/policy.gen.ts';
import { PolicyTable } from '../policy/resolve.ts';
import { trafficRules } from '../policy/traffic-rules.ts';
import { batchRules } from './batches.ts';
import { type Finding, LINT_CODES, type LintCode } from './codes.ts';
import { type Keys, type LintContext, type LintRule, layersOf } from './context.ts';
import { pathOf, readDocument } from './document.ts';
import { streamSettings, unknownNames } from './names.ts';
import { amplification, told, unmarkedRepeats, unmarkedRetries } from './repeats.ts';
import { timeOrder } from './times.ts';
import { wideFaults } from './traffic.ts';

/** What else is known. */
export interface LintFacts {
  /** What messages call the file. */
  readonly file: string;
  /** What the .proto files declare; undefined: nobody gave them. */
  readonly catalog?: Catalog | undefined;
}

/** What `createMesh` would say that no other rule does. Functions given to it may answer for a fallback, so each counts as given. */
const refusals: LintRule = (context) => {
  const { policy, catalog, table } = context;
  const functions = Object.fromEntries(
    Object.entries(policy.methods ?? {})
      .filter(([, { fallback }]) => fallback !== undefined && fallback.method === undefined)
      .map(([name]) => [name, () => undefined]),
  );
  told(context, 'IM102', () => void fallbackPlans(policy, functions));
  // Without descriptors checkPolicy has said all that can be said.
  if (catalog !== undefined) told(context, 'IM102', () => void trafficRules(policy, catalog, () => 0));
  // Each batch rule has its own finding; what is left is said of all of them together.
  const batched = Object.values(policy.methods ?? {}).some(({ batch }) => batch !== undefined);
  if (!batched || catalog !== undefined) told(context, 'IM102', () => void nativePlans(policy, catalog, table));
};

const RULES: readonly LintRule[] = [
  unknownNames,
  streamSettings,
  unmarkedRetries,
  unmarkedRepeats,
  amplification,
  timeOrder,
  batchRules,
  wideFaults,
  refusals,
];

/** What a problem says, and what it suggests. */
const HINTED = /^(.*?); ((?:did you mean|known keys).*)$/s;

/** Everything that is found in the text of a policy, in the order of its lines. */
export function lintPolicy(text: string, { file, catalog }: LintFacts): Finding[] {
  const document = readDocument(text);
  const findings: Finding[] = [];
  const report = (code: LintCode, keys: Keys, message: string, fix?: string): void => {
    const { severity } = LINT_CODES[code];
    findings.push({ code, severity, file, ...document.at(keys), path: pathOf(keys), message, ...(fix === undefined ? {} : { fix }) });
  };
  if (document.fault !== undefined) {
    const { message, line, column } = document.fault;
    return [{ code: 'IM100', severity: 'error', file, line, column, path: 'policy', message }];
  }
  for (const { keys, unknown = [], problem } of document.problems) {
    const [, said = problem, fix] = HINTED.exec(problem) ?? [];
    report('IM101', [...keys, ...unknown], said, fix);
  }
  const context = document.policy === undefined ? undefined : contextOf(document.policy, catalog, report);
  if (context !== undefined) for (const rule of RULES) rule(context);
  const lines = text.split('\n');
  return unique(findings.filter((finding) => !allowed(finding, lines))).sort(
    (a, b) => a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : 1),
  );
}

function contextOf(policy: Policy, catalog: Catalog | undefined, report: LintContext['report']): LintContext | undefined {
  let table: PolicyTable | undefined;
  const context = { policy, catalog, layers: layersOf(policy), report };
  const shell: LintContext = { ...context, table: new PolicyTable({}) };
  told(shell, 'IM102', () => {
    table = new PolicyTable(policy, declaredBy(catalog));
  });
  return table === undefined ? undefined : { ...context, table };
}

/** `# inmesh-lint: allow IM130, IM140` on the line of a finding, or alone on the one above. */
const ALLOW = /#\s*inmesh-lint:\s*allow\s+((?:IM\d+[\s,]*)+)/;

function allowed({ code, line }: Finding, lines: readonly string[]): boolean {
  const above = lines[line - 2]?.trimStart() ?? '';
  return [lines[line - 1] ?? '', above.startsWith('#') ? above : ''].some((text) => ALLOW.exec(text)?.[1]?.includes(code) === true);
}

/** One place and one message is one finding, whoever found it first. */
function unique(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ line, column, message }) => {
    const key = `${line}:${column}:${message}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}
