/**
 * A call inside a worker thread, as its handler sees it.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events';
import { type Deadline, Metadata } from '@grpc/grpc-js';
import { UsageError } from '../errors.ts';
import type { TraceContext } from './worker-messages.ts';

/**
 * A call that is served in a worker thread: grpc-js's `ServerUnaryCall`, and some. What the connection's credentials say is
 * not there (`getAuthContext` throws): interceptors decide, and they run on the main thread before the call gets here.
 */
export interface WorkerCall<Request = unknown> extends EventEmitter {
  readonly request: Request;
  readonly metadata: Metadata;
  /** True once nobody waits for the answer. The event `cancelled` says the same. */
  readonly cancelled: boolean;
  /** Aborted when the call is cancelled or its time is over. */
  readonly signal: AbortSignal;
  /** Sent with the answer, whatever it is, unless a callback or an error brings its own. */
  readonly trailers: Metadata;
  /** The span that the call has on the main thread, as the application's propagator writes it; empty without one. */
  readonly traceContext: TraceContext;
  /** A date in ms since 1970, or `Infinity`. */
  getDeadline(): Deadline;
  getPath(): string;
  getPeer(): string;
  getHost(): string;
  /** Headers of the response. They go out together with it; the last ones count. */
  sendMetadata(metadata: Metadata): void;
}

/** A handler as a plain function: gives the response, or throws an error with a gRPC `code`. */
export type WorkerHandler<Request = unknown, Response = unknown> = (call: WorkerCall<Request>) => Response | Promise<Response>;

/** What a thread is told of a call. */
export interface CallFacts {
  readonly request: unknown;
  readonly metadata: Metadata;
  readonly traceContext: TraceContext;
  readonly deadline: Deadline;
  readonly path: string;
  readonly peer: string;
  readonly host: string;
}

export class ThreadCall extends EventEmitter implements WorkerCall {
  readonly request: unknown;
  readonly metadata: Metadata;
  readonly traceContext: TraceContext;
  cancelled = false;
  headers: Metadata | undefined = undefined;
  readonly #facts: CallFacts;
  #trailers: Metadata | undefined;
  #abort: AbortController | undefined;

  constructor(facts: CallFacts) {
    super();
    this.#facts = facts;
    this.request = facts.request;
    this.metadata = facts.metadata;
    this.traceContext = facts.traceContext;
  }
  /** Made when it is asked for: it is dear, and few handlers look. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.cancelled) this.#abort.abort();
    }
    return this.#abort.signal;
  }
  get trailers(): Metadata {
    this.#trailers ??= new Metadata();
    return this.#trailers;
  }
  /** Undefined: nobody has asked for them. */
  get trailersMade(): Metadata | undefined {
    return this.#trailers;
  }
  cancel(): void {
    this.cancelled = true;
    this.#abort?.abort();
    this.emit('cancelled', 'cancelled');
  }
  sendMetadata(metadata: Metadata): void {
    this.headers = metadata;
  }
  getDeadline(): Deadline {
    return this.#facts.deadline;
  }
  getPath(): string {
    return this.#facts.path;
  }
  getPeer(): string {
    return this.#facts.peer;
  }
  getHost(): string {
    return this.#facts.host;
  }
  getAuthContext(): never {
    throw new UsageError('call.getAuthContext(): not in a worker thread; let an interceptor look at it, on the main thread');
  }
  getMetricsRecorder(): never {
    throw new UsageError('call.getMetricsRecorder(): not in a worker thread');
  }
}
