/**
 * Policy that services declare in their own .proto files: the options of protos/inmesh/v1/options.proto, and the standard
 * `idempotency_level`.
 *
 * From descriptors (buf, protoc) everything can be read. proto-loader hands on the options of methods only, and only when it read
 * .proto text; those of services and files are lost, which no reader can mend.
 *
 * @packageDocumentation
 */
import type { Catalog, Idempotency, Method, OptionLevel } from '../batch/native/descriptors.ts';
import { WireError } from '../batch/wire.ts';
import { splitMethod } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { showPath } from '../input/show.ts';
import { policyOfBytes, policyOfObject } from './option-values.ts';
import { checkPolicy, problemsError } from './parse.ts';
import type { MethodPolicy, Policy } from './policy.gen.ts';

/** What one option says. */
export interface Declaration {
  /** `atlas.proto: option (inmesh.v1.method_policy) of atlas.v1.Atlas/GetPlace`. */
  readonly where: string;
  readonly says: MethodPolicy;
}

const LEVELS: readonly OptionLevel[] = ['method', 'service', 'file'];
const MARKED: MethodPolicy = Object.freeze({ idempotent: true });
const NOTHING: readonly Declaration[] = Object.freeze([]);

/** What files declare, by method. Checked when it is made. */
export class DeclaredPolicies {
  readonly #byPath = new Map<string, readonly Declaration[]>();

  /**
   * @param catalog - Undefined: nothing is known of any file.
   * @throws ConfigError naming file, option and method, with the value, the rule and the nearest right name.
   */
  constructor(catalog: Catalog | undefined) {
    for (const method of catalog?.methods ?? []) {
      const declarations = declarationsOf(method, catalog?.loaded(method.path));
      if (declarations.length > 0) this.#byPath.set(method.path, declarations);
    }
  }

  /** The most special first. @param path - `/pkg.Service/Method` */
  of(path: string): readonly Declaration[] {
    return this.#byPath.get(path) ?? NOTHING;
  }
  /** Methods of which something is declared. */
  get paths(): Iterable<string> {
    return this.#byPath.keys();
  }
}

/** The same as a function, for a {@link PolicyTable}. */
export function declaredBy(catalog: Catalog | undefined): (path: string) => readonly Declaration[] {
  const policies = new DeclaredPolicies(catalog);
  return (path) => policies.of(path);
}

function declarationsOf(method: Method, loaded: Readonly<Record<string, unknown>> | undefined): Declaration[] {
  const { service, method: name } = splitMethod(method.path);
  const full = `${service}/${name}`;
  const found: Declaration[] = [];
  for (const level of LEVELS) {
    const values = method.policy[level];
    const of = level === 'method' ? ` of ${full}` : level === 'service' ? ` of ${service}` : '';
    const where = `${method.file}: option (inmesh.v1.${level}_policy)${of}`;
    if (values.length > 0) found.push({ where, says: checked(read(values, where), level, full, where) });
    else if (level === 'method') found.push(...loadedPolicy(loaded, full));
    if (level === 'method') found.push(...marked(full, method.idempotency === 'unknown' ? levelOf(loaded) : method.idempotency));
  }
  return found;
}

function read(values: readonly Buffer[], where: string): unknown {
  try {
    return policyOfBytes(values);
  } catch (error) {
    if (error instanceof WireError) throw new ConfigError(where, `its bytes can't be read: ${error.message}`);
    throw error;
  }
}

/** The standard option counts as a mark; one of ours may say otherwise. */
function marked(full: string, level: Idempotency): readonly Declaration[] {
  return level === 'unknown' ? NOTHING : [{ where: `idempotency_level of ${full}`, says: MARKED }];
}

function levelOf(options: Readonly<Record<string, unknown>> = {}): Idempotency {
  const level = options['idempotency_level'];
  if (level === 'NO_SIDE_EFFECTS' || level === 1) return 'no_side_effects';
  return level === 'IDEMPOTENT' || level === 2 ? 'idempotent' : 'unknown';
}

const OPTION = '(inmesh.v1.method_policy)';

/** protobufjs keeps an option under its name in parentheses; a part of it that was set alone has the rest of the path behind it. */
function loadedPolicy(options: Readonly<Record<string, unknown>> = {}, full: string): readonly Declaration[] {
  const value = options[OPTION];
  if (value === undefined) return NOTHING;
  const where = `option ${OPTION} of ${full}`;
  return [{ where, says: checked(policyOfObject(value), 'method', full, where) }];
}

/** The document's own checker, where the option stands in the document. */
function checked(says: unknown, level: OptionLevel, full: string, where: string): MethodPolicy {
  const [service = ''] = full.split('/');
  const keys = level === 'method' ? ['methods', full] : level === 'service' ? ['services', service] : ['defaults'];
  const [at = '', name] = keys;
  const { policy, problems } = checkPolicy(name === undefined ? { [at]: says } : { [at]: { [name]: says } });
  if (problems !== undefined)
    throw problemsError(problems, (problem) => `${where}${showPath('', problem.keys.slice(keys.length)).replace(/^\.?/, ': ')}`);
  const said = saidIn(policy, level, full, service) ?? {};
  if (level !== 'method' && said.batch !== undefined)
    throw new ConfigError(`${where}: batch`, "a batch rule is one method's: it belongs into (inmesh.v1.method_policy)");
  return said;
}

function saidIn({ methods, services, defaults }: Policy, level: OptionLevel, full: string, service: string): MethodPolicy | undefined {
  if (level === 'file') return defaults;
  return level === 'method' ? methods?.[full] : services?.[service];
}
