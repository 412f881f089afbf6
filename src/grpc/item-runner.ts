/**
 * Starts the items of a carrier, each as a call of its own: its metadata over the carrier's, its own deadline, the same
 * interceptors, the same handler.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import type { WireItem } from '../batch/request-codec.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { detachedClock } from './detached.ts';
import type { UnaryMethod } from './handlers.ts';
import { overlayItemEntries } from './metadata.ts';
import { runUnary } from './run-unary.ts';
import type { ServerCall } from './server-call.ts';
import { type CarrierFacts, type ResultSink, VirtualServerCall } from './virtual-call.ts';

/** Where an item stands in its message. */
export interface Place {
  readonly index: number;
  readonly size: number;
  readonly form: 'envelope' | 'tunnel';
}

/** The interceptors above an item, the very ones that a call of its own meets. */
export interface Chain {
  /** True: they are all ours, and bear to be called back at once. */
  readonly ours: boolean;
  above(method: UnaryMethod, call: ServerCall, item: Place): ServerCall;
}

/** What all items of a carrier share. */
export interface SharedFacts extends CarrierFacts {
  readonly metadata: Metadata;
  /** The carrier's own deadline, as grpc-js tells it; `Infinity`: none. */
  readonly deadline: number;
}

export class ItemRunner {
  readonly #clock: Clock;
  readonly #due: DeadlineQueue<VirtualServerCall>;
  /** Ends of turns belong to nobody's context, as grpc-js's own news do. */
  readonly #turns: Clock;
  /** Those that have ended in this turn. */
  #ended: VirtualServerCall[] = [];
  readonly #tell = (): void => {
    const ended = this.#ended;
    this.#ended = [];
    for (const call of ended) {
      try {
        call.tellCancelled();
      } catch (error) {
        surface(error); // of a listener of the user's; the others are told all the same
      }
    }
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = detachedClock(clock);
    this.#due = new DeadlineQueue(clock, (call) => call.abort(Code.DEADLINE_EXCEEDED, 'Deadline exceeded'));
  }

  /** Never throws: what an interceptor throws ends its own call. `onCall` has the call before anything runs. */
  start(
    item: WireItem,
    id: number,
    place: Place,
    method: UnaryMethod,
    carrier: SharedFacts,
    chain: Chain,
    sink: ResultSink,
    onCall: (call: VirtualServerCall) => void,
  ): void {
    const metadata = carrier.metadata.clone();
    let bad = false;
    try {
      overlayItemEntries(metadata, item.metadata);
    } catch {
      bad = true;
    }
    const leftMs = item.timeoutUs / 1000;
    const deadline = leftMs > 0 ? Math.min(carrier.deadline, this.#clock.wallMs() + leftMs) : carrier.deadline;
    const call = new VirtualServerCall(id, carrier, method, metadata, item.request, deadline, sink, chain.ours);
    onCall(call);
    if (bad) {
      call.abort(Code.INVALID_ARGUMENT, 'inmesh: an item with metadata that it may not carry');
      return;
    }
    if (leftMs > 0) call.expiry = this.#due.add(call, this.#clock.nowMs() + leftMs);
    try {
      runUnary(method.path, method.handler, chain.above(method, call, place));
    } catch (error) {
      call.abort(Code.UNKNOWN, 'Unknown error'); // an interceptor threw: its own call ends and no other
      surface(error);
    }
  }

  /** The call has ended: its time is not watched any more, and with the turn it is told. */
  ended(call: VirtualServerCall): void {
    if (call.expiry !== undefined) this.#due.remove(call.expiry);
    if (this.#ended.push(call) === 1) this.#turns.endOfTurn(this.#tell);
  }
}

/** An error surfaces as it does from a call of its own. */
function surface(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
