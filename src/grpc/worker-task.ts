/**
 * A call on the main thread that is served in a worker thread.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { Metadata, type MethodDefinition, type ServerUnaryCall, type StatusObject, type sendUnaryData } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { remainingMs } from '../deadline/arithmetic.ts';
import { AMBIGUOUS_KEY, type Refusal } from '../errors.ts';
import { PoolTask } from '../workers/task.ts';
import { fromGrpcDeadline } from './door.ts';
import { serverRefusal } from './refuse.ts';
import type { ServerStatus } from './server-call.ts';
import {
  AS_OBJECT,
  BAD_REQUEST,
  BAD_RESPONSE,
  fromValues,
  NO_MESSAGE,
  type ResultItem,
  type TraceContext,
  toValues,
  type WorkItem,
} from './worker-messages.ts';

/** A method as its handler on the main thread knows it. */
export interface WorkerMethod {
  readonly path: string;
  readonly definition: MethodDefinition<unknown, unknown>;
  /** True: the server was given a definition that leaves messages as bytes. False: it reads and writes them itself. */
  readonly bytes: boolean;
}

/** Makes a `WorkItem` of a call; `part` has its bytes, if it goes as bytes. */
export interface Encoded {
  readonly item: WorkItem;
  readonly part: Uint8Array | undefined;
}

export class WorkerTask extends PoolTask {
  readonly id: number;
  readonly laneKey: string;
  readonly deadlineMs: number;
  readonly #method: WorkerMethod;
  readonly #bytes: boolean;
  readonly #call: ServerUnaryCall<unknown, unknown>;
  readonly #callback: sendUnaryData<unknown>;
  readonly #trace: TraceContext | undefined;
  /** Answers come in a thread's message, which belongs to many calls. */
  readonly #scope = new AsyncResource('inmesh.worker');
  #ended = false;

  constructor(
    id: number,
    method: WorkerMethod,
    call: ServerUnaryCall<unknown, unknown>,
    callback: sendUnaryData<unknown>,
    trace: TraceContext | undefined,
    clock: Clock,
  ) {
    super();
    this.id = id;
    this.laneKey = call.getPeer();
    this.deadlineMs = fromGrpcDeadline(call.getDeadline(), clock);
    this.#method = method;
    // The implementation was given to the server with the service's own definition: then messages are read here.
    this.#bytes = method.bytes && call.request instanceof Uint8Array;
    this.#call = call;
    this.#callback = callback;
    this.#trace = trace;
  }

  get path(): string {
    return this.#method.path;
  }
  /** The main thread has its request as bytes. */
  get fromBytes(): boolean {
    return this.#bytes;
  }
  override request(): string {
    const { request } = this.#call;
    const hash = createHash('sha256');
    try {
      hash.update(this.#bytes ? (request as Buffer) : this.#method.definition.requestSerialize(request));
    } catch {
      // It can't be written, so it will never reach a thread.
    }
    return `${this.path} ${hash.digest('base64')}`;
  }
  /** Calls `gone` once if the call is over before it was answered here (grpc-js says "cancelled" after every call). */
  onCancelled(gone: (task: WorkerTask) => void): void {
    this.#call.once('cancelled', () => {
      if (this.#ended) return;
      this.#ended = true;
      gone(this);
    });
  }

  /** The call for its thread; `coded`: which reads messages itself. Undefined: its request can't be read, and it has ended. */
  encode(coded: boolean, clock: Clock): Encoded | undefined {
    const { definition, path } = this.#method;
    const bytes = this.#bytes;
    const { request, metadata } = this.#call;
    let message = request;
    if (bytes !== coded) {
      try {
        message = bytes ? definition.requestDeserialize(request as Buffer) : definition.requestSerialize(request);
      } catch {
        this.#end({ code: Code.INTERNAL, details: BAD_REQUEST });
        return undefined;
      }
    }
    const part = coded ? (message as Uint8Array) : undefined;
    const leftMs = remainingMs(this.deadlineMs, clock.nowMs());
    const length = part?.length ?? AS_OBJECT;
    const object = coded ? undefined : message;
    return { item: [this.id, path, this.laneKey, this.#call.getHost(), leftMs, length, toValues(metadata), this.#trace, object], part };
  }

  /** The thread has answered. `part` are the response's bytes, if it came as bytes. */
  answered([, code, details, length, headers, trailers, object]: ResultItem, part: Buffer): void {
    if (this.#ended) return;
    const metadata = trailers === undefined ? undefined : fromValues(trailers);
    let response: unknown;
    if (length !== NO_MESSAGE) {
      try {
        response = this.#response(length === AS_OBJECT, object, part);
      } catch {
        this.#end({ code: Code.INTERNAL, details: BAD_RESPONSE });
        return;
      }
    }
    if (headers !== undefined) this.#call.sendMetadata(fromValues(headers));
    if (length === NO_MESSAGE) this.#end({ code, details, metadata: metadata ?? null });
    else this.#respond(null, response, metadata);
  }
  #response(isObject: boolean, object: unknown, part: Buffer): unknown {
    const { definition } = this.#method;
    const bytes = this.#bytes;
    if (isObject === !bytes) return isObject ? object : part;
    return bytes ? definition.responseSerialize(object) : definition.responseDeserialize(part);
  }

  /** Its messages can't cross. */
  unsendable(): void {
    this.#end({ code: Code.INTERNAL, details: BAD_REQUEST });
  }
  override refused(why: Refusal): void {
    const status = serverRefusal(why);
    if (!why.unprocessed) status.metadata?.set(AMBIGUOUS_KEY, '1');
    this.#end(status);
  }

  #end({ code, details, metadata }: Partial<ServerStatus>): void {
    const error: Partial<StatusObject> = { code: code ?? Code.UNKNOWN, details: details ?? '', metadata: metadata ?? new Metadata() };
    this.#respond(error);
  }
  #respond(error: Partial<StatusObject> | null, value?: unknown, trailers?: Metadata): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#scope.runInAsyncScope(this.#callback, undefined, error, value, trailers);
  }
}
