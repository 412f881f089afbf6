/**
 * Time that passes only when the next event is due: an hour takes as long as its events do.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../../src/clock.ts';

interface Event {
  readonly atMs: number;
  readonly seq: number;
  fn: (() => void) | undefined;
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}

/** A clock for engines, and the list of what happens next: a binary heap by time, then by order of making. */
export class VirtualTime implements Clock {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #seq = 0;

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  endOfTurn(fn: () => void): void {
    this.at(this.#nowMs, fn);
  }
  setTimer(fn: () => void, delayMs: number): CancelTimer {
    const event = this.#push(this.#nowMs + Math.max(0, delayMs), fn);
    // Its place in the heap stays until its time: cheaper than to look for it.
    return () => {
      event.fn = undefined;
    };
  }
  /** Calls `fn` at that time, which may not be past. */
  at(atMs: number, fn: () => void): void {
    this.#push(atMs, fn);
  }
  /** Lets everything happen until `untilMs`. */
  run(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      this.#nowMs = next.atMs;
      next.fn?.();
    }
    this.#nowMs = untilMs;
  }

  #push(atMs: number, fn: () => void): Event {
    const event: Event = { atMs, seq: this.#seq++, fn };
    const heap = this.#heap;
    let i = heap.length;
    for (; i > 0; ) {
      const above = (i - 1) >> 1;
      const other = heap[above];
      if (other === undefined || before(other, event)) break;
      heap[i] = other;
      i = above;
    }
    heap[i] = event;
    return event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = heap[2 * i + 1];
      const right = heap[2 * i + 2];
      if (left === undefined) break;
      const down = right !== undefined && before(right, left) ? 2 * i + 2 : 2 * i + 1;
      const child = heap[down];
      if (child === undefined || before(last, child)) break;
      heap[i] = child;
      i = down;
    }
    heap[i] = last;
  }
}
