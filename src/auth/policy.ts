/**
 * The authorization policy of gRFC A43: its types in JSON's form, and its checker.
 *
 * Strict where a mistake would let somebody in or keep everybody out: unknown keys, rules of one name and headers that no
 * rule can match are faults. What A43 and grpc-go accept beyond that is accepted.
 *
 * Source: gRFC A43 and A59; grpc-go authz/rbac_translator.go.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { quote, show } from '../input/show.ts';

/** Values of one header of the request: it matches if one of them does. */
export interface AuthorizationHeader {
  /** Any case. Not `host`, nothing hop-by-hop, nothing that begins with `:`, `grpc-` or `inmesh-`. */
  readonly key: string;
  /** Patterns, at least one. */
  readonly values: readonly string[];
}

/**
 * Whom and what a rule is about. Patterns are exact (`abc`), a prefix (`abc*`), a suffix (`*abc`), or `*`: anything but
 * nothing. A rule without `source` and `request` is about every call.
 */
export interface AuthorizationRule {
  /** For counts, audit and messages; one of its kind in its list. */
  readonly name: string;
  /** Unset or without principals: any peer. */
  readonly source?: {
    /** Patterns of identities in the client's certificate; `""` stands for TLS without one. Empty: any peer. */
    readonly principals?: readonly string[];
  };
  /** Unset: any request. What is set must all match. */
  readonly request?: {
    /** Patterns of `/pkg.Service/Method`, one of which must match. Empty: any. */
    readonly paths?: readonly string[];
    /** All of them must match. Empty: any. */
    readonly headers?: readonly AuthorizationHeader[];
  };
}

/** When audit loggers are told (gRFC A59). */
export type AuditCondition = 'NONE' | 'ON_DENY' | 'ON_ALLOW' | 'ON_DENY_AND_ALLOW';

/** One audit logger of a policy. */
export interface AuditLoggerConfig {
  /** `stdout_logger`, or a name in `auditLoggers`. */
  readonly name: string;
  /** Handed to the logger. Default `{}`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** `true`: left out where there is no logger of that name. Default `false`: then the policy is refused. */
  readonly is_optional?: boolean;
}

/** What is audited, and by whom. */
export interface AuditLoggingOptions {
  /** Default `NONE`. */
  readonly audit_condition?: AuditCondition;
  readonly audit_loggers?: readonly AuditLoggerConfig[];
}

/** Who may call what: deny rules first, then allow rules, and what neither names is denied. */
export interface AuthorizationPolicy {
  /** For audit and messages. */
  readonly name: string;
  readonly deny_rules?: readonly AuthorizationRule[];
  /** At least one. */
  readonly allow_rules: readonly AuthorizationRule[];
  readonly audit_logging_options?: AuditLoggingOptions;
}

/**
 * Checks a policy. The result is a copy.
 *
 * @param path - What places in messages begin with.
 * @throws ConfigError with the place, the rule, the value seen and the nearest right name.
 */
export function parseAuthorizationPolicy(input: unknown, path = 'policy'): AuthorizationPolicy {
  if (input === undefined) throw new ConfigError(path, 'expected an authorization policy, got nothing');
  const { deny_rules, ...given } = checkedObject(input, ['name', 'deny_rules', 'allow_rules', 'audit_logging_options'], path);
  const name = requiredText(given['name'], `${path}.name`);
  const allow = rules(given['allow_rules'], `${path}.allow_rules`);
  if (allow.length === 0)
    throw new ConfigError(`${path}.allow_rules`, `required: without one no call is allowed, got ${show(given['allow_rules'])}`);
  const audit = given['audit_logging_options'];
  return {
    name,
    ...(deny_rules === undefined ? {} : { deny_rules: rules(deny_rules, `${path}.deny_rules`) }),
    allow_rules: allow,
    ...(audit === undefined ? {} : { audit_logging_options: auditOptions(audit, `${path}.audit_logging_options`) }),
  };
}

function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw new ConfigError(path, `expected text, got ${show(value)}`);
  return value;
}

function requiredText(value: unknown, path: string): string {
  const given = text(value, path);
  if (given === '') throw new ConfigError(path, 'required, got ""');
  return given;
}

function list<T>(value: unknown, path: string, item: (value: unknown, path: string) => T): T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new ConfigError(path, `expected a list, got ${show(value)}`);
  return Array.from(value, (one: unknown, i) => item(one, `${path}[${i}]`));
}

function rules(value: unknown, path: string): AuthorizationRule[] {
  const all = list(value, path, rule);
  for (const [i, { name }] of all.entries()) {
    const first = all.findIndex((other) => other.name === name);
    if (first < i) throw new ConfigError(`${path}[${i}].name`, `expected a name of its own, got ${quote(name)}, which is rule ${first}`);
  }
  return all;
}

function required(value: unknown, known: readonly string[], path: string): Readonly<Record<string, unknown>> {
  if (value === undefined) throw new ConfigError(path, 'expected an object, got nothing');
  return checkedObject(value, known, path);
}

function rule(value: unknown, path: string): AuthorizationRule {
  const given = required(value, ['name', 'source', 'request'], path);
  const name = requiredText(given['name'], `${path}.name`);
  const source = checkedObject(given['source'], ['principals'], `${path}.source`);
  const request = checkedObject(given['request'], ['paths', 'headers'], `${path}.request`);
  return {
    name,
    source: { principals: list(source['principals'], `${path}.source.principals`, text) },
    request: {
      paths: list(request['paths'], `${path}.request.paths`, text),
      headers: list(request['headers'], `${path}.request.headers`, header),
    },
  };
}

/** HTTP's own, which a proxy on the way may change; A43 leaves them out. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Pseudo-headers, gRPC's own, and ours, which tell a call from an item. */
const RESERVED = /^(?::|grpc-|inmesh-)/;

function header(value: unknown, path: string): AuthorizationHeader {
  const given = required(value, ['key', 'values'], path);
  const key = requiredText(given['key'], `${path}.key`).toLowerCase();
  if (RESERVED.test(key) || HOP_BY_HOP.has(key)) {
    throw new ConfigError(`${path}.key`, `expected a header of the application, got ${quote(key)}, which is the transport's`);
  }
  if (!/^[0-9a-z_.-]+$/.test(key)) {
    throw new ConfigError(`${path}.key`, `expected letters, digits, "_", "-" and ".", got ${quote(key)}, which no call can have`);
  }
  const values = list(given['values'], `${path}.values`, text);
  if (values.length === 0) throw new ConfigError(`${path}.values`, `expected at least one value, got ${show(given['values'])}`);
  return { key, values };
}

const CONDITIONS: readonly AuditCondition[] = ['NONE', 'ON_DENY', 'ON_ALLOW', 'ON_DENY_AND_ALLOW'];

function auditOptions(value: unknown, path: string): AuditLoggingOptions {
  const given = checkedObject(value, ['audit_condition', 'audit_loggers'], path);
  const asked = given['audit_condition'];
  const condition = CONDITIONS.find((one) => one === asked);
  if (asked !== undefined && condition === undefined) {
    const meant = typeof asked === 'string' ? nearest(asked, CONDITIONS) : undefined;
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
    throw new ConfigError(`${path}.audit_condition`, `expected one of ${CONDITIONS.join(', ')}, got ${show(asked)}${hint}`);
  }
  return {
    audit_condition: condition ?? 'NONE',
    audit_loggers: list(given['audit_loggers'], `${path}.audit_loggers`, auditLogger),
  };
}

function auditLogger(value: unknown, path: string): AuditLoggerConfig {
  const given = required(value, ['name', 'config', 'is_optional'], path);
  const name = requiredText(given['name'], `${path}.name`);
  const { config = {}, is_optional = false } = given;
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigError(`${path}.config`, `expected an object, got ${show(config)}`);
  }
  if (typeof is_optional !== 'boolean') throw new ConfigError(`${path}.is_optional`, `expected true or false, got ${show(is_optional)}`);
  return { name, config: { ...config }, is_optional };
}
