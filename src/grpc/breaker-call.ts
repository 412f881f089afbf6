/**
 * A call that tells a breaker how it ended.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { MethodBreaker } from '../breaker/breakers.ts';
import { Code, type Outcome, outcomeOf } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Refusal, refusal } from '../errors.ts';
import { type CallListener, type ClientCall, ForwardingCall } from './client-call.ts';
import { refusalOf } from './refuse.ts';

/** A call that the breaker has let in. */
export class BreakerCall extends ForwardingCall {
  readonly #own: MethodBreaker;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #over = false;

  constructor(lower: ClientCall, own: MethodBreaker, clock: Clock, startedMs: number) {
    super(lower);
    this.#own = own;
    this.#clock = clock;
    this.#startedMs = startedMs;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    try {
      super.start(metadata, listener);
    } catch (error) {
      this.#end('ignored'); // no status will come
      throw error;
    }
  }
  override onReceiveStatus(status: StatusObject): void {
    // What we refused ourselves says nothing about the server (case O26).
    this.#end(refusalOf(status) === undefined ? outcomeOf(status.code) : 'ignored');
    this.upper.onReceiveStatus(status);
  }
  #end(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    const { breaker } = this.#own;
    if (breaker.ended(this.#startedMs, this.#clock.nowMs(), outcome) && breaker.state === 'open') this.#own.opened++;
  }
}

/** What a call is refused with while the breaker is open. */
export function brokenOff(method: string, byHand: boolean): Refusal {
  return byHand
    ? refusal(Code.UNAVAILABLE, 'client.breaker/isolated', `the breaker of ${method} was opened by hand`)
    : refusal(Code.UNAVAILABLE, 'client.breaker/open', `the breaker of ${method} is open: its last calls failed`);
}
