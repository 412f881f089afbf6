/**
 * One attempt at a stream. Back-pressure goes through both ways: Connect asks for the next message to send when it has written the
 * last, and is asked for the next answer when the app asks.
 *
 * @packageDocumentation
 */
import type { StreamRequest, StreamResponse } from '@connectrpc/connect';
import type { Metadata, NextCall } from '@grpc/grpc-js';
import type { CallListener, MessageContext } from '../grpc/client-call.ts';
import { type Carried, ConnectAttempt, type ConnectNext } from './attempt.ts';

interface Sent {
  readonly context: MessageContext;
  readonly message: unknown;
}

export class StreamAttempt extends ConnectAttempt<StreamRequest> implements ReturnType<NextCall> {
  /** One answer, which comes unasked. */
  readonly #single: boolean;
  readonly #sent: Sent[] = [];
  /** Connect waits for a message to send. */
  #asks: ((next: IteratorResult<unknown, undefined>) => void) | undefined;
  #halfClosed = false;
  #answers: AsyncIterator<unknown> | undefined;
  #trailers: Headers = new Headers();
  #reads = 0;
  #reading = false;

  constructor(carried: Carried<StreamRequest>, deadlineMs: number, single: boolean) {
    super(carried, deadlineMs);
    this.#single = single;
  }

  override start(metadata: Metadata, listener?: Partial<CallListener>): void {
    super.start(metadata, listener);
    void this.#ask().then(
      (response) => this.#opened(response as StreamResponse),
      (reason: unknown) => this.failed(reason),
    );
  }
  async #ask(): ReturnType<ConnectNext> {
    const { request, next } = this.carried;
    // Connect asks for `throw`, to tell of a stream that broke; how it ended is heard from its answer.
    const iterator = { next: () => this.#nextToSend(), throw: (reason: unknown) => Promise.reject(reason) };
    const message = { [Symbol.asyncIterator]: () => iterator };
    return next({ ...request, ...this.head(), message } as StreamRequest);
  }
  #opened({ header, trailer, message }: StreamResponse): void {
    if (this.over) return;
    this.#trailers = trailer;
    this.#answers = message[Symbol.asyncIterator]();
    this.headers(header);
    this.#read();
  }

  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#sent.push({ context, message });
    this.#give();
  }
  override halfClose(): void {
    this.#halfClosed = true;
    this.#give();
  }
  #nextToSend(): Promise<IteratorResult<unknown, undefined>> {
    return new Promise((resolve) => {
      this.#asks = resolve;
      this.#give();
    });
  }
  /** Nothing goes out any more once it is over: a half-close now would make a whole request of a part. */
  #give(): void {
    const asks = this.#asks;
    if (asks === undefined || this.over) return;
    const sent = this.#sent.shift();
    if (sent === undefined && !this.#halfClosed) return;
    this.#asks = undefined;
    if (sent === undefined) {
      asks({ done: true, value: undefined });
      return;
    }
    asks({ done: false, value: sent.message });
    if (sent.context.callback !== undefined) process.nextTick(sent.context.callback);
  }

  override startRead(): void {
    this.#reads++;
    this.#read();
  }
  #read(): void {
    if (this.#answers === undefined || this.#reading || this.over || (this.#reads === 0 && !this.#single)) return;
    this.#reading = true;
    this.#answers.next().then(
      ({ done, value }) => {
        this.#reading = false;
        if (this.over) return;
        if (done === true) {
          this.answered(this.#trailers);
          return;
        }
        this.#reads--;
        this.message(value);
        this.#read();
      },
      (reason: unknown) => this.failed(reason),
    );
  }
}
