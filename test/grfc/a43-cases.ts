/**
 * The tables of grpc-go's tests of gRFC A43 and A59, as data. Methods are those of our echo service:
 * `TestService/UnaryCall` is Say, `StreamingInputCall` is Collect, `StreamingOutputCall` is Count.
 *
 * Source: grpc-go authz/grpc_authz_end2end_test.go, authz/rbac_translator_test.go, authz/audit/audit_logging_test.go,
 * internal/xds/rbac/rbac_engine_test.go (precedence of identities).
 */
import type { AuthorizationPolicy, AuthorizationRule } from '../../src/auth/policy.ts';
import type { AltNames } from '../support/certificates.ts';

export const SAY = '/loop.Echo/Say';
export const COLLECT = '/loop.Echo/Collect';
export const COUNT = '/loop.Echo/Count';
const ALL = '/loop.Echo/*';

export type How = 'plaintext' | 'TLS' | 'mTLS';

export interface EndToEndCase {
  readonly name: string;
  readonly policy: AuthorizationPolicy;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly how?: How;
  readonly allowed: boolean;
}

const authz = (allow_rules: readonly AuthorizationRule[], deny_rules?: readonly AuthorizationRule[]): AuthorizationPolicy => ({
  name: 'authz',
  allow_rules,
  ...(deny_rules === undefined ? {} : { deny_rules }),
});
const KEY_ABC = { key: 'key-abc', values: ['val-abc', 'val-def'] };
const AUTHENTICATED: AuthorizationRule = { name: 'allow_authenticated', source: { principals: ['*', ''] } };

/** `authzTests`, and the two tests after it. */
export const END_TO_END: readonly EndToEndCase[] = [
  {
    name: 'DeniesRPCMatchInDenyNoMatchInAllow',
    policy: authz(
      [{ name: 'allow_StreamingOutputCall', request: { paths: [COUNT] } }],
      [{ name: 'deny_TestServiceCalls', request: { paths: [ALL], headers: [KEY_ABC] } }],
    ),
    metadata: { 'key-abc': 'val-abc' },
    allowed: false,
  },
  {
    name: 'DeniesRPCMatchInDenyAndAllow',
    policy: authz([{ name: 'allow_all', request: { paths: ['*'] } }], [{ name: 'deny_all', request: { paths: ['*'] } }]),
    allowed: false,
  },
  {
    name: 'AllowsRPCNoMatchInDenyMatchInAllow',
    policy: authz([{ name: 'allow_all' }], [{ name: 'deny_TestServiceCalls', request: { paths: [SAY, COLLECT], headers: [KEY_ABC] } }]),
    metadata: { 'key-xyz': 'val-xyz' },
    allowed: true,
  },
  {
    name: 'DeniesRPCNoMatchInDenyAndAllow',
    policy: authz(
      [{ name: 'allow_some_user', source: { principals: ['some_user'] } }],
      [{ name: 'deny_StreamingOutputCall', request: { paths: [COUNT] } }],
    ),
    allowed: false,
  },
  {
    name: 'AllowsRPCEmptyDenyMatchInAllow',
    policy: authz([
      { name: 'allow_UnaryCall', request: { paths: [SAY] } },
      { name: 'allow_StreamingInputCall', request: { paths: [COLLECT] } },
    ]),
    allowed: true,
  },
  {
    name: 'DeniesRPCEmptyDenyNoMatchInAllow',
    policy: authz([{ name: 'allow_StreamingOutputCall', request: { paths: [COUNT] } }]),
    allowed: false,
  },
  {
    name: 'DeniesRPCRequestWithPrincipalsFieldOnUnauthenticatedConnection',
    policy: authz([AUTHENTICATED]),
    allowed: false,
  },
  {
    name: 'DeniesRPCRequestNoMatchInAllowFailsPresenceMatch',
    policy: authz([{ name: 'allow_TestServiceCalls', request: { paths: [ALL], headers: [{ key: 'key-abc', values: ['*'] }] } }]),
    metadata: { 'key-abc': '' },
    allowed: false,
  },
  {
    name: 'AllowsRPCRequestWithPrincipalsFieldOnTLSAuthenticatedConnection',
    policy: authz([AUTHENTICATED]),
    how: 'TLS',
    allowed: true,
  },
  {
    name: 'AllowsRPCRequestWithPrincipalsFieldOnMTLSAuthenticatedConnection',
    policy: authz([AUTHENTICATED]),
    how: 'mTLS',
    allowed: true,
  },
];

/** What grpc-go's tables leave out, and we do not. */
export const MORE: readonly EndToEndCase[] = [
  {
    name: 'presence matches a value',
    policy: authz([{ name: 'keyed', request: { headers: [{ key: 'Key-Abc', values: ['*'] }] } }]),
    metadata: { 'key-abc': 'x' },
    allowed: true,
  },
  {
    name: 'an absent header matches nothing, not even the empty value',
    policy: authz([{ name: 'keyed', request: { headers: [{ key: 'key-abc', values: ['*', ''] }] } }]),
    allowed: false,
  },
  {
    name: 'headers are ANDed',
    policy: authz([{ name: 'both', request: { headers: [KEY_ABC, { key: 'key-xyz', values: ['*'] }] } }]),
    metadata: { 'key-abc': 'val-def' },
    allowed: false,
  },
  {
    name: 'a binary header is base64',
    policy: authz([{ name: 'bytes', request: { headers: [{ key: 'key-bin', values: ['/w'] }] } }]),
    metadata: { 'key-bin': 'ff' },
    allowed: true,
  },
  {
    name: 'deny names TLS without certificate',
    policy: authz([{ name: 'all' }], [{ name: 'nameless', source: { principals: [''] } }]),
    how: 'TLS',
    allowed: false,
  },
  {
    name: 'deny names TLS without certificate, and this is plaintext',
    policy: authz([{ name: 'all' }], [{ name: 'nameless', source: { principals: [''] } }]),
    allowed: true,
  },
];

/** `TestAuthenticatedMatcherIdentitySourcePrecedence`: the identity, one principal, whether it matches. */
export const PRECEDENCE: readonly (readonly [name: string, names: AltNames, commonName: string, principal: string, allowed: boolean])[] = [
  ['uriSANPresentAndMatches', { uris: ['spiffe://corp.example/svc/legitimate'] }, '', 'spiffe://corp.example/svc/legitimate', true],
  [
    'uriSANPresentDoesNotFallbackToDNS',
    { uris: ['spiffe://corp.example/svc/other'], dns: ['spiffe://corp.example/svc/legitimate'] },
    '',
    '*spiffe://corp.example/svc/legitimate',
    false,
  ],
  [
    'uriSANPresentDoesNotFallbackToSubject',
    { uris: ['spiffe://corp.example/svc/other'] },
    'spiffe://corp.example/svc/legitimate',
    '*spiffe://corp.example/svc/legitimate',
    false,
  ],
  ['dnsSANPresentAndMatchesWhenNoURI', { dns: ['svc.legitimate.internal'] }, '', 'svc.legitimate.internal', true],
  ['dnsSANPresentDoesNotFallbackToSubject', { dns: ['svc.other.internal'] }, 'svc.legitimate.internal', '*svc.legitimate.internal', false],
  ['subjectUsedWhenNoURINorDNS', {}, 'svc.legitimate.internal', '*svc.legitimate.internal', true],
];

const DENY_FOO: readonly AuthorizationRule[] = [{ name: 'deny_policy_1', source: { principals: ['spiffe://foo.abc'] } }];
const audited = (audit: unknown, deny?: readonly AuthorizationRule[]): object => ({
  ...authz([AUTHENTICATED], deny),
  audit_logging_options: audit,
});
const stdout = (more: object = { config: {} }): object => ({ name: 'stdout_logger', is_optional: false, ...more });

/** Rows of `TestTranslatePolicy` that are policies. None of them allows Say over plaintext. */
export const GOOD: readonly (readonly [name: string, policy: object])[] = [
  [
    'valid policy',
    {
      name: 'authz',
      deny_rules: [{ name: 'deny_policy_1', source: { principals: ['spiffe://foo.abc', 'spiffe://bar*', '*baz', 'spiffe://abc.*.com'] } }],
      allow_rules: [
        { name: 'allow_policy_1', source: { principals: ['*'] }, request: { paths: ['path-foo*'] } },
        {
          name: 'allow_policy_2',
          request: {
            paths: ['path-bar', '*baz'],
            headers: [
              { key: 'key-1', values: ['foo', '*bar'] },
              { key: 'key-2', values: ['baz*'] },
            ],
          },
        },
      ],
    },
  ],
  ['allow authenticated', authz([AUTHENTICATED])],
  ['audit_logging_ALLOW empty config', audited({ audit_condition: 'ON_ALLOW', audit_loggers: [stdout()] }, DENY_FOO)],
  // Its condition is ON_DENY_AND_ALLOW; every denial below would be printed.
  ['audit_logging_DENY_AND_ALLOW', audited({ audit_condition: 'ON_DENY_AND_ALLOW', audit_loggers: [stdout()] }, DENY_FOO)],
  ['audit_logging_NONE', audited({ audit_condition: 'NONE', audit_loggers: [stdout()] }, DENY_FOO)],
  [
    'audit_logging_custom_config simple',
    audited({ audit_condition: 'NONE', audit_loggers: [stdout({ config: { abc: 123, xyz: '123' } })] }, DENY_FOO),
  ],
  [
    'audit_logging_custom_config nested',
    audited({ audit_condition: 'NONE', audit_loggers: [stdout({ config: { abc: 123, xyz: { abc: 123 } } })] }),
  ],
  ['missing audit logger config', audited({ audit_condition: 'NONE' })],
  ['missing audit condition', audited({ audit_loggers: [stdout()] })],
  ['missing custom config audit logger', audited({ audit_condition: 'ON_DENY', audit_loggers: [stdout({})] }, DENY_FOO)],
];

/** Rows of `TestTranslatePolicy` that are none: name, document, our message after the document's name. */
export const BAD: readonly (readonly [name: string, document: object, message: string])[] = [
  ['unknown field', { random: 123 }, '.random: unknown option; known are name, deny_rules, allow_rules, audit_logging_options'],
  ['missing name field', {}, '.name: expected text, got nothing'],
  ['invalid field type', { name: 123 }, '.name: expected text, got 123'],
  ['missing allow rules field', { name: 'authz-foo' }, '.allow_rules: required: without one no call is allowed, got nothing'],
  ['missing rule name field', { name: 'authz-foo', allow_rules: [{}] }, '.allow_rules[0].name: expected text, got nothing'],
  [
    'missing header key',
    headers([{ key: 'key-a', values: ['value-a'] }, {}]),
    '.allow_rules[0].request.headers[1].key: expected text, got nothing',
  ],
  [
    'missing header values',
    headers([{ key: 'key-a' }]),
    '.allow_rules[0].request.headers[0].values: expected at least one value, got nothing',
  ],
  [
    'unsupported header',
    headers([{ key: ':method', values: ['GET'] }]),
    `.allow_rules[0].request.headers[0].key: expected a header of the application, got ":method", which is the transport's`,
  ],
  [
    'bad audit condition',
    audited({ audit_condition: 'ABC', audit_loggers: [stdout()] }),
    '.audit_logging_options.audit_condition: expected one of NONE, ON_DENY, ON_ALLOW, ON_DENY_AND_ALLOW, got "ABC"',
  ],
  [
    'bad audit logger config',
    audited({ audit_condition: 'NONE', audit_loggers: [stdout({ config: 'abc' })] }),
    '.audit_logging_options.audit_loggers[0].config: expected an object, got "abc"',
  ],
  [
    'missing audit logger name',
    audited({ audit_condition: 'NONE', audit_loggers: [stdout({ name: '', config: {} })] }),
    '.audit_logging_options.audit_loggers[0].name: required, got ""',
  ],
];

function headers(of: readonly object[]): object {
  return { name: 'authz', allow_rules: [{ name: 'allow_policy_1', request: { headers: of } }] };
}

export interface AuditCase {
  readonly name: string;
  readonly policy: AuthorizationPolicy;
  /** Events of two unary calls and a stream. */
  readonly events: { readonly allowed: number; readonly denied: number };
  readonly unary: boolean;
  readonly stream: boolean;
}

const auditCase = (policy: AuthorizationPolicy, condition: 'NONE' | 'ON_DENY' | 'ON_ALLOW' | 'ON_DENY_AND_ALLOW'): AuthorizationPolicy => ({
  ...policy,
  audit_logging_options: { audit_condition: condition, audit_loggers: [{ name: 'stat_logger', config: {}, is_optional: false }] },
});
const ALLOW_SAY = authz([{ name: 'allow_UnaryCall', request: { paths: [SAY] } }]);

/** `TestAuditLogger`. */
export const AUDIT: readonly AuditCase[] = [
  { name: 'No audit', policy: auditCase(ALLOW_SAY, 'NONE'), events: { allowed: 0, denied: 0 }, unary: true, stream: false },
  {
    name: 'Allow All Deny Streaming - Audit All',
    policy: auditCase(
      authz([{ name: 'allow_all', request: { paths: ['*'] } }], [{ name: 'deny_all', request: { paths: [COLLECT] } }]),
      'ON_DENY_AND_ALLOW',
    ),
    events: { allowed: 2, denied: 1 },
    unary: true,
    stream: false,
  },
  {
    name: 'Allow Unary - Audit Allow',
    policy: auditCase(ALLOW_SAY, 'ON_ALLOW'),
    events: { allowed: 2, denied: 0 },
    unary: true,
    stream: false,
  },
  {
    name: 'Allow Typo - Audit Deny',
    policy: auditCase(authz([{ name: 'allow_UnaryCall', request: { paths: [`${SAY}_Z`] } }]), 'ON_DENY'),
    events: { allowed: 0, denied: 3 },
    unary: false,
    stream: false,
  },
];
