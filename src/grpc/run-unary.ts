/**
 * Runs a unary handler on top of a server call, with the semantics of grpc-js's own `handleUnary`.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events';
import type { Deadline, handleUnaryCall, Metadata, ServerErrorResponse, ServerUnaryCall, StatusObject, sendUnaryData } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { ServerCall, ServerListener, ServerStatus } from './server-call.ts';

/** The status a handler's error stands for (grpc-js's `serverErrorToStatus`). */
export function errorToStatus(error: ServerErrorResponse | Partial<ServerStatus>, trailers?: Metadata): ServerStatus {
  const { code, details, message, metadata } = error as Partial<ServerStatus> & { message?: string };
  const known = typeof code === 'number' && Number.isInteger(code);
  return {
    code: known ? code : Code.UNKNOWN,
    details: known && typeof details === 'string' ? details : (message ?? 'Unknown Error'),
    metadata: trailers ?? metadata ?? null,
  };
}

/** What a rejected promise of a handler stands for: a status if it is one, else nothing of its text gets out. */
export function rejectionToError(reason: unknown): Partial<StatusObject> {
  const code: unknown = typeof reason === 'object' && reason !== null && 'code' in reason ? reason.code : undefined;
  if (typeof code === 'number' && Number.isInteger(code)) return reason as Partial<StatusObject>;
  return { code: Code.UNKNOWN, details: 'Unknown error' };
}

/** A `ServerUnaryCall` by shape; grpc-js's own is a whole Writable. */
class UnarySurface extends EventEmitter implements ServerUnaryCall<unknown, unknown> {
  cancelled = false;
  readonly metadata: Metadata;
  readonly request: unknown;
  readonly #path: string;
  readonly #call: ServerCall;

  constructor(path: string, call: ServerCall, metadata: Metadata, request: unknown) {
    super();
    this.#path = path;
    this.#call = call;
    this.metadata = metadata;
    this.request = request;
  }
  getPeer(): string {
    return this.#call.getPeer();
  }
  sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata);
  }
  getDeadline(): Deadline {
    return this.#call.getDeadline();
  }
  getPath(): string {
    return this.#path;
  }
  getHost(): string {
    return this.#call.getHost();
  }
  getAuthContext(): ReturnType<ServerCall['getAuthContext']> {
    return this.#call.getAuthContext();
  }
  getMetricsRecorder(): ReturnType<ServerCall['getMetricsRecorder']> {
    return this.#call.getMetricsRecorder();
  }
}

class UnaryRunner implements ServerListener {
  readonly #path: string;
  readonly #handler: handleUnaryCall<unknown, unknown>;
  readonly #call: ServerCall;
  #metadata!: Metadata;
  #request: unknown;
  #surface: UnarySurface | undefined;
  #handling = false;
  /** What the call ends with once its handler has returned, unless that throws. */
  #ending: ServerStatus | undefined;

  constructor(path: string, handler: handleUnaryCall<unknown, unknown>, call: ServerCall) {
    this.#path = path;
    this.#handler = handler;
    this.#call = call;
  }
  onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    this.#call.startRead();
  }
  onReceiveMessage(message: unknown): void {
    this.#request = message;
    this.#call.startRead();
  }
  onReceiveHalfClose(): void {
    if (!this.#request) {
      this.#call.sendStatus({
        code: Code.UNIMPLEMENTED,
        details: `Received no request message for server streaming method ${this.#path}`,
        metadata: null,
      });
      return;
    }
    this.#surface = new UnarySurface(this.#path, this.#call, this.#metadata, this.#request);
    this.#request = undefined;
    this.#handling = true;
    try {
      this.#handler(this.#surface, this.#respond);
    } catch {
      this.#ending = { code: Code.UNKNOWN, details: 'Unknown error', metadata: null };
    }
    this.#handling = false;
    if (this.#ending !== undefined) this.#call.sendStatus(this.#ending);
  }
  onCancel(): void {
    if (this.#surface === undefined) return;
    this.#surface.cancelled = true;
    this.#surface.emit('cancelled', 'cancelled');
  }
  readonly #respond: sendUnaryData<unknown> = (error, value, trailer) => {
    if (error) {
      this.#call.sendStatus(errorToStatus(error, trailer));
      return;
    }
    this.#call.sendMessage(value, () => this.#end({ code: Code.OK, details: 'OK', metadata: trailer ?? null }));
  };
  #end(status: ServerStatus): void {
    if (this.#handling) this.#ending = status;
    else this.#call.sendStatus(status);
  }
}

/** Starts `call` and runs `handler` on it. */
export function runUnary(path: string, handler: handleUnaryCall<unknown, unknown>, call: ServerCall): void {
  call.start(new UnaryRunner(path, handler, call));
}
