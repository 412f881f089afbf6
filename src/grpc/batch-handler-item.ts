/**
 * One call in a batch handler: what the handler sees of it, and its way back to the caller.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import { Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { Gathered } from '../batch/gather.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { late, type Refusal, refusal } from '../errors.ts';
import type { ItemSpan } from '../observe/gather-span.ts';
import type { ItemReply } from './batch-handler-reply.ts';
import { fromGrpcDeadline } from './door.ts';
import { serverRefusal } from './refuse.ts';

/** One call, as a batch handler sees it. */
export interface BatchItem<Request = unknown> {
  readonly request: Request;
  /** The call's own metadata. */
  readonly metadata: Metadata;
  /** When the call's time is over, in ms since 1970; Infinity: never. Kept by the mesh: such a call ends at its time. */
  readonly deadline: number;
  /** Aborted when the call is cancelled or its time is over; its result is then of no use. Built when asked for. */
  readonly signal: AbortSignal;
  /** Trailers of the call, for a response and for an error. Built when asked for. */
  readonly trailers: Metadata;
  /** The call itself: peer, auth context, path, `sendMetadata`. */
  readonly call: ServerUnaryCall<Request, unknown>;
}

export class GatheredCall<Request, Response> implements BatchItem<Request>, Gathered {
  readonly call: ServerUnaryCall<Request, Response>;
  readonly deadlineMs: number;
  /** The span that the call is served in. */
  readonly span: ItemSpan | undefined;
  slot = -1;
  readonly size = 0;
  gather: Gathered['gather'] = undefined;
  run: Gathered['run'] = undefined;
  expiry: Gathered['expiry'] = undefined;
  readonly #callback: sendUnaryData<Response>;
  /** The call's own context: what ends it runs in another's or in nobody's. */
  readonly #scope = new AsyncResource('inmesh.gathered');
  #trailers: Metadata | undefined;
  #controller: AbortController | undefined;
  #gone = false;

  constructor(call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>, clock: Clock, span: ItemSpan | undefined) {
    this.call = call;
    this.#callback = callback;
    this.span = span;
    this.deadlineMs = fromGrpcDeadline(call.getDeadline(), clock);
  }

  get request(): Request {
    return this.call.request;
  }
  get metadata(): Metadata {
    return this.call.metadata;
  }
  get deadline(): number {
    return Number(this.call.getDeadline());
  }
  get trailers(): Metadata {
    this.#trailers ??= new Metadata();
    return this.#trailers;
  }
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  refused(): void {
    this.#refuse(refusal(Code.RESOURCE_EXHAUSTED, 'server.gather/queue-full', `too many calls of ${this.call.getPath()} wait for a batch`));
  }
  expired(running: boolean): void {
    this.#leave();
    if (running) this.#respond({ code: Code.DEADLINE_EXCEEDED, details: 'Deadline exceeded' });
    else this.#refuse(late('server.gather/deadline', `the deadline ended while the call waited for a batch of ${this.call.getPath()}`));
  }
  /** The caller is gone, or the call is over (grpc-js says the same of both): `leave` knows which. */
  cancelled(leave: () => void): void {
    if (this.gather === undefined) return;
    this.#leave();
    leave();
  }
  settle(reply: ItemReply): void {
    const trailers = this.#trailers;
    if (reply.error === undefined) {
      this.#scope.runInAsyncScope(this.#callback, undefined, null, reply.value as Response, trailers);
      return;
    }
    const { metadata } = reply.error;
    if (metadata !== undefined && trailers !== undefined) trailers.merge(metadata);
    this.#respond(reply.error, trailers);
  }

  #leave(): void {
    this.#gone = true;
    this.#controller?.abort();
  }
  #refuse(why: Refusal): void {
    const { code, details, metadata } = serverRefusal(why);
    this.#respond({ code, details, metadata: metadata ?? undefined });
  }
  #respond({ code, details, metadata }: NonNullable<ItemReply['error']>, trailers: Metadata | undefined = metadata): void {
    this.#scope.runInAsyncScope(this.#callback, undefined, { code, details }, null, trailers);
  }
}
