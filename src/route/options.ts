/**
 * What a route may say, checked and ready to be asked.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import type { Random } from '../random.ts';
import { type FieldReader, fieldReader } from './field.ts';
import { CallMatcher, type CallMatchOptions, headerProblem } from './match.ts';
import { Split } from './split.ts';
import { VALUE_KEYS, type ValueOptions, type ValueTest, valueTest } from './value.ts';

/** One field of the request, as text; enums by number. */
export interface FieldOptions extends ValueOptions {
  /** Path from the request, `user.region`; no repeated field on the way. */
  readonly field: string;
}

/** Which calls a route is for. */
export interface RouteMatchOptions extends CallMatchOptions {
  /** All of them. Needs descriptors, and `methods`. @defaultValue none */
  readonly fields?: readonly FieldOptions[];
}

/** What tells calls apart for a split: one of them. */
export interface SplitKeyOptions {
  /** Value of a metadata key. */
  readonly header?: string;
  /** Whom the call is for. */
  readonly tenant?: boolean;
  /** Field of the request. Needs descriptors, and `methods` in the match. */
  readonly field?: string;
}

/** Where some calls go: to `cluster`, to one of `split`, or, with neither, to the client's own target. */
export interface RouteOptions {
  /** @defaultValue every call */
  readonly match?: RouteMatchOptions;
  readonly cluster?: string;
  /** Clusters with their shares; without a name it is the client's own target. At least one weight is above 0. */
  readonly split?: readonly { readonly cluster?: string; readonly weight: number }[];
  /** Calls with the same key go to the same cluster. @defaultValue by chance */
  readonly key?: SplitKeyOptions;
}

/** A field of one method's request. */
export interface FieldTest {
  readonly read: FieldReader;
  readonly holds: ValueTest;
}

/** A route, ready to be asked. */
export interface RouteRule {
  readonly matcher: CallMatcher;
  /** By method, `pkg.Service/Method`. */
  readonly fields: ReadonlyMap<string, readonly FieldTest[]>;
  /** A cluster ('': the client's own target), or several. */
  readonly to: string | Split;
  readonly keyHeader: string | undefined;
  readonly keyTenant: boolean;
  /** By method. */
  readonly keyFields: ReadonlyMap<string, FieldReader>;
}

/** What routes are checked against. */
export interface RouteSurroundings {
  /** Names of the clusters that there are. */
  readonly clusters: readonly string[];
  /** Undefined: no descriptors were given. `unseen`: nobody knows whether there will be any, so what needs them is not looked at. */
  readonly catalog: Catalog | 'unseen' | undefined;
  readonly random: Random;
}

const KEYS = ['match', 'cluster', 'split', 'key'] as const satisfies readonly (keyof RouteOptions)[];
const MATCH_KEYS = ['methods', 'headers', 'fields'] as const satisfies readonly (keyof RouteMatchOptions)[];
const SHARE_KEYS = ['cluster', 'weight'];
const SPLIT_KEYS = ['header', 'tenant', 'field'] as const satisfies readonly (keyof SplitKeyOptions)[];
const MAX_WEIGHT = 1_000_000;

/** @throws ConfigError naming `path`, the value and the rule. */
export function resolveRoute(options: RouteOptions, { clusters, catalog, random }: RouteSurroundings, path: string): RouteRule {
  checkedObject(options, KEYS, path);
  const { match = {}, cluster, split, key } = options;
  checkedObject(match, MATCH_KEYS, `${path}.match`);
  if (cluster !== undefined && split !== undefined) throw new ConfigError(path, 'expected cluster or split, got both');
  if (key !== undefined && split === undefined) throw new ConfigError(`${path}.key`, 'expected only with split, which it belongs to');
  if (cluster !== undefined) checkCluster(cluster, clusters, `${path}.cluster`);
  const methods = match.methods ?? [];
  const { fields: tests = [] } = match;
  if (!Array.isArray(tests)) throw new ConfigError(`${path}.match.fields`, `expected a list of fields, got ${show(tests)}`);
  const fields = new Map<string, FieldTest[]>();
  tests.forEach((test: FieldOptions, index) => {
    const place = `${path}.match.fields[${index}]`;
    const { field, ...value } = checkedObject(test, ['field', ...VALUE_KEYS], place);
    const holds = valueTest(value, place);
    for (const [method, read] of readersOf(field, methods, catalog, `${place}.field`))
      fields.set(method, [...(fields.get(method) ?? []), { read, holds }]);
  });
  const { header, tenant = false, field } = checkedKey(key, `${path}.key`);
  return {
    matcher: new CallMatcher(match, `${path}.match`),
    fields,
    to: split === undefined ? (cluster ?? '') : splitOf(split, clusters, random, `${path}.split`),
    keyHeader: header,
    keyTenant: tenant,
    keyFields: field === undefined ? new Map() : readersOf(field, methods, catalog, `${path}.key.field`),
  };
}

/** @throws ConfigError with the nearest name. */
export function checkCluster(cluster: unknown, clusters: readonly string[], path: string): string {
  if (typeof cluster === 'string' && clusters.includes(cluster)) return cluster;
  const meant = typeof cluster === 'string' ? nearest(cluster, clusters) : undefined;
  const known = clusters.length === 0 ? 'there are none under clusters' : `known are ${clusters.join(', ')}`;
  throw new ConfigError(path, `no such cluster: ${show(cluster)}; ${meant === undefined ? known : `did you mean "${meant}"?`}`);
}

function splitOf(shares: NonNullable<RouteOptions['split']>, clusters: readonly string[], random: Random, path: string): Split {
  if (!Array.isArray(shares) || shares.length === 0)
    throw new ConfigError(path, `expected a list of clusters with weights, got ${show(shares)}`);
  const seen = new Set<string>();
  const resolved = shares.map((share: unknown, index) => {
    const place = `${path}[${index}]`;
    const { cluster, weight } = checkedObject(share, SHARE_KEYS, place);
    const name = cluster === undefined ? '' : checkCluster(cluster, clusters, `${place}.cluster`);
    if (seen.has(name))
      throw new ConfigError(place, `expected each cluster once, got ${name === '' ? "the client's own target" : show(name)} again`);
    seen.add(name);
    if (weight === undefined) throw new ConfigError(`${place}.weight`, 'required, but not given');
    return { cluster: name, weight: checkedNumber(weight, 0, { min: 0, max: MAX_WEIGHT }, `${place}.weight`) };
  });
  if (resolved.every(({ weight }) => weight === 0)) throw new ConfigError(path, 'expected a weight above 0, got none');
  return new Split(resolved, random);
}

function checkedKey(key: SplitKeyOptions | undefined, path: string): SplitKeyOptions {
  if (key === undefined) return {};
  const { header, tenant, field } = checkedObject(key, SPLIT_KEYS, path);
  const given = [header, tenant === false ? undefined : tenant, field].filter((value) => value !== undefined);
  if (given.length !== 1)
    throw new ConfigError(path, `expected one of header, tenant and field, got ${given.length === 0 ? 'none' : 'several'}`);
  if (header !== undefined) {
    const problem = headerProblem(header);
    if (problem !== undefined) throw new ConfigError(`${path}.header`, problem);
  }
  if (tenant !== undefined && typeof tenant !== 'boolean')
    throw new ConfigError(`${path}.tenant`, `expected true or false, got ${show(tenant)}`);
  return key;
}

function readersOf(
  field: unknown,
  methods: readonly string[],
  catalog: RouteSurroundings['catalog'],
  path: string,
): Map<string, FieldReader> {
  if (typeof field !== 'string' || field === '') throw new ConfigError(path, `expected a field such as "user.id", got ${show(field)}`);
  if (methods.length === 0) throw new ConfigError(path, 'expected match.methods beside it, for a field belongs to a request');
  if (catalog === undefined)
    throw new ConfigError(
      path,
      'expected descriptors, to find the field: createMesh(policy, { descriptors: readFileSync("image.binpb") }), or what proto-loader gave',
    );
  return new Map(
    methods.flatMap((method) => {
      if (!method.includes('/'))
        throw new ConfigError(path, `expected methods in match.methods, got the service ${show(method)}: a field belongs to one request`);
      return catalog === 'unseen' ? [] : [[method, fieldReader(catalog, method, field, path)]];
    }),
  );
}
