/**
 * The verdict of the compiled policy is that of the naive reading of gRFC A43, on every policy and request.
 */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Authorizer } from '../../src/auth/authorizer.ts';
import { type AuthorizationPolicy, type AuthorizationRule, parseAuthorizationPolicy } from '../../src/auth/policy.ts';

vi.setConfig({ testTimeout: 120_000 });

interface Request {
  readonly path: string;
  readonly headers: Readonly<Record<string, string[]>>;
  /** Undefined: plaintext. */
  readonly principals: readonly string[] | undefined;
}

/** A43's words, one after the other, as regular expressions. */
function naiveMatch(pattern: string, value: string): boolean {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (pattern === '*') return /^.+$/.test(value);
  if (/\*$/.test(pattern)) return new RegExp(`^${literal(pattern.slice(0, -1))}`).test(value);
  if (/^\*/.test(pattern)) return new RegExp(`${literal(pattern.slice(1))}$`).test(value);
  return new RegExp(`^${literal(pattern)}$`).test(value);
}

function naiveRule({ source, request }: AuthorizationRule, call: Request): boolean {
  const or = (patterns: readonly string[], values: readonly string[]): boolean =>
    patterns.length === 0 || values.some((value) => patterns.filter((pattern) => naiveMatch(pattern, value)).length > 0);
  if (!or(source?.principals ?? [], call.principals ?? [])) return false;
  if (!or(request?.paths ?? [], [call.path])) return false;
  for (const { key, values } of request?.headers ?? []) {
    const given = call.headers[key.toLowerCase()];
    if (given === undefined || !or(values, [given.join(',')])) return false;
  }
  return true;
}

function naive(policy: AuthorizationPolicy, call: Request): boolean {
  const denied = (policy.deny_rules ?? []).map((rule) => naiveRule(rule, call));
  const allowed = policy.allow_rules.map((rule) => naiveRule(rule, call));
  return !denied.includes(true) && allowed.includes(true);
}

// Few letters, so that patterns and values meet.
const word = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', ','), maxLength: 4 });
const plain = fc.string({ unit: fc.constantFrom('a', 'b', '/', ','), maxLength: 4 });
const key = fc.constantFrom('k', 'K2', 'k3');
const body = fc.record(
  {
    source: fc.record({ principals: fc.array(word, { maxLength: 3 }) }, { requiredKeys: [] }),
    request: fc.record(
      {
        paths: fc.array(word, { maxLength: 3 }),
        headers: fc.array(fc.record({ key, values: fc.array(word, { minLength: 1, maxLength: 3 }) }), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const named = (minLength: number): fc.Arbitrary<AuthorizationRule[]> =>
  fc.array(body, { minLength, maxLength: 3 }).map((all) => all.map((one, i) => ({ name: `r${i}`, ...one })));
const policy: fc.Arbitrary<AuthorizationPolicy> = fc.record({ name: fc.constant('p'), deny_rules: named(0), allow_rules: named(1) });
const request: fc.Arbitrary<Request> = fc.record({
  path: plain,
  headers: fc.dictionary(fc.constantFrom('k', 'k2', 'k3'), fc.array(plain, { minLength: 1, maxLength: 3 }), { noNullPrototype: true }),
  principals: fc.option(fc.array(plain, { minLength: 1, maxLength: 3 }), { nil: undefined }),
});

test('every verdict is that of the naive reading (Q10)', () => {
  const seen = new Map<boolean, number>();
  fc.assert(
    fc.property(policy, request, (document, call) => {
      const authorizer = new Authorizer(parseAuthorizationPolicy(JSON.parse(JSON.stringify(document))));
      const verdict = authorizer.decide({
        path: call.path,
        values: (name) => call.headers[name] ?? [],
        principals: () => call.principals ?? [],
      });
      expect(verdict.allowed).toBe(naive(document, call));
      if (!verdict.allowed && verdict.rule === undefined) expect(document.deny_rules?.some((rule) => naiveRule(rule, call))).toBe(false);
      seen.set(verdict.allowed, (seen.get(verdict.allowed) ?? 0) + 1);
    }),
    { numRuns: 20_000 },
  );
  // The law says something of both.
  expect(Math.min(seen.get(true) ?? 0, seen.get(false) ?? 0)).toBeGreaterThan(2000);
});
