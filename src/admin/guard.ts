/**
 * Who may ask the admin server.
 *
 * A page of any site can send requests to a loopback address, and by a name that it points there (DNS rebinding) it could read the
 * answers as well. So the Host must be one of ours; what changes anything needs a token that no page knows, and no Origin but ours.
 *
 * @packageDocumentation
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';
import { type AdminRules, isLoopback, TOKEN_VARIABLE } from './options.ts';

/** What a route asks of its caller: `open` nothing, `read` the token unless only this machine can ask, `write` the token. */
export type Access = 'open' | 'read' | 'write';

const HOST = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^:[\]@/\\]{1,253}))(?::\d{1,5})?$/;
const CHALLENGE = 'Bearer realm="inmesh"';
/** A browser asks for it by itself, and sends it with streams too, which takes no other header. Any name will do. */
const BROWSER_CHALLENGE = `${CHALLENGE}, Basic realm="inmesh", charset="UTF-8"`;

export class Guard {
  readonly #rules: AdminRules;
  readonly #digest: Buffer | undefined;

  constructor(rules: AdminRules) {
    this.#rules = rules;
    this.#digest = rules.token === undefined ? undefined : digestOf(rules.token);
  }

  /** @throws HttpError when the request was meant for another host. */
  checkHost({ headers, socket }: IncomingMessage): void {
    const [, v6, name] = HOST.exec(headers.host ?? '') ?? [];
    const host = (v6 ?? name ?? '').toLowerCase().replace(/\.$/, '');
    if (isLoopback(host) || this.#rules.allowedHosts.has(host)) return;
    // An address, not a name, can't have been pointed here by somebody else.
    if (host === plainAddress(socket.localAddress)) return;
    throw new HttpError('WRONG_HOST', 'this Host is not known here; name it in allowedHosts of mesh.admin.listen()');
  }

  /** @throws HttpError when a page of another origin sent it: it could read nothing, but take up all streams. A link that is followed is fine. */
  checkOrigin({ headers, method }: IncomingMessage): void {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'] ?? 'none';
    const ours = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
    if (ours && (site === 'none' || site === 'same-origin')) return;
    if (method === 'GET' && origin === undefined && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document')
      return;
    throw new HttpError('FORBIDDEN', 'not for pages of another origin');
  }

  /** Whether the request shows the token, or needs none to read. */
  mayRead(request: IncomingMessage): boolean {
    return this.#rules.local || this.#shows(request, true);
  }

  /** @throws HttpError when the caller may not do that. */
  check(request: IncomingMessage, access: Access): void {
    if (access === 'open') return;
    if (access === 'read') {
      if (this.mayRead(request)) return;
      throw new HttpError('UNAUTHORIZED', 'this needs the token: Authorization: Bearer <token>', { 'www-authenticate': BROWSER_CHALLENGE });
    }
    if (this.#digest === undefined)
      throw new HttpError('FORBIDDEN', `nothing can be changed here: no token was given to mesh.admin.listen() or ${TOKEN_VARIABLE}`);
    // Never by Basic: a browser would send that along with a request that another site's page made it send.
    if (!this.#shows(request, false))
      throw new HttpError('UNAUTHORIZED', 'this needs the token: Authorization: Bearer <token>', { 'www-authenticate': CHALLENGE });
  }

  #shows({ headers: { authorization = '' } }: IncomingMessage, basicToo: boolean): boolean {
    const [, scheme = '', shown = ''] = /^(Bearer|Basic) +(\S{1,1024})$/i.exec(authorization) ?? [];
    if (this.#digest === undefined || scheme === '') return false;
    const basic = scheme.toLowerCase() === 'basic';
    if (basic && !basicToo) return false;
    const token = basic
      ? Buffer.from(shown, 'base64')
          .toString('utf8')
          .replace(/^[^:]*:/, '')
      : shown;
    return timingSafeEqual(digestOf(token), this.#digest);
  }
}

/** All of one length, so that comparing tells nothing. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** `::ffff:10.0.0.1` is `10.0.0.1` to whoever wrote it. */
function plainAddress(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '').toLowerCase();
}
