/**
 * Counts: calls begun and ended, by status code and refusal; what `mesh.stats()` shows and `mesh.close()` waits for.
 *
 * - Scope: per call at the top, per attempt below retry; on the server per call and item. Rejects nothing.
 * - State: a plain object of numbers that the caller owns; codes are 17, reasons are our own few.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Bag, type Bagged } from '../src/bag.ts';
import { Code } from '../src/call.ts';
import { type CallCounts, countEnd, type ServerCounts } from '../src/call-counts.ts';
import { type CallListener, type ClientCall, type ClientInterceptor, ForwardingCall } from '../src/grpc/client-call.ts';
import { refusalOf } from '../src/grpc/refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerLayer } from '../src/grpc/server-call.ts';

/** Counts calls. `onIdle`: told whenever the last active call has ended. `open`: holds the active calls. */
export function countClient(counts: CallCounts, onIdle: () => void, open: Bag<OpenCall> = new Bag()): ClientInterceptor {
  return (info, next) => new CountedCall(next(info), counts, onIdle, open);
}

/** A call that has begun and not ended. */
export interface OpenCall extends Bagged {
  /** Ends it now: the app hears `status`, what is below is cancelled. */
  end(status: StatusObject): void;
}

/** Counts attempts. */
export function countAttempts(counts: CallCounts): ClientInterceptor {
  return (info, next) => {
    counts.attempts++;
    return next(info);
  };
}

class CountedCall extends ForwardingCall implements OpenCall {
  readonly #counts: CallCounts;
  readonly #onIdle: () => void;
  readonly #open: Bag<OpenCall>;
  place = -1;

  constructor(lower: ClientCall, counts: CallCounts, onIdle: () => void, open: Bag<OpenCall>) {
    super(lower);
    this.#counts = counts;
    this.#onIdle = onIdle;
    this.#open = open;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    this.#counts.active++;
    this.#open.add(this);
    try {
      super.start(metadata, listener);
    } catch (error) {
      // No status will come: grpc-js throws at the call site (a closed channel, a foreign interceptor's fault).
      this.#open.delete(this);
      this.#counts.active--;
      throw error;
    }
    this.#counts.calls++;
  }
  end(status: StatusObject): void {
    this.lower.cancelWithStatus(Code.CANCELLED, status.details);
    this.onReceiveStatus(status);
  }
  override onReceiveStatus(status: StatusObject): void {
    if (!this.#open.delete(this)) return; // has ended
    this.#counts.active--;
    countEnd(this.#counts, status.code, refusalOf(status)?.reason);
    this.upper.onReceiveStatus(status);
    if (this.#counts.active === 0) this.#onIdle();
  }
}

/** Counts served calls, items of batches like any other. */
export function countServer(counts: ServerCounts): ServerLayer {
  return (_info, call) => {
    counts.calls++;
    counts.active++;
    return new CountedServerCall(call, counts);
  };
}

class CountedServerCall extends ForwardingServerCall {
  readonly #counts: ServerCounts;
  #ended = false;

  constructor(lower: ServerCall, counts: ServerCounts) {
    super(lower);
    this.#counts = counts;
  }
  override sendStatus(status: Parameters<ServerCall['sendStatus']>[0]): void {
    this.#end(status.code);
    this.lower.sendStatus(status);
  }
  override onCancel(): void {
    this.#end(Code.CANCELLED);
    this.upper.onCancel();
  }
  #end(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#counts.active--;
    countEnd(this.#counts, code, undefined);
  }
}
