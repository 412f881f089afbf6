/**
 * Unary calls of grpc-js's own client without the `Error` with a stack that it makes at each of them, to say in an error where the call was
 * made: several microseconds, a tenth of what an application spends on a call that goes in a batch.
 *
 * `makeUnaryRequest` sets `call` on the emitter that a `CallInvocationTransformer` may give, makes the `Error`, and reads `metadata` of what
 * the transformer gave, with nothing of anybody's in between. So the emitter sets `Error.stackTraceLimit` to 0, and `metadata` puts it back.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events';
import type { CallInvocationTransformer, ClientUnaryCall } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { AuthContext } from './client-call.ts';

type Invocation = Parameters<CallInvocationTransformer>[0];
type Lower = NonNullable<ClientUnaryCall['call']>;

/** As grpc-js's own, which it does not export. */
class QuietUnaryCall extends EventEmitter implements ClientUnaryCall {
  #call: Lower | undefined;
  #limit = 0;

  /** Not there until the call is made. */
  get call(): Lower {
    return this.#call as Lower;
  }
  set call(call: Lower) {
    this.#call = call;
    this.#limit = Error.stackTraceLimit;
    if (this.#limit > 0) Error.stackTraceLimit = 0;
  }
  /** The `Error` is made. */
  loud(): void {
    if (this.#limit > 0) Error.stackTraceLimit = this.#limit;
    this.#limit = 0;
  }
  cancel(): void {
    this.#call?.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
  }
  getPeer(): string {
    return this.#call?.getPeer() ?? 'unknown';
  }
  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }
}

/** Whether this process lets the limit be set: with `--frozen-intrinsics` it does not. */
export function canBeQuiet(): boolean {
  const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  return limit?.writable === true && typeof limit.value === 'number';
}

/** The same call, made quietly. */
export function quietly(given: Invocation): Invocation {
  const { methodDefinition, metadata } = given;
  if (methodDefinition.requestStream || methodDefinition.responseStream) return given;
  const call = new QuietUnaryCall();
  return {
    ...given,
    call,
    get metadata() {
      call.loud();
      return metadata;
    },
  };
}
