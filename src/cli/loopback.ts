/**
 * Whether a gRPC target is on this machine.
 *
 * Source: gRPC naming, doc/naming.md.
 *
 * @packageDocumentation
 */

/** True where every address is one of this machine, as far as the text tells. What can't be told is not. */
export function isLoopback(target: string): boolean {
  const [, scheme = '', rest = ''] = /^(?:([a-z][a-z\d+.-]*):(?!\d+$))?(.*)$/i.exec(target) ?? [];
  if (scheme === 'unix' || scheme === 'unix-abstract') return true;
  if (scheme !== '' && !['dns', 'ipv4', 'ipv6'].includes(scheme)) return false;
  // dns://resolver/name: whom is asked does not matter.
  const names = rest.replace(/^\/\/[^/]*\//, '').split(',');
  return names.length > 0 && names.every((name) => isLocalHost(hostOf(name.trim())));
}

function hostOf(name: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(name) ?? [];
  return (bracketed ?? plain ?? name).toLowerCase();
}

function isLocalHost(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '0:0:0:0:0:0:0:1') return true;
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  return parts?.[0] === 127 && parts.every((part) => part <= 255);
}
