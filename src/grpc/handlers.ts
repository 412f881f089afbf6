/**
 * The handlers of one server, as they were registered; and the guard around each of them.
 *
 * @packageDocumentation
 */
import type { handleUnaryCall, Metadata, Server, ServerInterceptor, sendUnaryData } from '@grpc/grpc-js';
import type { MethodKind } from '../call.ts';
import { ACCEPT_KEY, CAPABILITY_KEY } from './metadata.ts';
import { rejectionToError } from './run-unary.ts';
import { ForwardingServerCall, type ServerCall, type ServerStatus } from './server-call.ts';
import type { UnaryCodec } from './virtual-call.ts';

/** A handler as `Server.register` takes it: one of grpc-js's four kinds. */
export type AnyHandler = Parameters<Server['register']>[1];

/** A unary method that batches can reach. */
export interface UnaryMethod extends UnaryCodec {
  readonly path: string;
  readonly handler: handleUnaryCall<unknown, unknown>;
  /** What grpc-js shows an interceptor. */
  readonly definition: Parameters<ServerInterceptor>[0];
}

/** Puts our capability into the trailers of a call that asked for it; returns the trailers to send. */
export type Advertise = (trailers: Metadata | undefined) => Metadata | undefined;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/**
 * Wraps a unary handler: a promise that it returns and that rejects ends the call (grpc-js leaves it hanging, and the
 * process with an unhandled rejection: grpc-node#290), and a client that asked is told about batches.
 */
export function guardUnary(handler: handleUnaryCall<unknown, unknown>, advertise: Advertise): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const asked = call.metadata.get(ACCEPT_KEY).length > 0;
    if (asked) call.metadata.remove(ACCEPT_KEY);
    const respond: sendUnaryData<unknown> = asked
      ? (error, value, trailer, flags) => callback(error, value, advertise(trailer ?? trailersOf(error)), flags)
      : callback;
    const returned: unknown = handler(call, respond);
    if (isThenable(returned)) returned.then(undefined, (reason: unknown) => respond(rejectionToError(reason)));
  };
}

/** A call of a fused chain: the question and its answer pass below every interceptor of the user. */
export class AdvertisingCall extends ForwardingServerCall {
  readonly #advertise: Advertise;
  #asked = false;

  constructor(lower: ServerCall, advertise: Advertise) {
    super(lower);
    this.#advertise = advertise;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#asked = metadata.get(ACCEPT_KEY).length > 0;
    if (this.#asked) metadata.remove(ACCEPT_KEY);
    this.upper.onReceiveMetadata(metadata);
  }
  override sendStatus(status: ServerStatus): void {
    this.lower.sendStatus(this.#asked ? { ...status, metadata: this.#advertise(status.metadata ?? undefined) ?? null } : status);
  }
}

/** An error's own metadata becomes its trailers; keep it when we add to them. */
function trailersOf(error: Parameters<sendUnaryData<unknown>>[0]): Metadata | undefined {
  return error !== null && 'metadata' in error ? (error.metadata ?? undefined) : undefined;
}

/** Wraps a handler of another kind: a rejected promise ends the call with its status. */
export function guardStream(handler: AnyHandler, kind: MethodKind): AnyHandler {
  if (kind === 'clientStream') {
    const inner = handler as (call: unknown, callback: sendUnaryData<unknown>) => unknown;
    const guarded = (call: unknown, callback: sendUnaryData<unknown>): void => {
      const returned = inner(call, callback);
      if (isThenable(returned)) returned.then(undefined, (reason: unknown) => callback(rejectionToError(reason)));
    };
    return guarded as AnyHandler;
  }
  const inner = handler as (call: { emit(event: 'error', error: unknown): void }) => unknown;
  const guarded = (call: { emit(event: 'error', error: unknown): void }): void => {
    const returned = inner(call);
    if (isThenable(returned)) returned.then(undefined, (reason: unknown) => call.emit('error', rejectionToError(reason)));
  };
  return guarded as AnyHandler;
}

/** The trailers with our capability in them. The caller's object is not touched. */
export function withCapability(trailers: Metadata | undefined, make: () => Metadata, capability: string): Metadata {
  const out = trailers === undefined ? make() : trailers.clone();
  out.set(CAPABILITY_KEY, capability);
  return out;
}
