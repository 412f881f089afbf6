/**
 * When does what waits go out? The one question that a partition asks its flush policy.
 *
 * Queue, limits of items and bytes, turns, timers and deadlines are the partition's; a policy is told what happens and
 * says how many batches may be out and until when the queue should wait for company. It keeps no reference to an item,
 * takes time as an argument and sets no timer, so that one which learns has the same seam as one which does not.
 *
 * @packageDocumentation
 */

/** A queue as its policy sees it, live. */
export interface QueueView {
  /** Items waiting. */
  readonly waiting: number;
  /** Batches out and unanswered. */
  readonly carriers: number;
  /** Items in those batches. */
  readonly carried: number;
  /** When the first of those that wait came, or earlier; meaningless while nothing waits. */
  readonly sinceMs: number;
}

export interface FlushPolicy {
  /** Most batches unanswered at a time, >= 1; Infinity: no gate. Read before each flush. */
  readonly limit: number;
  /**
   * Asked at the end of each turn in which something happened, when something waits and the gate is open.
   *
   * @returns The time up to which to wait for more; `nowMs` or earlier: go. The partition may go sooner (a batch is full, a
   * deadline is near, waiting has not paid of late) and asks again when the time has come.
   */
  waitUntil(queue: QueueView, nowMs: number): number;
  /** An item came. Before it is in the queue, and also when it passes the queue by. Leave out what is not needed: it costs a clock reading an item. */
  arrived?(nowMs: number): void;
  /** A batch has left, one item or more. `queue`: as it is afterwards. */
  flushed?(items: number, queue: QueueView, nowMs: number): void;
  /** A batch of about this many items was answered. `queue`: as it is afterwards. */
  answered?(items: number, queue: QueueView, nowMs: number): void;
}
