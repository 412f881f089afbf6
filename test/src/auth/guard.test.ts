import { describe, expect, test } from 'vitest';
import { type AuditEvent, type AuditLogger, auditLine, rfc3339 } from '../../../src/auth/audit.ts';
import type { AuthorizationRequest } from '../../../src/auth/authorizer.ts';
import { AuthorizationGuard, type GuardSettings } from '../../../src/auth/guard.ts';
import type { AuditLoggingOptions, AuthorizationPolicy, AuthorizationRule } from '../../../src/auth/policy.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const call = (path: string, principals: AuthorizationRequest['principals'] = () => []): AuthorizationRequest => ({
  path,
  values: () => [],
  principals,
});
const POLICY: AuthorizationPolicy = {
  name: 'p',
  deny_rules: [
    { name: 'secret', request: { paths: ['*/secret'] } },
    { name: '__proto__', request: { paths: ['*/proto'] } },
  ],
  allow_rules: [{ name: 'a', request: { paths: ['/a/*'] } }],
};

function guard(policy: AuthorizationPolicy | string, more: Partial<GuardSettings> = {}): { guard: AuthorizationGuard; said: string[] } {
  const said: string[] = [];
  const settings = { clock: new FakeClock(), warn: (line: string) => said.push(line), knowsTls: true, ...more };
  return { guard: new AuthorizationGuard({ policy }, settings), said };
}
const audited = (options: AuditLoggingOptions): AuthorizationPolicy => ({ ...POLICY, audit_logging_options: options });

describe('AuthorizationGuard', () => {
  test('counts verdicts, the denied ones by rule', () => {
    const { guard: own } = guard(POLICY);
    const verdicts = ['/a/x', '/a/secret', '/b/secret', '/b/x', '/a/proto', '/a/y'].map((path) => own.admits(call(path)));
    expect(verdicts).toEqual([true, false, false, false, false, true]);
    const { deniedBy, ...counts } = own.stats();
    expect(counts).toEqual({ allowed: 2, denied: 4, unmatched: 1, reloads: 0, failedReloads: 0 });
    expect(Object.entries(deniedBy)).toEqual([
      ['secret', 2],
      ['__proto__', 1],
    ]);
  });

  test('takes the policy as text too', () => {
    expect(guard(JSON.stringify(POLICY)).guard.admits(call('/a/x'))).toBe(true);
    expect(() => guard('{"name": "p", "name": "q"}')).toThrow('policy: key "name" is given twice');
  });

  test('denies what it cannot judge, and says so once', () => {
    const { guard: own, said } = guard({ name: 'p', allow_rules: [{ name: 'who', source: { principals: ['*'] } }] });
    const broken = call('/a/x', () => {
      throw new RangeError('a certificate with secrets');
    });
    expect([own.admits(broken), own.admits(broken)]).toEqual([false, false]);
    expect(said).toEqual(['authorization: a request could not be judged, and is denied: RangeError']);
    expect(own.stats()).toMatchObject({ denied: 2, unmatched: 2 });
  });

  test.each<[string, AuthorizationRule[], AuthorizationRule[], string]>([
    ['deny', [{ name: 'd', source: { principals: ['a', ''] } }], [{ name: 'a' }], 'policy.deny_rules[0].source.principals[1]'],
    ['allow', [], [{ name: 'a' }, { name: 'b', source: { principals: [''] } }], 'policy.allow_rules[1].source.principals[0]'],
  ])('where nobody can tell TLS from plaintext, "" is refused as a principal of %s', (_list, deny_rules, allow_rules, place) => {
    const policy = { name: 'p', deny_rules, allow_rules };
    expect(() => guard(policy, { knowsTls: false })).toThrow(`${place}: expected a name, got ""`);
    expect(() => guard(policy)).not.toThrow();
  });
});

describe('audit (A59)', () => {
  test.each<[AuditLoggingOptions['audit_condition'], boolean[]]>([
    ['NONE', []],
    ['ON_ALLOW', [true]],
    ['ON_DENY', [false, false]],
    ['ON_DENY_AND_ALLOW', [true, false, false]],
    [undefined, []],
  ])('%s hears %o', (condition, heard) => {
    const events: AuditEvent[] = [];
    const options = { audit_loggers: [{ name: 'mine' }], ...(condition === undefined ? {} : { audit_condition: condition }) };
    const { guard: own } = guard(audited(options), { auditLoggers: { mine: (event) => events.push(event) } });
    for (const path of ['/a/x', '/a/secret', '/b/x']) own.admits(call(path, () => ['x', 'spiffe://me']));
    expect(events.map(({ authorized }) => authorized)).toEqual(heard);
    expect(events.filter(({ authorized }) => !authorized).map(({ matchedRule, principal }) => [matchedRule, principal])).toEqual(
      heard.includes(false)
        ? [
            ['p_secret', 'spiffe://me'],
            ['', 'spiffe://me'],
          ]
        : [],
    );
  });

  test('a logger gets its config, and one that throws changes nothing', () => {
    const configs: unknown[] = [];
    const bad: AuditLogger = () => {
      throw new Error('full');
    };
    const options: AuditLoggingOptions = {
      audit_condition: 'ON_ALLOW',
      audit_loggers: [{ name: 'bad' }, { name: 'mine', config: { a: 1 } }, { name: 'mine' }, { name: 'nowhere', is_optional: true }],
    };
    const { guard: own, said } = guard(audited(options), { auditLoggers: { bad, mine: (_event, config) => configs.push(config) } });
    expect([own.admits(call('/a/x')), own.admits(call('/a/y'))]).toEqual([true, true]);
    expect(configs).toEqual([{ a: 1 }, {}, { a: 1 }, {}]);
    expect(said).toEqual(['authorization: an audit logger has thrown; its events may be missing']);
  });

  test('a logger that is not there is a fault of the policy, with the nearest name', () => {
    const options: AuditLoggingOptions = { audit_loggers: [{ name: 'stdout_loger' }] };
    expect(() => guard(audited(options))).toThrow(
      'policy.audit_logging_options.audit_loggers[0].name: expected the name of an audit logger, got "stdout_loger"; did you mean "stdout_logger"?',
    );
    expect(() => guard(audited({ audit_loggers: [{ name: 'toString' }] }))).toThrow('known are stdout_logger');
  });

  test('the line of stdout_logger', () => {
    const event = {
      fullMethodName: '/pkg.Service/Foo',
      principal: 'spiffe://foo/user1',
      policyName: 'p',
      matchedRule: 'p_r',
      authorized: true,
    };
    expect(auditLine(event, rfc3339(1_767_366_245_009))).toBe(
      '{"grpc_audit_log":{"rpc_method":"/pkg.Service/Foo","principal":"spiffe://foo/user1","policy_name":"p","matched_rule":"p_r","authorized":true,"timestamp":"2026-01-02T15:04:05.009Z"}}',
    );
  });
  test.each([0, 951_782_400_000, 1_709_164_799_999, 4_102_444_800_000])('%d as RFC 3339', (ms) => {
    expect(rfc3339(ms)).toBe(new Date(ms).toISOString());
  });
});
