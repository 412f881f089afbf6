/**
 * Served calls with a span, in whose context their handlers run.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import { runIn, type ServedCall } from '../observe/served-span.ts';
import type { ServerSpans } from '../observe/server-spans.ts';
import { handlersAreTraced, servedEnd } from './otel.ts';
import { ForwardingServerCall, type ServerCall, type ServerInfo, type ServerStatus } from './server-call.ts';

export class TracedServerCall extends ForwardingServerCall {
  protected trace: ServedCall | undefined;
  readonly #info: ServerInfo;
  readonly #spans: ServerSpans;

  constructor(info: ServerInfo, lower: ServerCall, spans: ServerSpans) {
    super(lower);
    this.#info = info;
    this.#spans = spans;
  }
  // The handler of a unary call runs in any of the three inbound hooks' contexts but `start`'s, hence all three.
  override onReceiveMetadata(metadata: Metadata): void {
    const { method, item } = this.#info;
    const beside = item === undefined && handlersAreTraced();
    const trace = beside ? this.#spans.startBeside(method, metadata) : this.#spans.start(method, metadata, item);
    this.trace = trace;
    if (trace?.open) this.#info.waits = trace;
    runIn(trace, this.upper.onReceiveMetadata, this.upper, metadata);
  }
  override onReceiveMessage(message: unknown): void {
    runIn(this.trace, this.upper.onReceiveMessage, this.upper, message);
  }
  override onReceiveHalfClose(): void {
    runIn(this.trace, this.upper.onReceiveHalfClose, this.upper, undefined);
  }
  override onCancel(): void {
    // Comes after every call; it is the end only where no status was sent.
    if (this.trace?.open) this.trace.cancelled(Number(this.lower.getDeadline()), this.lower.getPeer());
    this.upper.onCancel();
  }
  override sendMetadata(metadata: Metadata): void {
    this.trace?.metadata(metadata);
    this.lower.sendMetadata(metadata);
  }
  override sendStatus(status: ServerStatus): void {
    if (this.trace?.open) this.trace.end(servedEnd(status, this.lower.getPeer()));
    this.lower.sendStatus(status);
  }
}

/** One whose messages are told of, too. */
export class DetailedServerCall extends TracedServerCall {
  override onReceiveMessage(message: unknown): void {
    this.trace?.received(message);
    super.onReceiveMessage(message);
  }
  override sendMessage(message: unknown, callback: () => void): void {
    this.trace?.sent(message);
    this.lower.sendMessage(message, callback);
  }
}
