/**
 * One item of a batch as the bottom of a server interceptor chain: it plays the part of grpc-js's
 * `BaseServerInterceptingCall`, so that an item meets the same interceptors and the same handler as a call of its own.
 *
 * @packageDocumentation
 */
import type { Deadline, Metadata } from '@grpc/grpc-js';
import type { WireResult } from '../batch/reply-codec.ts';
import { Code } from '../call.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { toEntries } from './metadata.ts';
import type { ServerCall, ServerListener, ServerStatus } from './server-call.ts';

/** What grpc-js knows of a registered unary handler. */
export interface UnaryCodec {
  readonly serialize: (value: unknown) => Buffer;
  readonly deserialize: (bytes: Buffer) => unknown;
}

/** The facts of the carrier that its items inherit, read once per carrier. */
export interface CarrierFacts {
  readonly peer: string;
  readonly host: string;
  readonly call: Pick<ServerCall, 'getAuthContext' | 'getMetricsRecorder'>;
  readonly connection: ReturnType<ServerCall['getConnectionInfo']>;
  readonly maxReplyBytes: number;
}

/** Takes the result of an item. */
export interface ResultSink {
  /** Once for each item; whoever started it is to tell it that it is over (`tellCancelled`), in another turn. */
  finished(call: VirtualServerCall, result: WireResult): void;
}

export class VirtualServerCall implements ServerCall {
  readonly id: number;
  readonly requestBytes: number;
  readonly #carrier: CarrierFacts;
  readonly #codec: UnaryCodec;
  readonly #deadline: Deadline;
  readonly #sink: ResultSink;
  readonly #atOnce: boolean;
  /** The item's place among the deadlines, kept here for whoever put it there. */
  expiry: DeadlineHandle<VirtualServerCall> | undefined;
  #metadata: Metadata;
  #request: Buffer;
  #listener: ServerListener | undefined;
  #headers: Metadata | undefined;
  #response: Buffer | undefined;
  #messageSent = false;
  #reads = 0;
  #over = false;

  /** @param atOnce - Whoever sends the message bears to be called back before `sendMessage` returns. */
  constructor(
    id: number,
    carrier: CarrierFacts,
    codec: UnaryCodec,
    metadata: Metadata,
    request: Buffer,
    deadline: Deadline,
    sink: ResultSink,
    atOnce: boolean,
  ) {
    this.id = id;
    this.#carrier = carrier;
    this.#codec = codec;
    this.#metadata = metadata;
    this.#request = request;
    this.requestBytes = request.length;
    this.#deadline = deadline;
    this.#sink = sink;
    this.#atOnce = atOnce;
  }

  start(listener: ServerListener): void {
    if (this.#over) return;
    this.#listener = listener;
    listener.onReceiveMetadata(this.#metadata);
  }
  startRead(): void {
    if (this.#over || this.#listener === undefined) return;
    this.#reads++;
    if (this.#reads === 1) {
      let message: unknown;
      try {
        message = this.#codec.deserialize(this.#request);
      } catch {
        this.#end(Code.INTERNAL, 'Error deserializing request');
        return;
      }
      this.#listener.onReceiveMessage(message);
    } else if (this.#reads === 2) this.#listener.onReceiveHalfClose();
  }
  sendMetadata(metadata: Metadata): void {
    if (!this.#over && !this.#messageSent) this.#headers ??= metadata; // on the wire they would be gone with the message
  }
  sendMessage(message: unknown, callback: () => void): void {
    if (this.#over) return;
    this.#messageSent = true;
    let response: Buffer;
    try {
      response = this.#codec.serialize(message);
    } catch {
      this.#end(Code.INTERNAL, 'Error serializing response');
      return;
    }
    if (response.length > this.#carrier.maxReplyBytes) {
      // What the client's own limit would have said of a plain reply.
      this.#end(Code.RESOURCE_EXHAUSTED, `Received message larger than max (${response.length} vs ${this.#carrier.maxReplyBytes})`);
      return;
    }
    this.#response = response;
    // grpc-js calls back once the message is written, never sooner; an interceptor may count on that.
    if (this.#atOnce) callback();
    else process.nextTick(callback);
  }
  sendStatus(status: ServerStatus): void {
    this.#end(status.code, status.details, status.metadata);
  }
  /** The batch's client is gone, or the item's own time is over. */
  abort(code: number, details: string): void {
    this.#end(code, details);
  }
  get over(): boolean {
    return this.#over;
  }
  /** grpc-js tells interceptors and handlers "cancelled" after every call, and after the status. */
  tellCancelled(): void {
    this.#listener?.onCancel();
  }

  #end(code: number, details: string, trailers?: Metadata | null): void {
    if (this.#over) return;
    this.#over = true;
    const response = this.#response;
    const headers = this.#headers;
    this.#request = EMPTY;
    this.#response = this.#headers = undefined;
    this.#sink.finished(this, {
      id: this.id,
      code,
      details: code === Code.OK && details === 'OK' ? '' : details,
      response,
      headers: toEntries(headers),
      trailers: toEntries(trailers),
    });
  }

  getPeer(): string {
    return this.#carrier.peer;
  }
  getDeadline(): Deadline {
    return this.#deadline;
  }
  getHost(): string {
    return this.#carrier.host;
  }
  getAuthContext(): ReturnType<ServerCall['getAuthContext']> {
    return this.#carrier.call.getAuthContext();
  }
  getConnectionInfo(): ReturnType<ServerCall['getConnectionInfo']> {
    return this.#carrier.connection;
  }
  getMetricsRecorder(): ReturnType<ServerCall['getMetricsRecorder']> {
    return this.#carrier.call.getMetricsRecorder();
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
