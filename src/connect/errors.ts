/**
 * Connect's errors and gRPC's statuses, both ways. Their codes are the same numbers.
 *
 * What Connect's transport says of a lost connection differs by how it was lost (`aborted`, `canceled`, `internal`, `unavailable`:
 * node-error.js, 2.1.2). To the stack all of it is UNAVAILABLE, as it is of grpc-js, for retries and breakers go by it; the app
 * is given the very error that Connect made.
 *
 * @packageDocumentation
 */
import { Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import type { StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { UNPROCESSED_KEY } from '../errors.ts';
import { HeaderMetadata, headersOf } from './headers.ts';

/** The error that a status was made of; a property, so that it survives layers that copy the status. */
const ORIGINAL: unique symbol = Symbol('inmesh.connect-error');

interface StatusOfError extends StatusObject {
  readonly [ORIGINAL]?: ConnectError;
}

/** What the transport, and no server, has to say of a stream: Connect's words, and Node's. */
const STREAM = `^(?:http/2 stream|Stream) closed with error code (?:NGHTTP2_)?`;
const STREAM_REFUSED = new RegExp(`${STREAM}REFUSED_STREAM`);
const STREAM_CALMED = new RegExp(`${STREAM}ENHANCE_YOUR_CALM`);
const STREAM_LOST = new RegExp(STREAM);
const CONNECTION_LOST = /^(?:PING timed out|received GOAWAY without any open streams|connection aborted)$/;
/** System calls before there is a connection: nothing can have been sent. */
const BEFORE_CONNECTION: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
const LOST_CODE =
  /^(?:E[A-Z]+|ERR_HTTP2_(?:GOAWAY_SESSION|INVALID_SESSION|INVALID_STREAM|PING_CANCEL|SESSION_ERROR|STREAM_CANCEL|STREAM_ERROR)|ERR_STREAM_(?:DESTROYED|PREMATURE_CLOSE))$/;
const MAX_CAUSES = 10;

type TransportEnd = 'never-sent' | 'lost' | undefined;

/** How an attempt ended, as a status for the stack. */
export function statusOf(reason: unknown): StatusObject {
  const error = ConnectError.from(reason);
  const metadata = new HeaderMetadata(error.metadata);
  const end = transportEndOf(error);
  if (end === 'never-sent') metadata.set(UNPROCESSED_KEY, '1');
  const code = end === undefined ? error.code : Code.UNAVAILABLE;
  return { code, details: error.rawMessage, metadata, [ORIGINAL]: error } as StatusOfError;
}

/** The error that the app is given: Connect's own where there is one, else one of ours. */
export function errorOf(status: StatusObject): ConnectError {
  const original = (status as StatusOfError)[ORIGINAL];
  if (original === undefined) return new ConnectError(status.details, codeOf(status.code), headersOf(status.metadata));
  // What only concerns a client of ours has done its work.
  original.metadata.delete(UNPROCESSED_KEY);
  return original;
}

function codeOf(code: number): ConnectCode {
  return ConnectCode[code] === undefined ? ConnectCode.Unknown : code;
}

function transportEndOf(error: ConnectError): TransportEnd {
  const { rawMessage } = error;
  if (STREAM_REFUSED.test(rawMessage)) return 'never-sent';
  if (STREAM_CALMED.test(rawMessage)) return undefined; // a word of the server's after all
  if (STREAM_LOST.test(rawMessage) || CONNECTION_LOST.test(rawMessage)) return 'lost';
  let end: TransportEnd;
  let cause = error.cause;
  for (let i = 0; i < MAX_CAUSES && cause instanceof Error; i++) {
    if (BEFORE_CONNECTION.has(Reflect.get(cause, 'syscall'))) return 'never-sent';
    if (LOST_CODE.test(String(Reflect.get(cause, 'code')))) end = 'lost';
    cause = cause.cause;
  }
  return end;
}
