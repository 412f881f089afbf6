/**
 * What the admin server answers when it does not answer what was asked.
 *
 * @packageDocumentation
 */
import type { OutgoingHttpHeaders } from 'node:http';

/** What went wrong, for programs. */
export type AdminErrorCode =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'WRONG_HOST'
  | 'TOO_MANY_STREAMS'
  | 'INTERNAL';

const STATUS: Readonly<Record<AdminErrorCode, number>> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  WRONG_HOST: 421,
  TOO_MANY_STREAMS: 503,
  INTERNAL: 500,
};

/** An answer in place of the one that was asked for: `{ error: { code, message } }`. */
export class HttpError extends Error {
  readonly code: AdminErrorCode;
  readonly headers: OutgoingHttpHeaders;

  constructor(code: AdminErrorCode, message: string, headers: OutgoingHttpHeaders = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
  get status(): number {
    return STATUS[this.code];
  }
  toJSON(): { readonly error: { readonly code: AdminErrorCode; readonly message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}
