/**
 * Checks a policy document and brings it into its full form.
 *
 * Every fault is found in one go, with its path, the rule, the value seen and the nearest right name.
 *
 * @packageDocumentation
 */
import { safeParse } from 'valibot';
import { splitMethod } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { quote, showPath } from '../input/show.ts';
import { breakerProblems } from './breaker-rules.ts';
import { plainCopy } from './copy.ts';
import { parseSeconds } from './duration.ts';
import { hedgingProblems } from './hedging.ts';
import { limitProblems } from './limit-rules.ts';
import { type MethodPolicy, type Policy, policyRule, type RetryPolicy } from './policy.gen.ts';
import { trafficProblems } from './traffic-rules.ts';

/** Fields of a match of metadata whose values no message repeats. */
const HIDDEN: ReadonlySet<string> = new Set(['exact', 'prefix', 'regex']);

/** One fault in a document. */
export interface Problem {
  /** Keys from the root to the place, e.g. `['methods', 'a.B/C', 'timeout']`. */
  readonly keys: readonly (string | number)[];
  /** The rule and the value seen, without the path. */
  readonly problem: string;
  /** The unknown key itself, if that is the fault; `keys` then leads to what holds it. */
  readonly unknown?: readonly [string];
}

/** A checked policy, or what is wrong with it. */
export type Checked =
  | { readonly policy: Policy; readonly problems?: never }
  | { readonly policy?: never; readonly problems: readonly Problem[] };

/** More than that, and the user looks for another kind of mistake. */
const MAX_TOLD = 20;
/** Nearest names are looked for so often: a file of 1 MiB has room for 100,000 wrong keys. */
const MAX_HINTED = 200;

/**
 * Checks a document, and expands shorthands: `coalesce: 'auto'` becomes `{ mode: 'auto' }`, status codes their names.
 * The result is a copy; parsing it again gives the same.
 *
 * @param name - What paths in messages begin with.
 * @throws ConfigError that lists every fault, one a line (the first 20); `path` is the first one's.
 */
export function parsePolicy(input: unknown, name = 'policy'): Policy {
  const checked = checkPolicy(input);
  if (checked.problems === undefined) return checked.policy;
  throw problemsError(checked.problems, ({ keys }) => showPath(name, keys));
}

/** One error for all problems, of which there is at least one; `place` says where one is. */
export function problemsError(problems: readonly Problem[], place: (problem: Problem) => string): ConfigError {
  const [first = { keys: [], problem: 'unknown problem' }, ...rest] = problems.slice(0, MAX_TOLD);
  const lines = rest.map((problem) => `${place(problem)}: ${problem.problem}`);
  if (problems.length > MAX_TOLD) lines.push(`and ${problems.length - MAX_TOLD} more`);
  return new ConfigError(place(first), [first.problem, ...lines].join('\n'));
}

/** {@link parsePolicy} for callers that know better where things stand, as a file's lines. Never throws. */
export function checkPolicy(input: unknown): Checked {
  const { value, bad } = plainCopy(input);
  const result = safeParse(policyRule, value);
  const problems: Problem[] = [...bad];
  for (const issue of result.issues ?? []) {
    const path = (issue.path ?? []).map((item) => item.key as string | number);
    if (issue.type !== 'never') problems.push({ keys: written(value, path), problem: issue.message });
    else problems.push(unknownKey(path, problems.length < MAX_HINTED ? issue.message.split(' ') : []));
  }
  if (result.success && problems.length === 0)
    problems.push(
      ...backoffProblems(result.output),
      ...breakerProblems(result.output),
      ...throttleProblems(result.output),
      ...hedgingProblems(result.output),
      ...limitProblems(result.output),
      ...trafficProblems(result.output),
    );
  return result.success && problems.length === 0 ? { policy: result.output } : { problems: problems.map(withoutSecret) };
}

/** Metadata may be a credential, also what it is compared with. */
function withoutSecret(problem: Problem): Problem {
  const [value, index, list] = problem.keys.toReversed();
  if (list !== 'headers' || typeof index !== 'number' || !HIDDEN.has(String(value))) return problem;
  return { ...problem, problem: problem.problem.replace(/, got (?:"(?:[^"\\]|\\.)*"|[^:;]*)/s, ', got a value that is not shown') };
}

/** The part of a path that the user wrote: a shorthand has no fields. */
function written(root: unknown, path: readonly (string | number)[]): readonly (string | number)[] {
  let at: unknown = root;
  for (const [depth, key] of path.entries()) {
    if (typeof at !== 'object' || at === null) return path.slice(0, depth);
    at = Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined;
    if (at === undefined) return path;
  }
  return path;
}

/** `all` are the known keys, which the rule gives as its message; those with a dot belong one level deeper. */
function unknownKey(path: readonly (string | number)[], all: readonly string[]): Problem {
  const key = String(path[path.length - 1]);
  const here = all.filter((choice) => !choice.includes('.'));
  const meant = nearest(key, here) ?? all.find((choice) => choice.endsWith(`.${key}`)) ?? misplaced(path, key);
  const hint = meant === undefined ? `; known keys: ${here.join(', ')}` : `; did you mean ${meant.includes('[') ? meant : `"${meant}"`}?`;
  return { keys: path.slice(0, -1), problem: `unknown key ${quote(key)}${all.length === 0 ? '' : hint}`, unknown: [key] };
}

/** A method or service at the top of the document. */
function misplaced(path: readonly (string | number)[], key: string): string | undefined {
  if (path.length !== 1 || !/^[\w.]+[./]\w+$/.test(key)) return undefined;
  return `${key.includes('/') ? 'methods' : 'services'}[${quote(key)}]`;
}

/** A retry policy is merged from up to three layers; the result must make sense wherever its halves come from. */
function backoffProblems(policy: Policy): Problem[] {
  const problems: Problem[] = [];
  const services = policy.services ?? {};
  const check = (keys: readonly string[], own: MethodPolicy | undefined, wider: readonly (MethodPolicy | undefined)[]): void => {
    if (own?.retryPolicy?.initialBackoff === undefined && own?.retryPolicy?.maxBackoff === undefined) return;
    const merged: RetryPolicy = Object.assign({}, ...wider.map((layer) => layer?.retryPolicy), own.retryPolicy);
    const { initialBackoff, maxBackoff } = merged;
    if ((parseSeconds(initialBackoff) ?? 0) <= (parseSeconds(maxBackoff) ?? Number.POSITIVE_INFINITY)) return;
    const field = own.retryPolicy.initialBackoff === undefined ? 'maxBackoff' : 'initialBackoff';
    const rule = field === 'initialBackoff' ? `at most maxBackoff ("${maxBackoff}")` : `at least initialBackoff ("${initialBackoff}")`;
    problems.push({ keys: [...keys, 'retryPolicy', field], problem: `expected ${rule}, got "${merged[field]}"` });
  };
  check(['defaults'], policy.defaults, []);
  for (const [service, own] of Object.entries(services)) check(['services', service], own, [policy.defaults]);
  for (const [method, own] of Object.entries(policy.methods ?? {})) {
    const { service } = splitMethod(method);
    check(['methods', method], own, [policy.defaults, Object.hasOwn(services, service) ? services[service] : undefined]);
  }
  return problems;
}

/** The two kinds of budget have nothing in common. */
function throttleProblems({ retryBudget = {} }: Policy): Problem[] {
  const beside = retryBudget.throttle === undefined ? [] : Object.keys(retryBudget).filter((key) => key !== 'throttle');
  return beside.map((key) => ({ keys: ['retryBudget', key], problem: 'expected nothing beside throttle, which takes its place' }));
}
