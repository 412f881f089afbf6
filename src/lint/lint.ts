/**
 * Mistakes in a policy that can be found without running it.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { nativePlans } from '../batch/native/rules.ts';
import { ConfigError } from '../errors.ts';
import { fallbackPlans } from '../fallback/policy.ts';
import { declaredBy } from '../policy/declared.ts';
import { keysOf } from '../policy/places.ts';
import type { Policy } from '../policy/policy.gen.ts';
import { PolicyTable } from '../policy/resolve.ts';
import { trafficRules } from '../policy/traffic-rules.ts';
import { batchRules } from './batches.ts';
import { type ChainLink, lintChains } from './chains.ts';
import { type Finding, LINT_CODES, type LintCode } from './codes.ts';
import { type LintContext, type LintRule, layersOf } from './context.ts';
import { DeclaredLayers, placeOfError } from './declared.ts';
import { pathOf, readDocument } from './document.ts';
import { idleSettings } from './idle.ts';
import { streamSettings, unknownNames } from './names.ts';
import { noPlaces, type OptionPlaces } from './proto-places.ts';
import { amplification, told, unmarkedRepeats, unmarkedRetries } from './repeats.ts';
import { timeOrder } from './times.ts';
import { lostClusters, lostRoutes, requestFields, wideFaults } from './traffic.ts';

/** What else is known. */
export interface LintFacts {
  /** What the .proto files declare; undefined: nobody gave them. */
  readonly catalog?: Catalog | undefined;
  /** Where their options of ours stand. */
  readonly places?: OptionPlaces;
  /** Of .proto files, for what comments in them allow. */
  readonly texts?: readonly LintSource[];
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
  requestFields,
  lostRoutes,
  lostClusters,
  idleSettings,
  refusals,
];

/** What a problem says, and what it suggests. */
const HINTED = /^(.*?); ((?:did you mean|known keys).*)$/s;

/** A policy, as text. */
export interface LintSource {
  /** What messages call the file. */
  readonly file: string;
  readonly text: string;
}

/** Everything that is found in the text of a policy, in the order of its lines. */
export function lintPolicy(text: string, { file, ...facts }: LintFacts & { readonly file: string }): Finding[] {
  return lintPolicies([{ file, text }], facts);
}

/** The same for several policies, which may be those of services that call each other. File by file, then what is in .proto files. */
export function lintPolicies(sources: readonly LintSource[], facts: LintFacts = {}): Finding[] {
  const linted = sources.map((source) => lintOne(source, facts));
  const found = [...linted.flatMap(({ findings }) => findings), ...lintChains(linted.flatMap(({ link }) => link ?? []))];
  const texts = new Map([...sources, ...(facts.texts ?? [])].map(({ file, text }) => [file, text.split('\n')]));
  const files = [...texts.keys(), ...found.map(({ file }) => file)];
  return unique(found.filter((finding) => !allowed(finding, texts.get(finding.file) ?? []))).sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : 1),
  );
}

interface Linted {
  readonly source: LintSource;
  readonly findings: readonly Finding[];
  /** Undefined where something is so wrong that nothing holds. */
  readonly link: ChainLink | undefined;
}

function lintOne(source: LintSource, facts: LintFacts): Linted {
  const { file, text } = source;
  const document = readDocument(text);
  const findings: Finding[] = [];
  let declared: DeclaredLayers | undefined;
  const add = (code: LintCode, place: FindingPlace, said: string, given?: string): Finding => {
    const [, message = said, fix = given] = given === undefined ? (HINTED.exec(said) ?? []) : [];
    return { code, severity: LINT_CODES[code].severity, ...place, message, ...(fix === undefined ? {} : { fix }) };
  };
  const finding: ChainLink['report'] = (code, keys, ...said) =>
    add(code, declared?.find(keys) ?? { file, ...document.at(keys), path: pathOf(keys) }, ...said);
  const report: LintContext['report'] = (...found) => void findings.push(finding(...found));
  if (document.fault !== undefined)
    return { source, findings: [{ code: 'IM100', severity: 'error', file, ...document.fault }], link: undefined };
  for (const { keys, unknown = [], problem } of document.problems) report('IM101', [...keys, ...unknown], problem);
  if (document.policy === undefined) return { source, findings, link: undefined };
  try {
    declared = new DeclaredLayers(facts.catalog, facts.places ?? noPlaces);
    const context = contextOf(document.policy, facts.catalog, declared, report);
    for (const rule of RULES) rule(context);
    return { source, findings, link: { file, text, policy: context.policy, table: context.table, report: finding } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const said = error.message.slice(error.path.length + 2);
    const place = placeOfError(error.path, facts.places ?? noPlaces);
    const keys = keysOf(error.path);
    findings.push(add(place === undefined ? 'IM102' : 'IM101', place ?? { file, ...document.at(keys), path: pathOf(keys) }, said));
    return { source, findings, link: undefined };
  }
}

type FindingPlace = Pick<Finding, 'file' | 'line' | 'column' | 'path'>;

/** @throws ConfigError where a part of the policy makes no sense, or an option of a .proto file. */
function contextOf(policy: Policy, catalog: Catalog | undefined, declared: DeclaredLayers, report: LintContext['report']): LintContext {
  return {
    policy,
    catalog,
    table: new PolicyTable(policy, declaredBy(catalog)),
    layers: [...layersOf(policy), ...declared.layers],
    keysOf: (path) => declared.keysOf(path) ?? keysOf(path),
    report,
  };
}

/** `# inmesh-lint: allow IM130, IM140` on the line of a finding, or alone on the one above. */
const ALLOW = /(?:#|\/\/)\s*inmesh-lint:\s*allow\s+((?:IM\d+[\s,]*)+)/;

function allowed({ code, line }: Finding, lines: readonly string[]): boolean {
  const above = lines[line - 2]?.trimStart() ?? '';
  return [lines[line - 1] ?? '', /^(?:#|\/\/)/.test(above) ? above : ''].some((text) => ALLOW.exec(text)?.[1]?.includes(code) === true);
}

/** One place and one message is one finding, whoever found it first. */
function unique(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ file, line, column, message }) => {
    const key = `${file}:${line}:${column}:${message}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}
