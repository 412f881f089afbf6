/**
 * Names in the policy against those of the .proto files.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { splitMethod } from '../call.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import type { MethodPolicy } from '../policy/policy.gen.ts';
import { type Keys, type LintContext, type LintRule, streams } from './context.ts';

interface Known {
  readonly services: ReadonlyMap<string, readonly string[]>;
}

function knownBy(catalog: Catalog): Known {
  const services = new Map<string, string[]>();
  for (const { path } of catalog.methods) {
    const { service, method } = splitMethod(path);
    services.set(service, [...(services.get(service) ?? []), method]);
  }
  return { services };
}

/** IM110, IM111: what nobody declares. */
export const unknownNames: LintRule = (context) => {
  const { catalog, policy } = context;
  if (catalog === undefined) return;
  const known = knownBy(catalog);
  const { services = {}, methods = {}, coalesce, server, routes = [], mirrors = [], faults = [] } = policy;
  for (const name of Object.keys(services)) checkName(context, known, name, ['services', name]);
  for (const name of Object.keys(methods)) checkName(context, known, name, ['methods', name]);
  const lists: readonly (readonly [Keys, readonly string[] | undefined])[] = [
    [['coalesce', 'methods'], typeof coalesce === 'object' ? coalesce.methods : undefined],
    ...routes.map(({ match }, at) => [['routes', at, 'match', 'methods'], match?.methods] as const),
    ...mirrors.map(({ match }, at) => [['mirrors', at, 'match', 'methods'], match?.methods] as const),
    ...faults.map(({ match }, at) => [['faults', at, 'match', 'methods'], match?.methods] as const),
    ...(server?.faults ?? []).map(({ match }, at) => [['server', 'faults', at, 'match', 'methods'], match?.methods] as const),
  ];
  for (const [keys, names = []] of lists) names.forEach((name, at) => void checkName(context, known, name, [...keys, at]));
  for (const field of ['methodBulkheads', 'methodTimeouts'] as const)
    for (const name of Object.keys(server?.[field] ?? {})) checkName(context, known, name, ['server', field, name]);
  for (const [name, { fallback }] of Object.entries(methods))
    if (fallback?.method !== undefined) checkName(context, known, fallback.method, ['methods', name, 'fallback', 'method']);
};

/** The health and reflection services are served without a file of the project's own. */
const WELL_KNOWN = /^grpc\.(?:health|reflection|channelz)\./;

function checkName(context: LintContext, { services }: Known, name: string, keys: Keys): void {
  const [service = '', method] = name.split('/');
  if (WELL_KNOWN.test(service)) return;
  const methods = services.get(service);
  if (methods === undefined) {
    const meant = nearestService(service, [...services.keys()]);
    const whole =
      meant === undefined ? undefined : method === undefined ? meant : `${meant}/${nearest(method, services.get(meant) ?? []) ?? method}`;
    const there = services.size === 0 ? 'they have none' : `they have ${[...services.keys()].slice(0, 5).join(', ')}`;
    context.report('IM110', keys, `no service ${quote(service)} in the .proto files (${there})`, whole && `did you mean ${quote(whole)}?`);
    return;
  }
  if (method === undefined || methods.includes(method)) return;
  const meant = nearest(method, methods);
  const there = `it has ${methods.slice(0, 8).join(', ')}`;
  context.report(
    'IM111',
    keys,
    `${service} has no method ${quote(method)} (${there})`,
    meant && `did you mean ${quote(`${service}/${meant}`)}?`,
  );
}

/** A wrong package is as common as a wrong letter: then the last part of the name decides. */
function nearestService(service: string, services: readonly string[]): string | undefined {
  const last = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
  return nearest(service, services) ?? services.find((one) => last(one) === last(service));
}

const UNARY_ONLY = ['hedgingPolicy', 'cache', 'batch', 'coalesce', 'fallback'] as const satisfies readonly (keyof MethodPolicy)[];

/** IM112: what streams pass by. */
export const streamSettings: LintRule = (context) => {
  const { catalog, policy } = context;
  for (const [name, own] of Object.entries(policy.methods ?? {})) {
    if (!streams(catalog?.method(`/${name}`))) continue;
    const unused = UNARY_ONLY.filter((field) => own[field] !== undefined && own[field] !== 'never');
    for (const field of unused)
      context.report(
        'IM112',
        ['methods', name, field],
        `${field} holds for unary calls, and ${name} streams: it does nothing here`,
        `remove ${field}`,
      );
    if (own.retryPolicy?.perTryTimeout !== undefined)
      context.report(
        'IM112',
        ['methods', name, 'retryPolicy', 'perTryTimeout'],
        `perTryTimeout holds for unary calls, and ${name} streams`,
        'remove perTryTimeout',
      );
  }
};
