/**
 * Sends results as they finish, those of one event-loop turn in one message, and none longer than a frame unless a single
 * result is.
 *
 * @packageDocumentation
 */
import { encodeReply, resultSize, type WireResult } from '../batch/reply-codec.ts';
import type { Clock } from '../clock.ts';

/** Where the messages go. */
export interface ReplyStream {
  readonly cancelled: boolean;
  write(message: Buffer): boolean;
}

/** A reply message stays below this, or below half of what the client takes if that is less, unless a single result is larger. */
const FRAME_BYTES = 1 << 20;

export class ResultWriter {
  readonly #stream: ReplyStream;
  readonly #clock: Clock;
  #frameBytes = FRAME_BYTES;
  #ready: WireResult[] = [];
  #scheduled = false;
  #busy = false;
  /** Asked before each message: whether it is the last. */
  readonly #isLast: () => boolean;
  readonly #tick = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  constructor(stream: ReplyStream, clock: Clock, isLast: () => boolean) {
    this.#stream = stream;
    this.#clock = clock;
    this.#isLast = isLast;
  }

  /** The client takes messages up to this size. */
  limit(maxReplyBytes: number): void {
    this.#frameBytes = Math.min(FRAME_BYTES, Math.max(1, maxReplyBytes >> 1));
  }

  /** Results that come while `fn` starts items wait for the rest of them. `idle`: asked then whether all are answered. */
  during(fn: () => void, idle: () => boolean): void {
    this.#busy = true;
    fn();
    this.#busy = false;
    if (this.#ready.length > 0) this.#later(idle());
  }

  /** `idle`: nothing else is running, so there is nothing to wait for. */
  push(result: WireResult, idle: boolean): void {
    this.#ready.push(result);
    if (!this.#busy) this.#later(idle);
  }

  flush(): void {
    if (this.#ready.length === 0 || this.#stream.cancelled) return;
    const ready = this.#ready;
    this.#ready = [];
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < ready.length; i++) {
      const size = resultSize(ready[i] as WireResult);
      if (i > from && bytes + size > this.#frameBytes) {
        this.#stream.write(encodeReply(ready.slice(from, i), false));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    this.#stream.write(encodeReply(from === 0 ? ready : ready.slice(from), this.#isLast()));
  }

  /** Results are here that are not written yet. */
  get holds(): boolean {
    return this.#ready.length > 0 || this.#busy;
  }

  /** Nobody listens any more. */
  drop(): void {
    this.#ready = [];
  }

  #later(idle: boolean): void {
    if (idle) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.endOfTurn(this.#tick);
    }
  }
}
