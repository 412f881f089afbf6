/**
 * Many deadlines, one timer.
 *
 * A timer for each call costs 0.7 us and a call seldom lives until its deadline. So deadlines are kept in a binary heap, a
 * removed one is only marked (it leaves when it comes to the top, or when more than half of the heap is marked), and one
 * timer of the clock is armed for the earliest.
 *
 * - Never early: a timer that comes before its time is armed again for the rest.
 * - Equal deadlines fall due in the order in which they were added.
 * - Empty queue: no timer.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';

/** Below this size dead entries are not worth a compaction. */
const SMALL_HEAP = 32;

/** One entry of a {@link DeadlineQueue}; opaque, only good for `remove`. */
export class DeadlineHandle<T> {
  /** @internal */ readonly atMs: number;
  /** @internal Tie-breaker: order of adding. */ readonly seq: number;
  /** @internal Undefined once it fell due or was removed, so that a dead entry holds nothing alive. */ item: T | undefined;

  constructor(item: T, atMs: number, seq: number) {
    this.item = item;
    this.atMs = atMs;
    this.seq = seq;
  }
}

/** Calls `onDue` for each item once its deadline is reached, unless it was removed before. `T` must not include undefined. */
export class DeadlineQueue<T extends NonNullable<unknown>> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  readonly #wake: () => void;
  readonly #heap: DeadlineHandle<T>[] = [];
  #size = 0;
  #seq = 0;
  #cancelTimer: CancelTimer | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #draining = false;

  /** @param onDue - May add and remove. When it throws, the other due items follow on the next timer turn. */
  constructor(clock: Clock, onDue: (item: T) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#wake = () => this.#drain();
  }

  /** Items that wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Lets `item` fall due at `atMs` on `Clock.nowMs`; a past time falls due on the next timer turn.
   * @throws TypeError unless `atMs` is finite: a call without a deadline has no place here.
   */
  add(item: T, atMs: number): DeadlineHandle<T> {
    if (!Number.isFinite(atMs)) throw new TypeError(`DeadlineQueue.add: atMs must be finite, got ${atMs}`);
    const handle = new DeadlineHandle(item, atMs, this.#seq++);
    this.#heap.push(handle);
    siftUp(this.#heap, this.#heap.length - 1);
    this.#size++;
    if (atMs < this.#armedForMs && !this.#draining) this.#arm(atMs);
    return handle;
  }

  /** Takes an entry out; harmless when it fell due or was removed before. */
  remove(handle: DeadlineHandle<T>): void {
    if (handle.item === undefined) return;
    handle.item = undefined;
    this.#size--;
    if (this.#size === 0) {
      this.#clear();
    } else if (this.#heap.length > SMALL_HEAP && this.#size * 2 < this.#heap.length) {
      compact(this.#heap);
    }
    // The timer stays as it is, perhaps too early by now: waking up once for nothing is cheaper than arming it each time.
  }

  #clear(): void {
    // pop keeps the array's memory, which a lone caller's next add needs again at once.
    if (this.#heap.length === 1) this.#heap.pop();
    else this.#heap.length = 0;
    this.#disarm();
  }

  #arm(atMs: number): void {
    this.#disarm();
    this.#armedForMs = atMs;
    // Whole milliseconds, rounded up: timers cut fractions off, and equal lengths share one list inside Node.
    this.#cancelTimer = this.#clock.setTimer(this.#wake, Math.ceil(atMs - this.#clock.nowMs()));
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  #drain(): void {
    this.#cancelTimer = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
    this.#draining = true;
    const nowMs = this.#clock.nowMs();
    try {
      // Bounded by what was there, so that an item which adds itself again, already due, can't hold up the event loop.
      for (let left = this.#heap.length; left > 0; left--) {
        const top = this.#heap[0];
        if (top === undefined || (top.item !== undefined && top.atMs > nowMs)) break;
        popTop(this.#heap);
        const item = top.item;
        if (item === undefined) continue;
        top.item = undefined;
        this.#size--;
        this.#onDue(item);
      }
    } finally {
      this.#draining = false;
      const next = this.#heap[0];
      if (this.#size === 0) this.#clear();
      else if (next !== undefined) this.#arm(next.atMs);
    }
  }
}

type Heap = DeadlineHandle<unknown>[];

function before(a: DeadlineHandle<unknown>, b: DeadlineHandle<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}

/** Moves the entry at `index` up to its place. Increasing deadlines stay where they are: O(1). */
function siftUp(heap: Heap, index: number): void {
  const entry = heap[index];
  if (entry === undefined) return;
  let at = index;
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || !before(entry, parent)) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = entry;
}

function siftDown(heap: Heap, index: number): void {
  const entry = heap[index];
  if (entry === undefined) return;
  let at = index;
  for (;;) {
    let childAt = 2 * at + 1;
    let child = heap[childAt];
    if (child === undefined) break;
    const right = heap[childAt + 1];
    if (right !== undefined && before(right, child)) {
      child = right;
      childAt++;
    }
    if (!before(child, entry)) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = entry;
}

function popTop(heap: Heap): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  siftDown(heap, 0);
}

/** Drops the dead entries: O(n), paid for by the n/2 removals before it. */
function compact(heap: Heap): void {
  let kept = 0;
  for (const entry of heap) {
    if (entry.item !== undefined) heap[kept++] = entry;
  }
  heap.length = kept;
  for (let index = (kept >> 1) - 1; index >= 0; index--) siftDown(heap, index);
}
