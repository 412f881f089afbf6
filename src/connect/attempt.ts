/**
 * One attempt at a call, carried by Connect: the bottom of the stack where grpc-js has its channel.
 *
 * It has the deadline as well, for Connect knows only the app's own, and ends with exactly one status, whatever Connect's
 * promises do later.
 *
 * @packageDocumentation
 */
import { Code as ConnectCode, ConnectError, type Interceptor, type StreamRequest, type UnaryRequest } from '@connectrpc/connect';
import type { Metadata, NextCall, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { NO_DEADLINE } from '../deadline/arithmetic.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { AuthContext, CallListener, MessageContext } from '../grpc/client-call.ts';
import { plainStatus } from '../grpc/refuse.ts';
import { statusOf } from './errors.ts';
import { HeaderMetadata, joinHeaders, type Rest, setTimeoutMs } from './headers.ts';

/** What is below in Connect's chain. */
export type ConnectNext = Parameters<Interceptor>[0];
type ConnectRequest = UnaryRequest | StreamRequest;

/** What all attempts of one call share. */
export interface Carried<Request extends ConnectRequest = ConnectRequest> {
  readonly request: Request;
  readonly next: ConnectNext;
  /** Headers of the request that are no metadata. */
  readonly rest: Rest;
  /** `host:port` of the URL. */
  readonly peer: string;
  readonly clock: Clock;
  readonly due: DeadlineQueue<Expiring>;
}

/** Has a deadline. */
export interface Expiring {
  expire(): void;
}

/** On headers of attempts: a mesh that meets them below another one would square its retries. */
const OURS: unique symbol = Symbol.for('inmesh.connect-attempt');

/** The request is an attempt of a mesh already. */
export function isAttempt({ header }: ConnectRequest): boolean {
  return OURS in header;
}

/** The server, which knows the deadline too, may be first to end a call by it. */
const ROUNDING_MS = 1;

/** Base of both kinds. */
export abstract class ConnectAttempt<Request extends ConnectRequest> implements Expiring {
  protected readonly carried: Carried<Request>;
  readonly #deadlineMs: number;
  readonly #controller = new AbortController();
  #startMs = 0;
  #metadata!: Metadata;
  #listener: Partial<CallListener> | undefined;
  #expiry: DeadlineHandle<Expiring> | undefined;

  /** @param deadlineMs - On `Clock.nowMs`; `Infinity`: none. */
  constructor(carried: Carried<Request>, deadlineMs: number) {
    this.carried = carried;
    this.#deadlineMs = deadlineMs;
  }

  /** Sends nothing more and gives nothing more once it is over. */
  protected get over(): boolean {
    return this.#listener === undefined;
  }

  start(metadata: Metadata, listener: Partial<CallListener> = {}): void {
    const { clock, due } = this.carried;
    this.#metadata = metadata;
    this.#listener = listener;
    this.#startMs = clock.nowMs();
    if (this.#deadlineMs !== NO_DEADLINE) this.#expiry = due.add(this, this.#deadlineMs);
  }
  abstract sendMessageWithContext(context: MessageContext, message: unknown): void;
  abstract halfClose(): void;
  abstract startRead(): void;
  sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }

  /** What differs from the app's request: headers with the time that is left, and a signal for this attempt alone. */
  protected head(): Pick<ConnectRequest, 'header' | 'signal'> {
    const { rest, clock } = this.carried;
    const header = joinHeaders(this.#metadata, rest);
    Reflect.set(header, OURS, true);
    if (this.#deadlineMs !== NO_DEADLINE) setTimeoutMs(header, Math.max(1, this.#deadlineMs - clock.nowMs()));
    return { header, signal: this.#controller.signal };
  }
  protected headers(headers: Headers): void {
    this.#listener?.onReceiveMetadata?.(new HeaderMetadata(headers));
  }
  protected message(message: unknown): void {
    this.#listener?.onReceiveMessage?.(message);
  }
  protected answered(trailers: Headers): void {
    this.#end({ code: Code.OK, details: 'OK', metadata: new HeaderMetadata(trailers) });
  }
  protected failed(reason: unknown): void {
    const status = statusOf(reason);
    const isLate = status.code === Code.UNAVAILABLE && this.#deadlineMs - this.carried.clock.nowMs() <= ROUNDING_MS;
    this.#end(isLate ? this.#lateStatus() : status);
  }

  expire(): void {
    this.#expiry = undefined;
    this.#abort('inmesh: the deadline is over');
    this.#end(this.#lateStatus());
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.over) return;
    this.#abort(details);
    // As grpc-js has it, never within the cancellation itself.
    process.nextTick(() => this.#end(plainStatus(code === Code.OK ? Code.CANCELLED : code, details)));
  }
  getPeer(): string {
    return this.carried.peer;
  }
  getAuthContext(): AuthContext | null {
    return null;
  }

  /** With this code Connect resets the stream as cancelled; with any other, as broken. */
  #abort(details: string): void {
    this.#controller.abort(new ConnectError(details, ConnectCode.Canceled));
  }
  #end(status: StatusObject): void {
    const listener = this.#listener;
    this.#listener = undefined;
    if (this.#expiry !== undefined) this.carried.due.remove(this.#expiry);
    this.#expiry = undefined;
    listener?.onReceiveStatus?.(status);
  }
  #lateStatus(): StatusObject {
    const seconds = ((this.carried.clock.nowMs() - this.#startMs) / 1000).toFixed(3);
    return plainStatus(Code.DEADLINE_EXCEEDED, `Deadline exceeded after ${seconds}s`);
  }
}

/** An attempt at a unary call. */
export class UnaryAttempt extends ConnectAttempt<UnaryRequest> implements ReturnType<NextCall> {
  #message: unknown;

  override sendMessageWithContext({ callback }: MessageContext, message: unknown): void {
    this.#message = message;
    if (callback !== undefined) process.nextTick(callback);
  }
  override startRead(): void {} // its one answer comes unasked
  override halfClose(): void {
    if (this.over) return;
    void this.#ask().then(
      ({ header, message, trailer }) => {
        if (this.over) return;
        this.headers(header);
        this.message(message);
        this.answered(trailer);
      },
      (reason: unknown) => this.failed(reason),
    );
  }
  async #ask(): ReturnType<ConnectNext> {
    const { request, next } = this.carried;
    return next({ ...request, ...this.head(), message: this.#message } as UnaryRequest);
  }
}
