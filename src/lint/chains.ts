/**
 * Several policies of one repository, one a service: who calls whom, and what that makes of load and time in an outage.
 *
 * Who calls is told by the names under services, methods, coalesce.methods, routes and mirrors; who serves by those of
 * server.methodBulkheads, server.methodTimeouts and server.faults, and by a comment, `# inmesh-lint: serves shop.v1.Cart`.
 *
 * @packageDocumentation
 */
import type { Policy } from '../policy/policy.gen.ts';
import type { PolicyTable } from '../policy/resolve.ts';
import type { Finding, LintCode } from './codes.ts';
import type { Keys } from './context.ts';

/** A policy among others. */
export interface ChainLink {
  readonly file: string;
  readonly text: string;
  readonly policy: Policy;
  readonly table: PolicyTable;
  report(code: LintCode, keys: Keys, message: string, fix?: string): Finding;
}

/** One service that a file calls. */
interface Hop {
  readonly from: ChainLink;
  readonly service: string;
  /** Undefined: none of the files serves it. */
  readonly to: ChainLink | undefined;
}

/** More services in a row do not call each other in one call. */
const MAX_HOPS = 8;
/** As for a single hop (IM130). */
const MOST_LOAD = 2;

const SERVES = /#\s*inmesh-lint:\s*serves[ \t]+([\w., \t-]+)$/gm;

/** IM134, IM145. */
export function lintChains(links: readonly ChainLink[]): Finding[] {
  const servedBy = new Map(links.flatMap((link) => servedNames(link).map((service) => [service, link] as const)));
  const hops = new Map(
    links.map((from) => [
      from,
      calledNames(from.policy)
        .map((service): Hop => ({ from, service, to: servedBy.get(service) }))
        .filter(({ to }) => to !== from),
    ]),
  );
  const findings: Finding[] = [];
  for (const from of links) findings.push(...loads([], from, hops));
  for (const outer of [...hops.values()].flat()) for (const inner of hopsOf(outer.to, hops)) findings.push(...times(outer, inner));
  return findings;
}

type Hops = ReadonlyMap<ChainLink, readonly Hop[]>;

const hopsOf = (link: ChainLink | undefined, hops: Hops): readonly Hop[] => (link && hops.get(link)) ?? [];

function servedNames({ text, policy: { server = {} } }: ChainLink): string[] {
  const said = [...text.matchAll(SERVES)].flatMap(([, names = '']) => names.split(/[\s,]+/));
  const named = [
    ...Object.keys(server.methodBulkheads ?? {}),
    ...Object.keys(server.methodTimeouts ?? {}),
    ...(server.faults ?? []).flatMap(({ match }) => match?.methods ?? []),
  ];
  return unique([...said, ...named.map(serviceOf)]);
}

function calledNames({ services = {}, methods = {}, coalesce, routes = [], mirrors = [] }: Policy): string[] {
  return unique([
    ...Object.keys(services),
    ...[
      ...Object.keys(methods),
      ...(typeof coalesce === 'object' ? (coalesce.methods ?? []) : []),
      ...[...routes, ...mirrors].flatMap(({ match }) => match?.methods ?? []),
    ].map(serviceOf),
  ]);
}

const serviceOf = (name: string): string => name.split('/')[0] ?? name;
const unique = (names: readonly string[]): string[] => [...new Set(names)].filter((name) => name !== '');

/** What each call may become on one hop, by the method that may be sent most often, and whether that holds for what is a retry itself. */
function factorOf({ from, service }: Hop): { readonly load: number; readonly multiplies: boolean } {
  const { retryBudget } = from.table;
  const paid = retryBudget.throttle === undefined ? 1 + retryBudget.ratio : 1;
  const rules = pathsOf(from.policy, service).map((path) => from.table.method(path));
  const attempts = Math.max(...rules.map(({ hedge, retry }) => hedge?.maxAttempts ?? retry.maxAttempts));
  return { load: Math.min(attempts, paid), multiplies: rules.some(({ retry }) => !retry.chainStop) };
}

/** The service's methods that are named, and one that is not. */
function pathsOf(policy: Policy, service: string): string[] {
  const named = Object.keys(policy.methods ?? {}).filter((name) => serviceOf(name) === service);
  return [`/${service}/-`, ...named.map((name) => `/${name}`)];
}

/** Follows each chain until its load is too much, and tells that once, at the hop that makes it so. */
function loads(chain: readonly Hop[], from: ChainLink | undefined, hops: Hops): Finding[] {
  return hopsOf(from, hops).flatMap((hop) => {
    const longer = [...chain, hop];
    if (longer.length > MAX_HOPS || chain.some((before) => before.from === hop.to)) return [];
    const factors = longer.map(factorOf);
    const load = loadOf(factors);
    // One hop that is too much by itself is IM130.
    if (load <= MOST_LOAD || factors.some((factor) => factor.load > MOST_LOAD)) return loads(longer, hop.to, hops);
    const each = factors.map((factor) => factor.load.toFixed(1)).join(', ');
    return [
      hop.from.report(
        'IM134',
        placeOf(hop.from.policy, hop.service, ['retryBudget', 'ratio']),
        `${[...longer.map((one) => one.from.file), hop.service].join(' -> ')}: in an outage there ${load.toFixed(1)} times the load (hop by hop ${each})`,
        'smaller retryBudget.ratio on the way; leave chainStop out, so that retries are not retried',
      ),
    ];
  });
}

/** Calls at the end of a chain for one at its beginning. With chainStop what serves a retry is not retried, so retries add up. */
function loadOf(factors: readonly { readonly load: number; readonly multiplies: boolean }[]): number {
  let again = 0;
  for (const { load, multiplies } of factors) again = (multiplies ? again * load : again) + load - 1;
  return 1 + again;
}

/** A callee that gives its own calls longer than it is given. */
function times(outer: Hop, inner: Hop): Finding[] {
  const given = shortest(outer);
  const longest = Math.max(0, ...pathsOf(inner.from.policy, inner.service).map((path) => inner.from.table.method(path).timeoutMs ?? 0));
  if (given === undefined || longest <= given) return [];
  const cut = inner.from.table.deadline.propagate ? 'it never gets them' : 'it goes on for nobody';
  return [
    inner.from.report(
      'IM145',
      placeOf(inner.from.policy, inner.service, ['defaults', 'timeout']),
      `calls of ${inner.service} may take ${longest / 1000}s, and ${outer.from.file} waits ${given / 1000}s for ${outer.service}: ${cut}`,
      `a timeout below ${given / 1000}s here, or a longer one in ${outer.from.file}`,
    ),
  ];
}

function shortest({ from, service }: Hop): number | undefined {
  const all = pathsOf(from.policy, service).flatMap((path) => from.table.method(path).timeoutMs ?? []);
  return all.length === 0 ? undefined : Math.min(...all);
}

/** Where to point: at what holds for the mesh, if the document says it, else at the service. */
function placeOf(policy: Policy, service: string, preferred: readonly [keyof Policy, string]): Keys {
  const [section, field] = preferred;
  const message = policy[section];
  if (typeof message === 'object' && Object.hasOwn(message, field)) return preferred;
  if (policy.services?.[service] !== undefined) return ['services', service];
  const method = Object.keys(policy.methods ?? {}).find((name) => serviceOf(name) === service);
  return method === undefined ? [] : ['methods', method];
}
