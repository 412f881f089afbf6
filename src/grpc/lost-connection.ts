/**
 * Telling the loss of a connection from an answer.
 *
 * When a connection dies, grpc-js says UNAVAILABLE only where the socket closed or was reset. Where HTTP/2 ended first
 * (GOAWAY with an error, a server's `forceShutdown()`, the end of `max_connection_age_grace`, Node's guard against rapid resets),
 * every stream on it ends by its own code, innocent calls with INTERNAL or CANCELLED (subchannel-call.ts, 1.14.7). No
 * server's word is behind such a status: it has no trailers, and its details are always the same.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { AMBIGUOUS_KEY } from '../errors.ts';

const STREAM_LOST = /^Received RST_STREAM with code \d+/;
/** What the caller's own cancellation says is "Cancelled on client". */
export const STREAM_CANCELLED = 'Call cancelled';

/** The code by which retry decides: UNAVAILABLE where the transport, and no server, ended the call. */
export function retryCodeOf({ code, details }: StatusObject): number {
  const lost = (code === Code.INTERNAL && STREAM_LOST.test(details)) || (code === Code.CANCELLED && details === STREAM_CANCELLED);
  return lost ? Code.UNAVAILABLE : code;
}

/** The call shared a carrier with others, and was lost with it. */
export function lostWithCarrier({ metadata }: StatusObject): boolean {
  return metadata.get(AMBIGUOUS_KEY).length > 0;
}
