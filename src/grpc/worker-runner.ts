/**
 * Runs handlers inside a worker thread: calls in, results out.
 *
 * Handlers run one after the other, and after a millisecond of them the port gets its turn, so that results go out and
 * cancellations come in between. Results of one turn go in one message. Every handler starts in the context of
 * nobody, whatever an earlier one has entered.
 *
 * @packageDocumentation
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { ServerErrorResponse, sendUnaryData } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import { REASON_KEY } from '../errors.ts';
import { loadOtel } from '../observe/api.ts';
import { LATE } from '../workers/refusals.ts';
import { toGrpcDeadline } from './door.ts';
import { errorToStatus, rejectionToError } from './run-unary.ts';
import type { ServerStatus } from './server-call.ts';
import { ThreadCall } from './worker-call.ts';
import type { ThreadHandlers, ThreadMethod } from './worker-handlers.ts';
import {
  AS_OBJECT,
  BAD_REQUEST,
  BAD_RESPONSE,
  type FromThread,
  fromValues,
  NO_MESSAGE,
  pack,
  type ResultItem,
  type ToThread,
  toValues,
  type Values,
  type WorkItem,
} from './worker-messages.ts';

/** Handlers run for so long before the port gets its turn. */
const TURN_MS = 1;

/** The thread's end of the port. */
export interface ResultPort {
  postMessage(message: FromThread, transfer?: ArrayBuffer[]): void;
}

/** A call that was taken out of its message and has not begun. */
interface Queued {
  readonly item: WorkItem;
  readonly bytes: Buffer;
  readonly deadlineMs: number;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

const outside = AsyncLocalStorage.snapshot();
/** Each time a resource of its own: on Node 22 what a handler enters (`enterWith`) stays with the resource it ran in. */
const inNobodysContext = (fn: () => void): void => outside(() => new AsyncResource('inmesh.item').runInAsyncScope(fn));

const LATE_TRAILERS: Values = [REASON_KEY, LATE.reason];

export class ThreadRunner {
  readonly #handlers: ThreadHandlers;
  readonly #port: ResultPort;
  readonly #clock: Clock;
  /** Begun or not, by id; in the order in which they came. */
  readonly #queued = new Map<number, Queued>();
  readonly #running = new Map<number, ThreadCall>();
  #results: ResultItem[] = [];
  #parts: Uint8Array[] = [];
  #pumping = false;
  #startedMs = 0;
  #flushing = false;

  constructor(handlers: ThreadHandlers, port: ResultPort, clock: Clock) {
    this.#handlers = handlers;
    this.#port = port;
    this.#clock = clock;
  }

  /** Takes a message of the main thread. */
  receive(message: ToThread): void {
    if (message.kind === 'cancel') {
      for (const id of message.ids) this.#cancel(id);
      return;
    }
    const nowMs = this.#clock.nowMs();
    let at = 0;
    for (const item of message.items) {
      const [id, , , , remainingMs, length] = item;
      const size = Math.max(0, length);
      this.#queued.set(id, { item, bytes: Buffer.from(message.bytes, at, size), deadlineMs: nowMs + remainingMs });
      at += size;
    }
    if (!this.#pumping) this.#pump();
  }

  /** Posts what is finished: at the end of a turn, and before the thread ends. */
  flush(): void {
    this.#flushing = false;
    const items = this.#results;
    if (items.length === 0) return;
    const bytes = pack(this.#parts);
    this.#results = [];
    this.#parts = [];
    try {
      this.#port.postMessage({ kind: 'results', bytes, items }, [bytes]);
    } catch {
      this.#flushSingly(bytes, items);
    }
  }
  /** A response that can't be cloned must not take the others along. */
  #flushSingly(bytes: ArrayBuffer, items: readonly ResultItem[]): void {
    let at = 0;
    for (const item of items) {
      const size = Math.max(0, item[3]);
      const own = bytes.slice(at, at + size);
      at += size;
      try {
        this.#port.postMessage({ kind: 'results', bytes: own, items: [item] }, [own]);
      } catch {
        const failed: ResultItem = [item[0], Code.INTERNAL, BAD_RESPONSE, NO_MESSAGE, undefined, undefined, undefined];
        this.#port.postMessage({ kind: 'results', bytes: new ArrayBuffer(0), items: [failed] });
      }
    }
  }

  #pump(): void {
    this.#pumping = true;
    this.flush();
    this.#startedMs = this.#clock.nowMs();
    this.#step();
  }
  /** One handler; what it has finished by then is a result before the next one, which may end the thread, begins. */
  #step(): void {
    for (const [id, queued] of this.#queued) {
      this.#queued.delete(id);
      this.#run(queued);
      if (this.#clock.nowMs() - this.#startedMs < TURN_MS) queueMicrotask(() => this.#step());
      else this.#clock.endOfTurn(() => this.#pump());
      return;
    }
    this.#pumping = false;
  }

  #cancel(id: number): void {
    const call = this.#running.get(id);
    if (call === undefined && !this.#queued.delete(id)) return; // its result is under way
    this.#running.delete(id);
    this.#push(id, { code: Code.CANCELLED, details: 'Cancelled' }, undefined);
    if (call !== undefined) inNobodysContext(() => call.cancel());
  }

  #run({ item, bytes, deadlineMs }: Queued): void {
    const [id, path, peer, host, , length, metadata, trace, object] = item;
    if (isLate(deadlineMs, this.#clock.nowMs())) {
      this.#results.push([id, LATE.code, LATE.details, NO_MESSAGE, undefined, LATE_TRAILERS, undefined]);
      this.#flushSoon();
      return;
    }
    const method = this.#handlers.find(path);
    if (method === undefined) {
      this.#push(id, { code: Code.UNIMPLEMENTED, details: `The server does not implement the method ${path}` }, undefined);
      return;
    }
    let request: unknown = object;
    if (length !== AS_OBJECT) {
      try {
        request = method.codec?.requestDeserialize(bytes);
      } catch {
        this.#push(id, { code: Code.INTERNAL, details: BAD_REQUEST }, undefined);
        return;
      }
    }
    const call = new ThreadCall({
      request,
      metadata: fromValues(metadata),
      traceContext: trace ?? {},
      deadline: toGrpcDeadline(deadlineMs, this.#clock),
      path,
      peer,
      host,
    });
    this.#running.set(id, call);
    const asObject = length === AS_OBJECT;
    inNobodysContext(() => inTrace(trace, () => this.#call(id, call, method, asObject)));
  }

  #call(id: number, call: ThreadCall, { handler, codec }: ThreadMethod, asObject: boolean): void {
    const fails = (status: Partial<ServerStatus>): void => this.#finish(id, call, status);
    const answers = (value: unknown, trailers = call.trailersMade): void => {
      let response: unknown = value;
      if (!asObject && codec !== undefined) {
        try {
          response = codec.responseSerialize(value);
        } catch {
          fails({ code: Code.INTERNAL, details: BAD_RESPONSE });
          return;
        }
      }
      this.#finish(id, call, { code: Code.OK, details: 'OK', metadata: trailers ?? null }, asObject ? { object: response } : response);
    };
    const rejects = (reason: unknown): void => fails(errorToStatus(rejectionToError(reason), trailersFor(reason, call)));
    const takesCallback = handler.length >= 2;
    const respond: sendUnaryData<unknown> = (error, value, trailer) => {
      if (error) fails(errorToStatus(error, trailer ?? trailersFor(error, call)));
      else answers(value, trailer);
    };
    let returned: unknown;
    try {
      returned = handler(call, takesCallback ? respond : undefined);
    } catch (error) {
      // As on the main thread: of a handler with a callback nothing that it throws gets out.
      if (takesCallback) fails({ code: Code.UNKNOWN, details: 'Unknown error' });
      else rejects(error);
      return;
    }
    if (isThenable(returned)) returned.then(takesCallback ? undefined : (value) => answers(value), rejects);
    else if (!takesCallback) answers(returned);
  }

  /** Only the first end counts, and none after a cancellation. */
  #finish(id: number, call: ThreadCall, status: Partial<ServerStatus>, response?: unknown): void {
    if (this.#running.get(id) !== call) return;
    this.#running.delete(id);
    this.#push(id, status, call, response);
  }
  #push(
    id: number,
    { code = Code.UNKNOWN, details = '', metadata }: Partial<ServerStatus>,
    call: ThreadCall | undefined,
    response?: unknown,
  ): void {
    const isBytes = response instanceof Uint8Array;
    const object = isBytes ? undefined : (response as { readonly object: unknown } | undefined)?.object;
    const length = isBytes ? response.length : response === undefined ? NO_MESSAGE : AS_OBJECT;
    if (isBytes) this.#parts.push(response);
    this.#results.push([id, code, details, length, toValues(call?.headers), toValues(metadata), object]);
    this.#flushSoon();
  }
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.endOfTurn(() => this.flush());
  }
}

function trailersFor(error: unknown, call: ThreadCall): ServerErrorResponse['metadata'] {
  const own = typeof error === 'object' && error !== null && 'metadata' in error ? error.metadata : undefined;
  return own === undefined || own === null ? call.trailersMade : undefined;
}

/** Runs `hook` where spans have the call's own for a parent, if the thread has OpenTelemetry. */
function inTrace(trace: WorkItem[7], hook: () => void): void {
  const otel = trace === undefined ? undefined : loadOtel();
  if (otel === undefined) hook();
  else otel.context.with(otel.propagation.extract(otel.ROOT_CONTEXT, trace), hook);
}
