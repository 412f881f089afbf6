/**
 * One thread with an event loop, on virtual time: callbacks take CPU time, and what falls due meanwhile waits its turn.
 * Each turn runs what was due at its beginning, then what asked for its end, as libuv's poll and check phases do.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../../src/clock.ts';

interface Due {
  readonly atMs: number;
  readonly seq: number;
  fn: (() => void) | undefined;
}

/** Measured: `setTimeout(1)` fires after 1.11 ms in the median. */
const TIMER_LATE_MS = 0.1;

const before = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);

export class SimLoop implements Clock {
  #nowMs = 0;
  #seq = 0;
  #busyMs = 0;
  #heap: Due[] = [];
  #turn: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  /** CPU time spent. */
  get busyMs(): number {
    return this.#busyMs;
  }
  /** What is still to run. */
  get pending(): number {
    return this.#turn.length + this.#heap.reduce((sum, { fn }) => sum + (fn === undefined ? 0 : 1), 0);
  }

  /** As Node's: whole milliseconds, one at least, and a little late. */
  setTimer(fn: () => void, delayMs: number): CancelTimer {
    const due = this.at(this.#nowMs + Math.trunc(Math.max(1, delayMs)) + TIMER_LATE_MS, fn);
    return () => {
      due.fn = undefined;
    };
  }
  endOfTurn(fn: () => void): void {
    this.#turn.push(fn);
  }
  /** Something happens outside at this time, and the thread hears of it as soon as it is free. */
  at(atMs: number, fn: () => void): Due {
    const due: Due = { atMs, seq: this.#seq++, fn };
    this.#push(due);
    return due;
  }
  /** The thread works. */
  spend(ms: number): void {
    this.#nowMs += ms;
    this.#busyMs += ms;
  }

  /** Runs until nothing is left to do. */
  run(): void {
    for (;;) {
      const first = this.#heap[0];
      if (this.#turn.length === 0) {
        if (first === undefined) return;
        this.#nowMs = Math.max(this.#nowMs, first.atMs);
      }
      const untilMs = this.#nowMs;
      for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
        this.#pop();
        next.fn?.();
      }
      const jobs = this.#turn;
      this.#turn = [];
      for (const job of jobs) job();
    }
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Due;
      if (before(parent, due)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Due, heap[child] as Due)) child++;
      if (before(last, heap[child] as Due)) break;
      heap[at] = heap[child] as Due;
      at = child;
    }
    heap[at] = last;
  }
}
