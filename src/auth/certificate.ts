/**
 * Whom a client certificate names, as gRFC A41 and A43 see it.
 *
 * @packageDocumentation
 */
import { X509Certificate } from 'node:crypto';

/**
 * The names of the first kind that the certificate has: URIs of its subject alternative names, else DNS names, else the
 * subject in the form of RFC 2253. Never two kinds together: a certificate with a URI is not also its common name.
 * Source: gRFC A41, `authenticated.principal_name`; grpc-go internal/xds/rbac/matchers.go.
 *
 * @param der - The certificate in DER.
 */
export function certificatePrincipals(der: Uint8Array): readonly string[] {
  const { subject, subjectAltName } = new X509Certificate(der);
  const names = altNames(subjectAltName);
  const uris = names.filter(([kind]) => kind === 'URI');
  const used = uris.length > 0 ? uris : names.filter(([kind]) => kind === 'DNS');
  return used.length > 0 ? used.map(([, name]) => name) : [rfc2253(subject)];
}

/** Node quotes values in which a comma or a quote could be taken for its own, as JSON text. */
function altNames(text: string | undefined): readonly (readonly [kind: string, name: string])[] {
  if (!text) return [];
  return text.split(', ').map((entry) => {
    const colon = entry.indexOf(':');
    const value = entry.slice(colon + 1);
    return [entry.slice(0, colon), value.startsWith('"') ? String(JSON.parse(value)) : value];
  });
}

/** A subject in the form of RFC 2253, the most special part first. Node gives one escaped part a line, the most general first. */
export function rfc2253(subject: string | undefined): string {
  if (!subject) return '';
  return subject
    .split('\n')
    .reverse()
    .map((rdn) => rdn.replaceAll(' + ', '+'))
    .join(',');
}
