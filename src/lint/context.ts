/**
 * What a lint rule sees: the policy, who declares what, and a place to tell.
 *
 * @packageDocumentation
 */
import type { Catalog, Method } from '../batch/native/descriptors.ts';
import type { MethodPolicy, Policy } from '../policy/policy.gen.ts';
import type { PolicyTable } from '../policy/resolve.ts';
import type { LintCode } from './codes.ts';

/** Keys from the root of the document. */
export type Keys = readonly (string | number)[];

/** A part of the document, or an option of a .proto file, that holds for methods. */
export interface Layer {
  /** Of the document; of an option they begin with a marker. */
  readonly keys: Keys;
  readonly kind: 'defaults' | 'services' | 'methods';
  /** Of the service or method; empty for the defaults. */
  readonly name: string;
  readonly own: MethodPolicy;
  /** A path for which just this layer and wider ones speak: a method that nobody names. */
  readonly path: string;
}

/** What rules work with. */
export interface LintContext {
  readonly policy: Policy;
  readonly table: PolicyTable;
  /** Undefined: nobody gave .proto files or descriptors. */
  readonly catalog: Catalog | undefined;
  /** Of the document, then of the .proto files. */
  readonly layers: readonly Layer[];
  /** Keys of what an error names as its place. */
  keysOf(path: string): Keys;
  report(code: LintCode, keys: Keys, message: string, fix?: string): void;
}

/** A rule looks, and reports. */
export type LintRule = (context: LintContext) => void;

/** No method has this name: what is resolved for it is what holds for all that are not named. */
const NOBODY = '-';

/** The layers of a document. */
export function layersOf({ defaults, services = {}, methods = {} }: Policy): Layer[] {
  const layers: Layer[] = [];
  if (defaults !== undefined) layers.push({ keys: ['defaults'], kind: 'defaults', name: '', own: defaults, path: `/${NOBODY}/${NOBODY}` });
  for (const [name, own] of Object.entries(services))
    layers.push({ keys: ['services', name], kind: 'services', name, own, path: `/${name}/${NOBODY}` });
  for (const [name, own] of Object.entries(methods)) layers.push({ keys: ['methods', name], kind: 'methods', name, own, path: `/${name}` });
  return layers;
}

/** Methods that are known to be under a layer, by the catalog and by the document, as `/pkg.Service/Method`. */
export function covered({ policy, catalog }: LintContext, { kind, name, path }: Layer): string[] {
  if (kind === 'methods') return [path];
  const known = new Set(Object.keys(policy.methods ?? {}).map((method) => `/${method}`));
  for (const method of catalog?.methods ?? []) known.add(method.path);
  return [...known].filter((one) => kind === 'defaults' || one.startsWith(`/${name}/`));
}

/** True when the method is declared, and streams one way or the other. */
export function streams(method: Method | undefined): boolean {
  return method !== undefined && (method.clientStreaming || method.serverStreaming);
}
