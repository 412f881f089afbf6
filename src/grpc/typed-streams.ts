/**
 * Streams of a typed client: grpc-js's events as async iterables, with back-pressure both ways.
 *
 * A stream begins when its first answer is asked for, as with an async generator. Whoever stops listening cancels it; when it
 * ends early, the app's requests are not asked for any more.
 *
 * @packageDocumentation
 */
import type { ClientDuplexStream, ClientReadableStream, ClientWritableStream, ServiceError } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { plainStatus } from './refuse.ts';
import { serviceError } from './service-error.ts';

/** What an app sends on a stream. */
export type Requests<Request> = AsyncIterable<Request> | Iterable<Request>;
/** Where answers come from. */
export type Readable<Response> = ClientReadableStream<Response> | ClientDuplexStream<never, Response>;
/** Where requests go. */
export type Writable<Request> = ClientWritableStream<Request> | ClientDuplexStream<Request, unknown>;

const ABORTED = 'Cancelled on client';

/** The error of a call whose signal has spoken; its `cause` is the signal's reason. */
export function abortedError(signal: AbortSignal): ServiceError {
  return because(serviceError(plainStatus(Code.CANCELLED, ABORTED), undefined), signal);
}

/** The same error; if the call was cancelled by its signal, with that as the cause. */
export function because<E>(error: E, signal: AbortSignal | undefined): E {
  if (signal?.aborted === true && error instanceof Error && Reflect.get(error, 'code') === Code.CANCELLED) error.cause = signal.reason;
  return error;
}

/** Cancels the call when the signal speaks. Gives what undoes it. */
export function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  if (signal === undefined) return () => {};
  const cancel = (): void => call.cancel();
  signal.addEventListener('abort', cancel);
  return () => signal.removeEventListener('abort', cancel);
}

/** The answers of a stream that `open` begins. Throws the call's own `ServiceError`. */
export async function* answersOf<Response>(
  open: () => { readonly call: Readable<Response>; readonly sent?: Promise<void> },
  signal: AbortSignal | undefined,
): AsyncGenerator<Response, void, undefined> {
  if (signal?.aborted === true) throw abortedError(signal);
  const { call, sent } = open();
  call.on('error', ignore); // one that comes after the app has turned away concerns nobody
  const undo = cancelOn(signal, call);
  let failure: { readonly error: unknown } | undefined;
  // The app's own requests failed: that is what it is told, not that the call was cancelled for it.
  sent?.catch((error: unknown) => {
    failure = { error };
    call.cancel();
  });
  let whole = false;
  try {
    yield* call as AsyncIterable<Response>;
    whole = true;
  } catch (error) {
    whole = true;
    throw failure === undefined ? because(error, signal) : failure.error;
  } finally {
    undo();
    if (!whole) call.cancel();
  }
}

/** Sends all requests and closes the half, unless the call ends before. Rejects with what the requests throw. */
export async function sendAll<Request>(call: Writable<Request>, requests: Requests<Request>): Promise<void> {
  const end = new CallEnd(call);
  const iterator = Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
  for (;;) {
    const next = await end.or(iterator.next());
    if (next === undefined) {
      await iterator.return?.();
      return;
    }
    if (next.done === true) break;
    if (!call.write(next.value)) await end.or(new Promise<void>((resolve) => call.once('drain', resolve)));
  }
  call.end();
}

/** Waits for things, or for the end of a call. One waiter at a time, and nothing left behind by a wait that is over. */
class CallEnd {
  #over = false;
  #wake: (() => void) | undefined;

  constructor(call: Writable<never> | Writable<unknown>) {
    call.once('status', () => {
      this.#over = true;
      this.#wake?.();
    });
  }
  /** Undefined: the call has ended. */
  async or<T>(wanted: T | PromiseLike<T>): Promise<T | undefined> {
    if (this.#over) return undefined;
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      Promise.resolve(wanted).then(resolve, reject);
    });
  }
}

const ignore = (): void => {};
