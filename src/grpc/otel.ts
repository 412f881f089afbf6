/**
 * What telemetry needs to know of grpc-js: how a status reads, what a call without one ended with, and whether another
 * instrumentation is at work.
 *
 * @packageDocumentation
 */
import { Server, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { REASON_KEY } from '../errors.ts';
import { isClientError, isServerError } from '../observe/names.ts';
import type { CallEnd } from '../observe/span-end.ts';
import { refusalOf } from './refuse.ts';
import type { ServerStatus } from './server-call.ts';

/** The end of a client call. Details are the application's but where we wrote them ourselves. */
export function clientEnd(status: StatusObject, peer: string): CallEnd {
  const { code } = status;
  if (code === Code.OK) return { code, error: false, peer };
  const refusal = refusalOf(status);
  const reason = refusal?.reason ?? textOf(status.metadata.get(REASON_KEY)[0]);
  return { code, error: isClientError(code), peer, reason, description: refusal?.details };
}

/** The end of a served call. */
export function servedEnd(status: ServerStatus, peer: string): CallEnd {
  const { code } = status;
  return code === Code.OK
    ? { code, error: false, peer }
    : { code, error: isServerError(code), peer, reason: textOf(status.metadata?.get(REASON_KEY)[0]) };
}

/** True when instrumentation-grpc (or another that marks what it wraps the same way) opens a span around every handler. */
export function handlersAreTraced(): boolean {
  return '__wrapped' in Server.prototype.register;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
