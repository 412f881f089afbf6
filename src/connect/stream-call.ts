/**
 * A stream of Connect's client as the top of the stack.
 *
 * @packageDocumentation
 */
import { ConnectError, type StreamRequest, type StreamResponse } from '@connectrpc/connect';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { ConnectCall, type Outgoing } from './call.ts';
import { errorOf } from './errors.ts';
import { headersOf } from './headers.ts';

type Answer = IteratorResult<StreamMessage, undefined>;
type StreamMessage = StreamResponse['message'] extends AsyncIterable<infer Message> ? Message : never;

interface Waiter {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ConnectError) => void;
}

const DONE: Answer = Object.freeze({ done: true, value: undefined });

class StreamCall extends ConnectCall<StreamRequest> {
  readonly #opened: (response: StreamResponse) => void;
  readonly #failed: (error: ConnectError) => void;
  readonly #trailer = new Headers();
  readonly #messages: StreamMessage[] = [];
  readonly #waiters: Waiter[] = [];
  /** Messages that the stack was asked for and has not given. */
  #reads = 0;
  #isOpen = false;
  /** `undefined` while it is not over; `null`: it went well. */
  #end: ConnectError | null | undefined;
  /** What the app's own requests threw. */
  #thrown: ConnectError | undefined;

  constructor(outgoing: Outgoing<StreamRequest>, opened: (response: StreamResponse) => void, failed: (error: ConnectError) => void) {
    super(outgoing);
    this.#opened = opened;
    this.#failed = failed;
  }
  send(metadata: Metadata): void {
    this.begin(metadata);
    this.#read(); // a hedged stream shows its headers with its first message
    void this.#sendAll();
  }

  /** One at a time, each when the one before it was taken. */
  async #sendAll(): Promise<void> {
    try {
      for await (const message of this.request.message) {
        if (this.over) return;
        await new Promise<void>((resolve) => this.call.sendMessageWithContext({ callback: () => resolve() }, message));
      }
      if (!this.over) this.call.halfClose();
    } catch (error) {
      if (this.over) return;
      this.#thrown = ConnectError.from(error);
      this.call.cancelWithStatus(Code.CANCELLED, 'the requests of the app failed');
    }
  }

  override onReceiveMetadata(metadata: Metadata): void {
    this.#open(headersOf(metadata));
  }
  #read(): void {
    this.#reads++;
    this.call.startRead();
  }
  override onReceiveMessage(message: unknown): void {
    if (message === null) return;
    this.#reads--;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#messages.push(message as StreamMessage);
    else waiter.resolve({ done: false, value: message as StreamMessage });
  }
  protected override ended(status: StatusObject): void {
    const error = status.code === Code.OK ? null : (this.#thrown ?? errorOf(status));
    for (const [key, value] of headersOf(status.metadata)) this.#trailer.append(key, value);
    this.#end = error;
    if (error === null) this.#open(new Headers());
    else if (!this.#isOpen) this.#failed(error);
    for (const waiter of this.#waiters.splice(0)) {
      if (error === null) waiter.resolve(DONE);
      else waiter.reject(error);
    }
  }

  #open(header: Headers): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { service, method } = this.request;
    const message = { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
    this.#opened({ stream: true, service, method, header, trailer: this.#trailer, message });
  }
  #next(): Promise<Answer> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#end === null) return Promise.resolve(DONE);
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#reads < this.#waiters.length) this.#read();
    });
  }
}

/** Makes a stream; resolves when its headers are here. */
export function callStream(outgoing: Outgoing<StreamRequest>): Promise<StreamResponse> {
  return new Promise((resolve, reject) => new StreamCall(outgoing, resolve, reject).send(outgoing.metadata));
}
