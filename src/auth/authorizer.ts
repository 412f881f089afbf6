/**
 * The engine of gRFC A43: a checked policy, compiled, decides on one request.
 *
 * Deny rules first, then allow rules; what no rule names is denied. Patterns as in grpc-go's authz/rbac_translator.go and
 * internal/xds/rbac: a pattern that ends in `*` is a prefix even if it begins with one.
 *
 * @packageDocumentation
 */
import type { AuthorizationHeader, AuthorizationPolicy, AuthorizationRule } from './policy.ts';

/** What a decision may ask of a request. Each is asked only if a rule needs it. */
export interface AuthorizationRequest {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  /** Values of a header, as bytes for a `-bin` key; empty when it is absent. */
  values(key: string): readonly (string | Uint8Array)[];
  /**
   * Who calls: none without TLS, `""` with TLS and without a client certificate, else the names in the certificate.
   * Undefined: no certificate, and whether there is TLS is not known.
   */
  principals(): readonly string[] | undefined;
}

/** A decision, and the rule that made it; no rule: none matched, and so the request is denied. */
export interface Verdict {
  readonly allowed: boolean;
  readonly rule: string | undefined;
}

type Matches = (value: string) => boolean;

/** True for what one of the patterns matches. */
export function anyOf(patterns: readonly string[]): Matches {
  const exact = new Set<string>();
  const others: Matches[] = [];
  for (const pattern of patterns) {
    if (pattern === '*') others.push((value) => value !== '');
    else if (pattern.endsWith('*')) {
      const prefix = pattern.slice(0, -1);
      others.push((value) => value.startsWith(prefix));
    } else if (pattern.startsWith('*')) {
      const suffix = pattern.slice(1);
      others.push((value) => value.endsWith(suffix));
    } else exact.add(pattern);
  }
  return (value) => exact.has(value) || others.some((matches) => matches(value));
}

const NOT_PADDED = /=+$/;
const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64');

/**
 * A header's values as the one text that patterns are matched with, in each form that means the same.
 *
 * A43 joins by a comma. Node joins what came over HTTP/2 by comma and space, so that nobody can tell that from one value with
 * both in it: both forms are tried. Bytes are base64 (A41), with and without padding.
 */
export function headerForms(values: readonly (string | Uint8Array)[]): readonly string[] {
  if (values.some((value) => typeof value !== 'string')) {
    const padded = values.map(base64);
    const bare = padded.map((value) => value.replace(NOT_PADDED, ''));
    return [padded.join(','), bare.join(',')];
  }
  const joined = values.length === 1 ? String(values[0]) : values.join(', ');
  return joined.includes(', ') ? [joined, joined.replaceAll(', ', ',')] : [joined];
}

/** `unsure`: what a principal that is not known counts as. Against the caller: a match for deny, none for allow. */
type CompiledRule = (request: AuthorizationRequest, unsure: boolean) => boolean;

function compile({ source, request }: AuthorizationRule): CompiledRule {
  const { principals = [] } = source ?? {};
  const { paths = [], headers = [] } = request ?? {};
  const path = anyOf(paths);
  const conditions = headers.map(compileHeader);
  const principal = anyOf(principals);
  return (request, unsure) => {
    if (paths.length > 0 && !path(request.path)) return false;
    for (const condition of conditions) if (!condition(request)) return false;
    if (principals.length === 0) return true;
    const names = request.principals();
    return names === undefined ? unsure && principal('') : names.some(principal);
  };
}

function compileHeader({ key, values }: AuthorizationHeader): (request: AuthorizationRequest) => boolean {
  const matches = anyOf(values);
  return (request) => {
    const given = request.values(key);
    return given.length > 0 && headerForms(given).some(matches);
  };
}

/** No rule matched. */
export const UNMATCHED: Verdict = { allowed: false, rule: undefined };

/** A policy, ready to decide. */
export class Authorizer {
  readonly policy: AuthorizationPolicy;
  readonly #rules: readonly { readonly matches: CompiledRule; readonly verdict: Verdict }[];

  /** @param policy - As `parseAuthorizationPolicy` gives it. */
  constructor(policy: AuthorizationPolicy) {
    this.policy = policy;
    const compiled = (allowed: boolean, rules: readonly AuthorizationRule[]) =>
      rules.map((rule) => ({ matches: compile(rule), verdict: { allowed, rule: rule.name } }));
    this.#rules = [...compiled(false, policy.deny_rules ?? []), ...compiled(true, policy.allow_rules)];
  }

  /** The verdict of the first deny rule that matches, else of the first allow rule. */
  decide(request: AuthorizationRequest): Verdict {
    for (const { matches, verdict } of this.#rules) if (matches(request, !verdict.allowed)) return verdict;
    return UNMATCHED;
  }
}
