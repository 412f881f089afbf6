import { describe, expect, test } from 'vitest';
import { type AuthorizationRequest, Authorizer, anyOf, headerForms } from '../../../src/auth/authorizer.ts';
import type { AuthorizationRule } from '../../../src/auth/policy.ts';

const request = (more: Partial<AuthorizationRequest> = {}): AuthorizationRequest => ({
  path: '/a.B/C',
  values: () => [],
  principals: () => [],
  ...more,
});
const decide = (allow: readonly AuthorizationRule[], deny: readonly AuthorizationRule[], more?: Partial<AuthorizationRequest>): string => {
  const { allowed, rule } = new Authorizer({ name: 'p', allow_rules: allow, deny_rules: deny }).decide(request(more));
  return `${allowed ? 'allow' : 'deny'}: ${rule ?? 'none'}`;
};

describe('patterns (Q10)', () => {
  test.each([
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['abc', 'ABC', false],
    ['abc*', 'abc', true],
    ['abc*', 'abcd', true],
    ['abc*', 'xabc', false],
    ['*abc', 'abc', true],
    ['*abc', 'xabc', true],
    ['*abc', 'abcx', false],
    ['*', 'a', true],
    ['*', '', false],
    ['', '', true],
    ['', 'a', false],
    // A star in the middle is a star; one at both ends is a prefix that begins with a star, as in grpc-go.
    ['a*c', 'abc', false],
    ['a*c', 'a*c', true],
    ['*b*', 'abc', false],
    ['*b*', '*bc', true],
    ['**', 'a', false],
    ['**', '*a', true],
  ])('%s and %s: %s', (pattern, value, matches) => {
    expect(anyOf([pattern])(value)).toBe(matches);
    expect(anyOf(['no', 'no*', '*no', pattern])(value)).toBe(matches);
  });
});

describe('header values (Q10)', () => {
  test.each([
    [['a'], ['a']],
    [[''], ['']],
    [
      ['a', 'b'],
      ['a, b', 'a,b'],
    ],
    [['a, b'], ['a, b', 'a,b']],
    [['a,b'], ['a,b']],
    [[Buffer.from([255])], ['/w==', '/w']],
    [
      [Buffer.from('a'), Buffer.from('')],
      ['YQ==,', 'YQ,'],
    ],
  ])('%o are matched as %o', (values, forms) => {
    expect(headerForms(values)).toEqual(forms);
  });
  const keyed: AuthorizationRule = { name: 'keyed', request: { headers: [{ key: 'k', values: ['a,b', ''] }] } };
  test.each([
    [['a', 'b'], 'allow: keyed'],
    [['a, b'], 'allow: keyed'],
    [['b', 'a'], 'deny: none'],
    [['a'], 'deny: none'],
    [[''], 'allow: keyed'],
    [[], 'deny: none'],
  ])('%o: %s', (values, verdict) => {
    expect(decide([keyed], [], { values: (key) => (key === 'k' ? values : []) })).toBe(verdict);
  });
});

describe('a decision', () => {
  const all = { name: 'all' };
  test.each([
    ['deny before allow', [all], [all], 'deny: all'],
    [
      'an allow rule that matches',
      [{ name: 'no', request: { paths: ['/x'] } }, all],
      [{ name: 'no', request: { paths: ['/x'] } }],
      'allow: all',
    ],
    ['no rule that matches', [{ name: 'no', request: { paths: ['/x'] } }], [], 'deny: none'],
    [
      'empty lists match everything',
      [{ name: 'empty', source: { principals: [] }, request: { paths: [], headers: [] } }],
      [],
      'allow: empty',
    ],
    ['path and principal, both', [{ name: 'who', source: { principals: ['me'] }, request: { paths: ['/a.B/*'] } }], [], 'allow: who'],
    ['path but not principal', [{ name: 'who', source: { principals: ['you'] }, request: { paths: ['/a.B/*'] } }], [], 'deny: none'],
    ['principal but not path', [{ name: 'who', source: { principals: ['me'] }, request: { paths: ['/x/*'] } }], [], 'deny: none'],
  ])('%s', (_name, allow, deny, verdict) => {
    expect(decide(allow, deny, { principals: () => ['other', 'me'] })).toBe(verdict);
  });

  const nameless: AuthorizationRule = { name: 'nameless', source: { principals: ['', 'x'] } };
  const anybody: AuthorizationRule = { name: 'anybody', source: { principals: ['*'] } };
  test.each([
    ['plaintext', [], 'deny: none', 'allow: all'],
    ['TLS without certificate', [''], 'allow: nameless', 'deny: nameless'],
    ['nobody knows', undefined, 'deny: none', 'deny: nameless'],
  ])('%s: what is not known counts against the caller', (_name, principals, allow, deny) => {
    expect(decide([nameless], [], { principals: () => principals })).toBe(allow);
    expect(decide([all], [nameless], { principals: () => principals })).toBe(deny);
    expect(decide([anybody], [], { principals: () => principals })).toBe('deny: none');
    expect(decide([all], [anybody], { principals: () => principals })).toBe('allow: all');
  });

  test('asks for a certificate only if a rule needs it, and only once the rest matches', () => {
    let asked = 0;
    const principals = (): string[] => {
      asked++;
      return ['me'];
    };
    decide([all], [{ name: 'other path', source: { principals: ['*'] }, request: { paths: ['/x'] } }], { principals });
    expect(asked).toBe(0);
    decide([anybody], [], { principals });
    expect(asked).toBe(1);
  });
});
