/**
 * What every RPC span says when it is over.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Attributes, Span } from '@opentelemetry/api';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { peerAddress } from './address.ts';
import { ERROR_TYPE, OLD_STATUS, PEER_ADDRESS, PEER_PORT, REASON, RPC_STATUS, STATUS_ERROR, STATUS_OK, statusText } from './names.ts';
import type { ResolvedTracing } from './options.ts';

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
export function describeEnd(span: Span, end: CallEnd, { names, oldNames }: Pick<ResolvedTracing, 'names' | 'oldNames'>): void {
  if (names === 'grpc') describeA72(span, end);
  else describe(span, end, oldNames);
}

function describe(span: Span, end: CallEnd, oldNames: boolean): void {
  const status = statusText(end.code);
  const attributes: Attributes = { [RPC_STATUS]: status };
  if (oldNames) attributes[OLD_STATUS] = end.code;
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

/** A72: OK is OK, all else an error with its code in the description. */
function describeA72(span: Span, { code, reason, description }: CallEnd): void {
  if (reason !== undefined) span.setAttribute(REASON, reason);
  if (code === Code.OK) span.setStatus({ code: STATUS_OK });
  else
    span.setStatus({ code: STATUS_ERROR, message: description === undefined ? statusText(code) : `${statusText(code)}, ${description}` });
}

/** The code of a served call that ended without a status: grpc-js enforces deadlines below all layers and only cancels. */
export function cancelledCode(deadlineMs: number, clock: Clock): number {
  return deadlineMs <= clock.wallMs() ? Code.DEADLINE_EXCEEDED : Code.CANCELLED;
}
