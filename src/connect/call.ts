/**
 * A call of Connect's client as the top of the stack: it starts the call, hears its answer, and ends it when the app does.
 *
 * @packageDocumentation
 */
import { Code as ConnectCode, ConnectError, type UnaryRequest, type UnaryResponse } from '@connectrpc/connect';
import type { Metadata, NextCall, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { CallListener } from '../grpc/client-call.ts';
import { errorOf } from './errors.ts';
import { headersOf } from './headers.ts';

type TopCall = ReturnType<NextCall>;

/** A call of which all is known but its attempts. */
export interface Outgoing<Request> {
  readonly request: Request;
  readonly metadata: Metadata;
  /** Makes the call in the stack, not started. */
  readonly make: () => TopCall;
}

/** Base of both kinds; the app's signal has one listener a call, and none once the call is over. */
export abstract class ConnectCall<Request extends { readonly signal: AbortSignal }> implements CallListener {
  protected readonly request: Request;
  protected readonly call: TopCall;
  protected over = false;

  constructor({ request, make }: Outgoing<Request>) {
    this.request = request;
    this.call = make();
  }

  /** @throws what the stack throws at call sites: a route without a way, options that make no sense. */
  protected begin(metadata: Metadata): void {
    const { signal } = this.request;
    this.call.start(metadata, this);
    if (this.over) return;
    if (signal.aborted) this.handleEvent();
    else signal.addEventListener('abort', this);
  }

  /** The app gave up, or its own time for the call is over. What it is told of that is Connect's to say. */
  handleEvent(): void {
    const { reason } = this.request.signal;
    const isLate = reason instanceof ConnectError && reason.code === ConnectCode.DeadlineExceeded;
    if (isLate) this.call.cancelWithStatus(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
    else this.call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
  }

  abstract onReceiveMetadata(metadata: Metadata): void;
  abstract onReceiveMessage(message: unknown): void;
  /** The end, once. */
  protected abstract ended(status: StatusObject): void;

  onReceiveStatus(status: StatusObject): void {
    this.over = true;
    this.request.signal.removeEventListener('abort', this);
    this.ended(status);
  }
}

/** A unary call. */
class UnaryCall extends ConnectCall<UnaryRequest> {
  readonly #resolve: (response: UnaryResponse) => void;
  readonly #reject: (error: ConnectError) => void;
  #header: Headers = new Headers();
  #message: UnaryResponse['message'] | null = null;

  constructor(outgoing: Outgoing<UnaryRequest>, resolve: (response: UnaryResponse) => void, reject: (error: ConnectError) => void) {
    super(outgoing);
    this.#resolve = resolve;
    this.#reject = reject;
  }
  send(metadata: Metadata): void {
    this.begin(metadata);
    this.call.sendMessage(this.request.message);
    this.call.halfClose();
  }
  override onReceiveMetadata(metadata: Metadata): void {
    this.#header = headersOf(metadata);
  }
  override onReceiveMessage(message: unknown): void {
    this.#message = message as UnaryResponse['message'] | null;
  }
  protected override ended(status: StatusObject): void {
    const { service, method } = this.request;
    const message = this.#message;
    if (status.code !== Code.OK) this.#reject(errorOf(status));
    else if (message === null) this.#reject(new ConnectError('no message received', ConnectCode.Unimplemented));
    else this.#resolve({ stream: false, service, method, header: this.#header, message, trailer: headersOf(status.metadata) });
  }
}

/** Makes a unary call. */
export function callUnary(outgoing: Outgoing<UnaryRequest>): Promise<UnaryResponse> {
  return new Promise((resolve, reject) => new UnaryCall(outgoing, resolve, reject).send(outgoing.metadata));
}
