/**
 * Watches connections being made to one address: what is not ready in time is given up.
 *
 * grpc-js waits without end for a peer that accepts TCP and never speaks (grpc-node#2785), and keepalive does not watch a
 * connection that is being made. The signal of this watch destroys its socket, so that for grpc-js the attempt has failed.
 *
 * @packageDocumentation
 */
import type { BalanceCounts } from '../balance/counts.ts';
import type { CancelTimer, Clock } from '../clock.ts';

/** What the watch asks about. */
export interface WatchOptions {
  readonly clock: Clock;
  /** Longest time for an attempt, in ms. Asked when it begins. */
  timeoutMs(): number;
  /** Whether the connection stands. Asked before one is given up: whoever knew may be gone. */
  ready(): boolean;
  /** Counts attempts by their ends. Default: nobody does. */
  readonly counts?: Pick<BalanceCounts, 'connected' | 'failed'>;
}

export class ConnectWatch {
  readonly #options: WatchOptions;
  #current: AbortController | undefined;
  #running = false;
  #timer: CancelTimer | undefined;
  #startedMs = 0;
  #closed = false;
  /** Attempts since the last success. */
  #attempts = 0;
  /** The limit that the last attempt had, in ms. */
  limitMs = 0;
  /** Whether the last attempt was given up. */
  gaveUp = false;
  /** How long the last connection took, in ms, and how many attempts; 0: none was made yet. */
  tookMs = 0;
  tookAttempts = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }
  /** An attempt begins. @returns What ends it, and the connection that comes of it. */
  begin(): AbortSignal {
    if (this.#closed) return AbortSignal.abort();
    const attempt = new AbortController();
    if (this.#running) {
      this.#current?.abort(); // nobody said how it ended
      this.#countFailure();
    }
    this.#timer?.();
    this.#current = attempt;
    this.#running = true;
    this.gaveUp = false;
    this.limitMs = this.#options.timeoutMs();
    this.#attempts++;
    this.#startedMs = this.#options.clock.nowMs();
    this.#timer = this.#options.clock.setTimer(() => {
      this.#timer = undefined;
      if (!this.#running || this.#options.ready()) return;
      this.#running = false;
      this.gaveUp = true;
      this.#countFailure();
      attempt.abort();
    }, this.limitMs);
    return attempt.signal;
  }
  /** The connection stands. */
  succeeded(): void {
    if (!this.#running) return;
    this.tookMs = this.#options.clock.nowMs() - this.#startedMs;
    this.tookAttempts = this.#attempts;
    this.#attempts = 0;
    const { counts } = this.#options;
    if (counts !== undefined) counts.connected++;
    this.#over();
  }
  /** The attempt is over. */
  failed(): void {
    if (this.#running) this.#countFailure();
    this.#over();
  }
  /** Ends the connection that this watch saw last, whether it stands or is being made, and lets no other be made. */
  close(): void {
    this.#closed = true;
    this.#over();
    this.#current?.abort();
    this.#current = undefined;
  }
  #over(): void {
    this.#running = false;
    this.#timer?.();
    this.#timer = undefined;
  }
  #countFailure(): void {
    const { counts } = this.#options;
    if (counts !== undefined) counts.failed++;
  }
}
