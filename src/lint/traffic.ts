/**
 * Routes, mirrors and faults that were hardly meant.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { quote } from '../input/show.ts';
import type { CallMatch, Policy } from '../policy/policy.gen.ts';
import { fieldReader } from '../route/field.ts';
import type { Keys, LintContext, LintRule } from './context.ts';

/** IM160: nothing says which calls, nor how many. */
export const wideFaults: LintRule = ({ policy, report }) => {
  const lists = [
    [['faults'], policy.faults ?? []],
    [['server', 'faults'], policy.server?.faults ?? []],
  ] as const;
  for (const [keys, faults] of lists) {
    for (const [at, { match, percent = 100, abort }] of faults.entries()) {
      if (abort === undefined || percent < 100 || match?.methods !== undefined || match?.headers !== undefined) continue;
      report('IM160', [...keys, at], `every call of every method ends with ${abort}`, 'a percent, or match by methods or headers');
    }
  }
};

/** IM161: what a split is sticky by, or a match looks at, is no field of the request. */
export const requestFields: LintRule = (context) => {
  for (const [at, { match, key }] of (context.policy.routes ?? []).entries()) {
    if (key?.field !== undefined) checkField(context, match, key.field, ['routes', at, 'key', 'field']);
    for (const [index, { field }] of (match?.fields ?? []).entries())
      checkField(context, match, field, ['routes', at, 'match', 'fields', index, 'field']);
  }
};

function checkField({ catalog, report }: LintContext, match: CallMatch | undefined, field: string, keys: Keys): void {
  if (catalog === undefined) return;
  for (const method of match?.methods ?? []) {
    // A method that is not there has a finding of its own.
    if (catalog.method(`/${method}`) === undefined) continue;
    try {
      fieldReader(catalog, method, field, '');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      report('IM161', keys, error.message.replace(/^: /, ''));
      return;
    }
  }
}

/** IM162: the first route that matches decides, so none behind one that matches all is asked. */
export const lostRoutes: LintRule = ({ policy: { routes = [] }, report }) => {
  const everything = routes.findIndex(({ match = {} }) => empty(match.methods) && empty(match.headers) && empty(match.fields));
  if (everything === -1) return;
  for (const at of routes.keys())
    if (at > everything)
      report(
        'IM162',
        ['routes', at],
        `no call comes here: routes[${everything}] takes every call`,
        `put it in front of routes[${everything}]`,
      );
};

const empty = (list: readonly unknown[] | undefined): boolean => list === undefined || list.length === 0;

/** IM163: a target that nothing is sent to. */
export const lostClusters: LintRule = ({ policy, report }) => {
  const used = new Set(clustersOf(policy));
  for (const name of Object.keys(policy.clusters ?? {}))
    if (!used.has(name))
      report('IM163', ['clusters', name], `no route and no mirror sends calls to ${quote(name)}`, 'remove it, or name it');
};

function clustersOf({ routes = [], mirrors = [] }: Policy): (string | undefined)[] {
  return [
    ...routes.flatMap(({ cluster, split = [] }) => [cluster, ...split.map((share) => share.cluster)]),
    ...mirrors.map(({ cluster }) => cluster),
  ];
}
