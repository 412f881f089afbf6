/**
 * What both client doors share: the info of a call, and deadlines between grpc-js's dates and our clock.
 *
 * @packageDocumentation
 */
import type { Deadline } from '@grpc/grpc-js';
import type { MethodKind } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Door } from './client-call.ts';

/** grpc-js's deadline (a date) as a point on our clock. */
export function fromGrpcDeadline(deadline: Deadline | undefined, clock: Clock): number {
  if (deadline === undefined || deadline === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  const atMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  return Number.isNaN(atMs) ? Number.POSITIVE_INFINITY : clock.nowMs() + atMs - clock.wallMs();
}

/** A point on our clock as grpc-js's deadline. */
export function toGrpcDeadline(deadlineMs: number, clock: Clock): number {
  return deadlineMs === Number.POSITIVE_INFINITY ? deadlineMs : Math.round(clock.wallMs() + deadlineMs - clock.nowMs());
}

/** The kind of a method from grpc-js's two flags. */
export function kindOf(requestStream: boolean, responseStream: boolean): MethodKind {
  if (requestStream) return responseStream ? 'bidi' : 'clientStream';
  return responseStream ? 'serverStream' : 'unary';
}

/** A door of which nothing is known: an interceptor used alone. */
export const UNKNOWN_DOOR: Door = { kind: 'interceptors', target: '', channel: undefined, book: undefined };
