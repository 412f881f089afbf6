/**
 * gRPC's own vocabulary for spans (gRFC A72): their names, and the events of messages and delays.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Span } from '@opentelemetry/api';

/** Whether the attempt's stream is one that grpc-js has opened again by itself. */
export const TRANSPARENT_RETRY = 'transparent-retry';
/** On the call's span, when its attempt had to wait for the target's addresses. */
export const NAME_DELAYED = 'Delayed name resolution complete';
/** On the attempt's span, when its stream is opened and no connection was ready at first. */
export const PICK_DELAYED = 'Delayed LB pick complete';
export const OUTBOUND_MESSAGE = 'Outbound message';
export const INBOUND_MESSAGE = 'Inbound message';
/** Counts from 0 in each direction. */
const SEQUENCE_NUMBER = 'sequence-number';
/** Bytes before compression, without gRPC's frame. */
const MESSAGE_SIZE = 'message-size';

/** Which end of which thing a span is of. */
export type A72Part = 'Sent' | 'Attempt' | 'Recv';

/** `Sent.pkg.Service.Method` of `pkg.Service/Method`. */
export function a72Name(part: A72Part, method: string): string {
  return `${part}.${method.replaceAll('/', '.')}`;
}

/**
 * The message events of one span. The size of a message is known where it is bytes (behind a channel); where it is an object (in
 * a list of interceptors, on a server) there is none. What it is compressed to is known to grpc-js alone, further down.
 */
export class MessageEvents {
  #sent = 0;
  #received = 0;

  outbound(span: Span, message: unknown): void {
    span.addEvent(OUTBOUND_MESSAGE, attributesOf(this.#sent++, message));
  }
  inbound(span: Span, message: unknown): void {
    span.addEvent(INBOUND_MESSAGE, attributesOf(this.#received++, message));
  }
}

function attributesOf(number: number, message: unknown): { [name: string]: number } {
  return message instanceof Uint8Array ? { [SEQUENCE_NUMBER]: number, [MESSAGE_SIZE]: message.byteLength } : { [SEQUENCE_NUMBER]: number };
}
