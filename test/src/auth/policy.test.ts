import { describe, expect, test } from 'vitest';
import { parseStrictJson } from '../../../src/auth/json.ts';
import { parseAuthorizationPolicy } from '../../../src/auth/policy.ts';
import { ConfigError } from '../../../src/errors.ts';

const rule = (more: object): object => ({ name: 'p', allow_rules: [{ name: 'r', ...more }] });
const headers = (...of: unknown[]): object => rule({ request: { headers: of } });
const audit = (options: unknown): object => ({ ...rule({}), audit_logging_options: options });
const KEY = 'policy.allow_rules[0].request.headers[0].key';
const REFUSED_KEYS = [':path', 'grpc-timeout', 'inmesh-accept', 'Host', 'TE', 'Connection', 'keep-alive', 'proxy-authenticate'];
const MORE_REFUSED_KEYS = ['proxy-authorization', 'trailer', 'transfer-encoding', 'Upgrade'];

/** Besides grpc-go's rows, which test/grfc has. */
const BAD: readonly (readonly [string, unknown, string])[] = [
  ['nothing', undefined, 'policy: expected an authorization policy, got nothing'],
  ['null', null, 'policy: expected an object, got null'],
  ['a list', [{}], 'policy: expected an object, got a list'],
  ['an empty name', { name: '' }, 'policy.name: required, got ""'],
  ['no allow rule', { name: 'p', allow_rules: [] }, 'policy.allow_rules: required: without one no call is allowed, got an empty list'],
  ['rules that are no list', { name: 'p', allow_rules: {} }, 'policy.allow_rules: expected a list, got an object'],
  ['deny rules that are null', { ...rule({}), deny_rules: null }, 'policy.deny_rules: expected a list, got null'],
  ['a rule that is text', { name: 'p', allow_rules: ['r'] }, 'policy.allow_rules[0]: expected an object, got "r"'],
  ['camel case', { ...rule({}), denyRules: [] }, 'policy.denyRules: unknown option; did you mean deny_rules?'],
  ['an unknown key of a rule', rule({ sources: {} }), 'policy.allow_rules[0].sources: unknown option; did you mean source?'],
  [
    'an unknown key of a source',
    rule({ source: { principal: [] } }),
    'policy.allow_rules[0].source.principal: unknown option; did you mean principals?',
  ],
  [
    'an unknown key of a request',
    rule({ request: { path: ['*'] } }),
    'policy.allow_rules[0].request.path: unknown option; did you mean paths?',
  ],
  ['__proto__', JSON.parse('{"__proto__": {"name": "p"}}'), 'policy.__proto__: unknown option'],
  [
    'a principal that is a number',
    rule({ source: { principals: [1] } }),
    'policy.allow_rules[0].source.principals[0]: expected text, got 1',
  ],
  ['a path that is no list', rule({ request: { paths: '/a/b' } }), 'policy.allow_rules[0].request.paths: expected a list, got "/a/b"'],
  [
    'a header key that no call can have',
    headers({ key: 'a b', values: ['*'] }),
    `${KEY}: expected letters, digits, "_", "-" and ".", got "a b"`,
  ],
  ['no header values', headers({ key: 'a', values: [] }), 'policy.allow_rules[0].request.headers[0].values: expected at least one value'],
  [
    'an unknown key of a header',
    headers({ key: 'a', value: ['*'] }),
    'policy.allow_rules[0].request.headers[0].value: unknown option; did you mean values?',
  ],
  ...[...REFUSED_KEYS, ...MORE_REFUSED_KEYS].map(
    (key) => [`header ${key}`, headers({ key, values: ['*'] }), `${KEY}: expected a header of the application`] as const,
  ),
  [
    'two rules of one name',
    { name: 'p', allow_rules: [{ name: 'a' }, { name: 'b' }, { name: 'a' }] },
    'policy.allow_rules[2].name: expected a name of its own, got "a", which is rule 0',
  ],
  ['a near audit condition', audit({ audit_condition: 'ON_DENI' }), 'got "ON_DENI"; did you mean "ON_DENY"?'],
  [
    'an is_optional that is text',
    audit({ audit_loggers: [{ name: 'a', is_optional: 'true' }] }),
    'is_optional: expected true or false, got "true"',
  ],
];

describe('parseAuthorizationPolicy', () => {
  test.each(BAD)('refuses %s, with place and rule', (_name, input, message) => {
    expect(() => parseAuthorizationPolicy(input)).toThrow(ConfigError);
    expect(() => parseAuthorizationPolicy(input)).toThrow(message);
  });

  test('gives a copy, with header keys in lower case', () => {
    const input = { name: 'p', allow_rules: [{ name: 'r', request: { headers: [{ key: 'X-Role', values: ['a'] }] } }] };
    const policy = parseAuthorizationPolicy(input);
    input.allow_rules.pop();
    expect(policy.allow_rules[0]?.request?.headers).toEqual([{ key: 'x-role', values: ['a'] }]);
    expect(parseAuthorizationPolicy(policy)).toEqual(policy);
  });

  test('a rule may have the name of one in the other list', () => {
    expect(parseAuthorizationPolicy({ ...rule({}), deny_rules: [{ name: 'r' }] }).deny_rules).toHaveLength(1);
  });
});

describe('parseStrictJson', () => {
  const BAD_TEXTS: readonly (readonly [string, string, string])[] = [
    ['nothing', '', 'expected JSON'],
    ['half a document', '{"name": "p"', 'expected JSON'],
    ['a comment', '{} // no', 'expected JSON'],
    ['NaN', '{"name": NaN}', 'expected JSON'],
    ['a key that is given twice', '{"deny_rules": [{"a": 1}], "deny_rules": []}', 'key "deny_rules" is given twice in one object'],
    ['the same key, escaped', '{"a": 1, "\\u0061": 2}', 'key "a" is given twice'],
    ['the same key, deep', '{"x": [[{"b": 1, "a": {"b": 1}, "b": 2}]]}', 'key "b" is given twice'],
    ['__proto__ twice', '{"__proto__": 1, "__proto__": 2}', 'key "__proto__" is given twice'],
  ];
  test.each(BAD_TEXTS)('refuses %s', (_name, text, message) => {
    expect(() => parseStrictJson(text, 'file.json')).toThrow(`file.json: ${message}`);
  });
  test('keys of different objects, and texts that look like keys, are not the same', () => {
    const text = '{"a": {"a": "a"}, "b": [{"a": 1}, {"a": "\\"a\\":"}], "c": ["a", "a"], "d": "{\\"x\\":1,\\"x\\":2}"}';
    expect(parseStrictJson(text, 'f')).toEqual(JSON.parse(text));
  });
});
