/**
 * What the app has sent on one call, kept until the call is committed, and played to every further attempt.
 *
 * @packageDocumentation
 */
import type { ClientCall, Door, MessageContext } from './client-call.ts';

/** How much may be kept. */
export interface BufferLimits {
  /** Of one call, in bytes; beyond, it is committed. gRPC's `grpc.per_rpc_retry_buffer_size`. */
  readonly maxBytes: number;
  /** Of all calls of a client, in bytes; beyond, calls that send more are committed. gRPC's `grpc.retry_buffer_size`. */
  readonly maxClientBytes: number;
}

/** gRPC's own limits. */
export const BUFFER_LIMITS: BufferLimits = { maxBytes: 1 << 20, maxClientBytes: 16 << 20 };

/** No literal, and the only message of most calls in no list (see `CallFacts`). */
class Sent {
  readonly context: MessageContext;
  readonly message: unknown;

  constructor(context: MessageContext, message: unknown) {
    this.context = context;
    this.message = message;
  }
}

/** An object message at the interceptor door has no size; it counts as this much. */
const OBJECT_BYTES = 1024;

export class RetryBuffer {
  readonly #limits: BufferLimits;
  readonly #door: Door;
  #first: Sent | undefined;
  #others: Sent[] | undefined;
  #dropped = false;
  #bytes = 0;
  /** What `#target` has still to be played, from `#played` on; the app's own messages queue up behind it. */
  #replay: Sent[] | undefined;
  #played = 0;
  #target: ClientCall | undefined;
  /** The app has half-closed. */
  closed = false;

  constructor(limits: BufferLimits, door: Door) {
    this.#limits = limits;
    this.#door = door;
  }

  /** More than may be kept was sent. */
  get overflown(): boolean {
    return this.#bytes > this.#limits.maxBytes || (this.#door.keptBytes ?? 0) > this.#limits.maxClientBytes;
  }
  /** An attempt is still being played what was sent before it. */
  get replaying(): boolean {
    return this.#replay !== undefined;
  }

  /** Takes a message, and sends it to `call` unless an attempt has yet to be played others. Undefined: no attempt is out. */
  send(context: MessageContext, message: unknown, call: ClientCall | undefined): void {
    const sent = this.#dropped ? new Sent(context, message) : this.#keep(context, message);
    if (this.#replay !== undefined) this.#replay.push(sent);
    else call?.sendMessageWithContext(sent.context, message);
  }

  /** Plays all to another attempt: first the messages, one at a time, then the end. */
  playTo(call: ClientCall): void {
    this.#replay = this.#first === undefined ? [] : [this.#first, ...(this.#others ?? [])];
    this.#played = 0;
    this.#target = call;
    this.#play(call);
  }

  /** The attempt that is being played to is over. */
  stop(): void {
    this.#replay = this.#target = undefined;
  }

  /** Lets go of everything: no further attempt will ask for it. What one is being played goes on. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#first = this.#others = undefined;
    if (this.#bytes > 0) this.#door.keptBytes = (this.#door.keptBytes ?? 0) - this.#bytes;
    this.#bytes = 0;
  }

  #keep(context: MessageContext, message: unknown): Sent {
    const sent = new Sent(context.callback === undefined ? context : { ...context, callback: calledOnce(context.callback) }, message);
    const bytes = Buffer.isBuffer(message) ? message.length : OBJECT_BYTES;
    this.#bytes += bytes;
    this.#door.keptBytes = (this.#door.keptBytes ?? 0) + bytes;
    if (this.#first === undefined) this.#first = sent;
    else if (this.#others === undefined) this.#others = [sent];
    else this.#others.push(sent);
    return sent;
  }

  /** One message at a time: grpc-js's calls lose the second of two given at once. */
  #play(call: ClientCall): void {
    if (call !== this.#target || this.#replay === undefined) return; // that attempt is over
    const sent = this.#replay[this.#played++];
    if (sent === undefined || (this.closed && this.#played === this.#replay.length)) {
      this.stop();
      if (sent !== undefined) call.sendMessageWithContext(sent.context, sent.message);
      if (this.closed) call.halfClose();
      return;
    }
    const callback = (error?: Error | null): void => {
      sent.context.callback?.(error);
      this.#play(call);
    };
    call.sendMessageWithContext({ ...sent.context, callback }, sent.message);
  }
}

/**
 * A write's callback for all sendings of its message: the first attempt to take the message frees the writer, which would
 * wait for ever if that were left to an attempt that has died, and must not be told twice.
 */
function calledOnce(callback: (error?: Error | null) => void): (error?: Error | null) => void {
  let called = false;
  return (error) => {
    if (called) return;
    called = true;
    callback(error);
  };
}
