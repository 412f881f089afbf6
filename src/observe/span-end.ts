/**
 * What every RPC span says when it is over.
 *
 * @packageDocumentation
 */
import type { Attributes, Span } from '@opentelemetry/api';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { peerAddress } from './address.ts';
import { ERROR_TYPE, PEER_ADDRESS, PEER_PORT, REASON, RPC_STATUS, STATUS_ERROR, statusText } from './names.ts';

/** The end of a call or attempt. */
export interface CallEnd {
  readonly code: number;
  /** Whether this side counts the code as an error. */
  readonly error: boolean;
  /** As `getPeer` says it; the target or an empty text while there was none. */
  readonly peer: string;
  /** Text of `inmesh-reason`. */
  readonly reason?: string | undefined;
  /** Description of the error. Only for statuses that we wrote ourselves: the application's may hold anything. */
  readonly description?: string | undefined;
}

/** Writes the outcome onto a span, which stays open. */
export function describeEnd(span: Span, end: CallEnd): void {
  const status = statusText(end.code);
  const attributes: Attributes = { [RPC_STATUS]: status };
  const peer = peerAddress(end.peer);
  if (peer !== undefined) {
    attributes[PEER_ADDRESS] = peer.address;
    if (peer.port !== undefined) attributes[PEER_PORT] = peer.port;
  }
  if (end.reason !== undefined) attributes[REASON] = end.reason;
  if (end.error) {
    attributes[ERROR_TYPE] = status;
    span.setStatus(end.description === undefined ? { code: STATUS_ERROR } : { code: STATUS_ERROR, message: end.description });
  }
  span.setAttributes(attributes);
}

/** The code of a served call that ended without a status: grpc-js enforces deadlines below all layers and only cancels. */
export function cancelledCode(deadlineMs: number, clock: Clock): number {
  return deadlineMs <= clock.wallMs() ? Code.DEADLINE_EXCEEDED : Code.CANCELLED;
}
