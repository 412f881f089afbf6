import { setImmediate as turn } from 'node:timers/promises';
import type { CancelTimer, Clock } from '../../src/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly seq: number;
  readonly fn: () => void;
}

/** A clock that stands still until told otherwise. `pending` must be 0 at the end of a test. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #seq = 0;
  #timers = new Set<Timer>();
  #turn: (() => void)[] = [];
  /** Offset of the wall clock, to let it jump. */
  wallOffsetMs = 1_700_000_000_000;

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs + this.wallOffsetMs;
  }
  setTimer(fn: () => void, delayMs: number): CancelTimer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), seq: this.#seq++, fn };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }
  endOfTurn(fn: () => void): void {
    this.#turn.push(fn);
  }
  /** Timers and end-of-turn jobs not yet run. */
  get pending(): number {
    return this.#timers.size + this.#turn.length;
  }
  /** Ends the event-loop turn: runs what waits for it, once. */
  endTurn(): void {
    const jobs = this.#turn;
    this.#turn = [];
    for (const job of jobs) job();
  }
  /** Moves time on, firing due timers in the order of their times. Synchronous: promises do not run in between. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const t of this.#timers) {
        if (t.atMs <= untilMs && (next === undefined || t.atMs < next.atMs || (t.atMs === next.atMs && t.seq < next.seq))) next = t;
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fn();
    }
    this.#nowMs = untilMs;
  }
  /** Like `advance`, but lets promises run before and after. */
  async advanceAsync(ms: number): Promise<void> {
    await turn();
    this.advance(ms);
    await turn();
  }
}
