/**
 * Errors of calls as grpc-js's client makes them, which it does not export.
 *
 * @packageDocumentation
 */
import { type ServiceError, type StatusObject, status as statusCodes } from '@grpc/grpc-js';

/** Where a call was made, for the stack of its error. */
export function callerStack(): Error {
  return new Error();
}

/**
 * The error of a status. With `caller` its stack is grpc-js's: where the answer came in, then where the call was made.
 * Without, it is the message alone: the place where an answer comes in says nothing, and to find it out costs 2 us.
 */
export function serviceError(status: StatusObject, caller: Error | undefined): ServiceError {
  const message = `${status.code} ${statusCodes[status.code]}: ${status.details}`;
  if (caller === undefined) return Object.assign(withoutStack(message), status);
  const error = Object.assign(new Error(message), status);
  error.stack = `${error.stack}\nfor call at\n${caller.stack?.split('\n').slice(1).join('\n') || 'no stack trace available'}`;
  return error;
}

function withoutStack(message: string): Error {
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0); // no throw where intrinsics are frozen
  const error = new Error(message);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return error;
}
