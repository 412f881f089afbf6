/**
 * Answers that go on: server-sent events, or lines of JSON. So many at a time; who does not read is let go.
 *
 * @packageDocumentation
 */
import type { ServerResponse } from 'node:http';
import type { CancelTimer, Clock } from '../clock.ts';
import { HttpError } from './http-error.ts';

/** How a stream is written. */
export type StreamFormat = 'sse' | 'ndjson';

/** One open stream, for whoever has something to tell. */
export interface Sink {
  /** Sends one thing. The promise, if there is one, is pending until the reader has caught up. */
  send(event: string, data: unknown, id?: number): Promise<void> | undefined;
}

/** Begins to tell; gives what ends that. */
export type Telling = (sink: Sink) => () => void;

/** Streams open at a time. */
export const MAX_STREAMS = 64;
/** A sign of life so often, so that both ends notice when the other is gone. */
export const HEARTBEAT_MS = 15_000;
/** More bytes than that unread, and the reader is let go. */
const MAX_UNREAD_BYTES = 1 << 20;
/** What a browser waits before it connects again. */
const RETRY_MS = 1_000;

export const CONTENT_TYPES: Readonly<Record<StreamFormat, string>> = {
  sse: 'text/event-stream; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/** The streams of one server. */
export class Streams {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #open = new Set<Stream>();
  #cancelBeat: CancelTimer | undefined;

  /** @param max - Whole number >= 1. @defaultValue 64 */
  constructor(clock: Clock, max: number = MAX_STREAMS) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Streams that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** @throws HttpError when there is no room for another one. */
  checkRoom(): void {
    if (this.#open.size >= this.#max)
      throw new HttpError('TOO_MANY_STREAMS', `${this.#max} streams are open, and no more are served`, { 'retry-after': '5' });
  }

  /** Answers with a stream. The headers have been written. */
  open(response: ServerResponse, format: StreamFormat, tell: Telling): void {
    const stream = new Stream(response, format);
    this.#open.add(stream);
    const end = tell(stream);
    response.once('close', () => {
      this.#open.delete(stream);
      stream.caughtUp();
      end();
      if (this.#open.size > 0) return;
      this.#cancelBeat?.();
      this.#cancelBeat = undefined;
    });
    this.#cancelBeat ??= this.#clock.setTimer(this.#beat, HEARTBEAT_MS);
  }

  /** Ends all of them. */
  close(): void {
    for (const stream of this.#open) stream.end();
  }

  readonly #beat = (): void => {
    this.#cancelBeat = this.#clock.setTimer(this.#beat, HEARTBEAT_MS);
    for (const stream of this.#open) stream.beat();
  };
}

class Stream implements Sink {
  readonly #response: ServerResponse;
  readonly #format: StreamFormat;
  #catchingUp: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #missedBeat = false;

  constructor(response: ServerResponse, format: StreamFormat) {
    this.#response = response;
    this.#format = format;
    response.on('drain', () => this.caughtUp());
    if (format === 'sse') void this.#write(`retry: ${RETRY_MS}\n\n`);
    else response.flushHeaders();
  }
  send(event: string, data: unknown, id?: number): Promise<void> | undefined {
    const json = JSON.stringify(data);
    if (this.#format === 'ndjson') return this.#write(`${json}\n`);
    return this.#write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`);
  }
  beat(): void {
    if (this.#response.writableNeedDrain && this.#missedBeat) {
      this.#response.destroy();
      return;
    }
    this.#missedBeat = this.#response.writableNeedDrain;
    void this.#write(this.#format === 'sse' ? ':\n\n' : '\n');
  }
  end(): void {
    this.#response.end();
  }
  /** Nobody waits for the reader any more. */
  caughtUp(): void {
    this.#catchingUp?.resolve();
    this.#catchingUp = undefined;
  }
  #write(text: string): Promise<void> | undefined {
    if (this.#response.destroyed || this.#response.writableEnded) return undefined;
    if (this.#response.writableLength > MAX_UNREAD_BYTES) {
      this.#response.destroy();
      return undefined;
    }
    if (this.#response.write(text)) return undefined;
    this.#catchingUp ??= Promise.withResolvers<void>();
    return this.#catchingUp.promise;
  }
}
