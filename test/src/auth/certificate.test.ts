import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { certificatePrincipals, rfc2253 } from '../../../src/auth/certificate.ts';
import { type AltNames, makeCertificates } from '../../support/certificates.ts';

const authority = makeCertificates();
const principals = (commonName: string, names: AltNames): readonly string[] =>
  certificatePrincipals(new X509Certificate(authority.issue(commonName, names).cert).raw);

describe('certificatePrincipals', () => {
  test.each<[string, string, AltNames, string[]]>([
    ['all URIs, in their order', 'me', { uris: ['spiffe://b/c', 'spiffe://a'], dns: ['x.y'] }, ['spiffe://b/c', 'spiffe://a']],
    ['all DNS names, if there is no URI', 'me', { dns: ['x.y', '*.z'] }, ['x.y', '*.z']],
    ['the subject, if there is neither', 'me', {}, ['CN=me']],
    ['the subject, escaped', 'a, b+c', {}, ['CN=a\\, b\\+c']],
    [
      'a name of which a comma or a quote would make two',
      '',
      { uris: ['http://a/?b, DNS:evil', 'http://"q"'] },
      ['http://a/?b, DNS:evil', 'http://"q"'],
    ],
  ])('%s', (_what, commonName, names, expected) => {
    expect(principals(commonName, names)).toEqual(expected);
  });

  test('IP addresses are no names', () => {
    expect(certificatePrincipals(new X509Certificate(authority.client.cert).raw)).toEqual(['localhost']);
  });

  test('the subject begins with the most special part (RFC 2253)', () => {
    expect(rfc2253('C=US\nO=x\\+y\nCN=svc + UID=a \\+ b')).toBe('CN=svc+UID=a \\+ b,O=x\\+y,C=US');
    expect(rfc2253(undefined)).toBe('');
  });
});
