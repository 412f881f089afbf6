/**
 * Calls gathered for a batch handler: who runs with whom, and when each is over.
 *
 * A pure state machine on virtual time: it knows neither messages nor handlers. {@link Partition} decides when what waits may go
 * out; a run starts as soon as fewer than `maxConcurrent` are busy, with as many items as are ready, up to `maxItems`.
 *
 * - Every item hears exactly one of `refused`, `expired` and a result of its run, or nothing after `leave`.
 * - An item leaves at its own time: out of the queue before a run, out of the run while it goes on.
 * - A run is busy until its owner says `ended`, though nobody may wait for it any more: work that goes on is work.
 * - O(1) for each item.
 * - Source: server-side batching of TensorFlow Serving (`max_batch_size`, `num_batch_threads`, `max_enqueued_batches`).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { type DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { UsageError } from '../errors.ts';
import type { GatherRules } from './gather-options.ts';
import { type FlushReason, Partition, type QueueItem } from './partition.ts';

/** A call that is gathered. The fields below `deadlineMs` are the engine's own. */
export interface Gathered extends QueueItem {
  /** On `Clock.nowMs`; Infinity: none. */
  readonly deadlineMs: number;
  /** The queue is full. It was not taken. */
  refused(): void;
  /** Its time is over. `running`: its run has started and goes on without it. */
  expired(running: boolean): void;
  /** Where it waits or runs. */
  gather: { expire(item: Gathered): void } | undefined;
  /** What it is part of since it runs. */
  run: { live: number; readonly onAbandoned: (() => void) | undefined } | undefined;
  expiry: DeadlineHandle<Gathered> | undefined;
}

/** One run of the handler. */
export class Run<I extends Gathered> {
  /** In the order in which they came. Those that left meanwhile are still in here; ask {@link has}. */
  readonly items: readonly I[];
  /** Items that still wait for a result. */
  live: number;
  /** Called once when the last one has left before the end: nobody waits any more. */
  onAbandoned: (() => void) | undefined;

  constructor(items: readonly I[]) {
    this.items = items;
    this.live = items.length;
  }
  has(item: I): boolean {
    return item.run === this;
  }
}

/** Counts of all gatherings of a mesh. */
export interface GatherCounts {
  /** Runs of handlers. */
  runs: number;
  /** Calls in them. */
  items: number;
  /** Calls that wait for a run now. */
  waiting: number;
  /** Runs that are busy now. */
  running: number;
  /** Calls that ended before a result was in, by reason. */
  readonly left: Record<'queue-full' | 'deadline-in-queue' | 'deadline' | 'cancelled', number>;
  /** Why what waited was let go. */
  readonly flushes: Partial<Record<FlushReason, number>>;
}

/** What all gatherings of a mesh share. */
export interface GatherShared {
  readonly clock: Clock;
  readonly due: DeadlineQueue<Gathered>;
  readonly counts: GatherCounts;
}

/** The one timer, and the counts. */
export function gatherShared(clock: Clock): GatherShared {
  const left = { 'queue-full': 0, 'deadline-in-queue': 0, deadline: 0, cancelled: 0 };
  const counts: GatherCounts = { runs: 0, items: 0, waiting: 0, running: 0, left, flushes: {} };
  return { clock, counts, due: new DeadlineQueue<Gathered>(clock, (item) => item.gather?.expire(item)) };
}

export class Gather<I extends Gathered> {
  readonly #rules: GatherRules;
  readonly #shared: GatherShared;
  readonly #start: (run: Run<I>) => void;
  readonly #partition: Partition<I>;
  /** What the partition had no room for, behind what is in it. */
  readonly #behind = new Set<I>();
  /** What the partition let go and no run was free for. */
  readonly #ready = new Set<I>();
  #waiting = 0;
  #running = 0;
  #lead = false;
  #pumping = false;

  /** @param start - Starts a run; `ended` may be called from inside it. Must not throw. */
  constructor(rules: GatherRules, shared: GatherShared, start: (run: Run<I>) => void) {
    this.#rules = rules;
    this.#shared = shared;
    this.#start = start;
    this.#partition = new Partition<I>(rules.flush, shared.clock, (items, reason) => this.#flushed(items, reason));
  }

  /** Nothing waits and nothing runs. */
  get idle(): boolean {
    return this.#waiting === 0 && this.#running === 0 && this.#partition.idle;
  }
  /** Calls that wait for a run. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Runs that are busy. */
  get running(): number {
    return this.#running;
  }

  /** Takes an item, or refuses it at once. @throws UsageError when it is in already. */
  add(item: I): void {
    if (item.gather !== undefined) throw new UsageError('Gather.add: this item is in already');
    const { counts, due, clock } = this.#shared;
    if (this.#waiting >= this.#rules.maxWaiting) {
      counts.left['queue-full']++;
      item.refused();
      return;
    }
    if (item.deadlineMs <= clock.nowMs()) {
      counts.left['deadline-in-queue']++;
      item.expired(false);
      return;
    }
    item.gather = this;
    this.#waiting++;
    counts.waiting++;
    if (item.deadlineMs !== Number.POSITIVE_INFINITY) item.expiry = due.add(item, item.deadlineMs);
    if (this.#behind.size > 0 || !this.#partition.add(item)) this.#behind.add(item);
  }

  /** The item's caller is gone. Harmless when it is over. */
  leave(item: I): void {
    if (item.gather !== this) return;
    this.#shared.counts.left.cancelled++;
    this.#takeOut(item);
  }

  /** @internal The item's time is over. */
  expire(item: Gathered): void {
    const running = item.run !== undefined;
    this.#shared.counts.left[running ? 'deadline' : 'deadline-in-queue']++;
    this.#takeOut(item as I); // the timer is shared by gatherings of several kinds, and gives back what it was given
    this.#tell(() => item.expired(running));
  }

  /**
   * The run is over: gives its place to the next, after `settle` was called for every item that still waits for its result.
   * Call it once for each run.
   */
  ended(run: Run<I>, settle: (item: I, index: number) => void): void {
    run.items.forEach((item, index) => {
      if (!run.has(item)) return;
      this.#forget(item);
      this.#tell(() => settle(item, index));
    });
    run.live = 0;
    this.#running--;
    this.#shared.counts.running--;
    this.#partition.carrierAnswered(run.items.length);
    if (this.#lead) {
      this.#lead = false;
      this.#partition.leadEnded();
    }
    this.#pump();
  }

  #takeOut(item: I): void {
    const { run } = item;
    this.#forget(item);
    if (run === undefined) {
      this.#noLongerWaits();
      if (!this.#ready.delete(item) && !this.#behind.delete(item)) this.#partition.remove(item);
      this.#refill();
    } else if (--run.live === 0) run.onAbandoned?.();
  }

  #forget(item: I): void {
    item.gather = item.run = undefined;
    if (item.expiry !== undefined) this.#shared.due.remove(item.expiry);
    item.expiry = undefined;
  }

  #noLongerWaits(): void {
    this.#waiting--;
    this.#shared.counts.waiting--;
  }

  /** The partition lets these go. */
  #flushed(items: readonly I[], reason: FlushReason): void {
    const { flushes } = this.#shared.counts;
    flushes[reason] = (flushes[reason] ?? 0) + 1;
    if (reason === 'lead') this.#lead = true;
    for (const item of items) this.#ready.add(item);
    this.#pump();
    this.#refill();
  }

  /** As many as leave room: what the partition takes in one go. */
  #refill(): void {
    for (const item of this.#behind) {
      if (this.#partition.waiting >= this.#rules.maxItems) return;
      this.#behind.delete(item);
      if (!this.#partition.add(item)) this.#ready.add(item);
    }
  }

  /** One who throws must keep nobody else from hearing: the error surfaces on its own. */
  #tell(news: () => void): void {
    try {
      news();
    } catch (error) {
      this.#shared.clock.endOfTurn(() => {
        throw error;
      });
    }
  }

  /** A loop and no recursion: a run may end inside its start, ten thousand times in a row. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#ready.size > 0 && this.#running < this.#rules.maxConcurrent) this.#next();
    this.#pumping = false;
  }

  #next(): void {
    const { clock, counts } = this.#shared;
    const nowMs = clock.nowMs();
    const items: I[] = [];
    for (const item of this.#ready) {
      // Its timer may be late (a busy event loop); what is past its deadline must not start.
      if (item.deadlineMs <= nowMs) {
        this.expire(item);
        continue;
      }
      this.#ready.delete(item);
      this.#noLongerWaits();
      if (items.push(item) >= this.#rules.maxItems) break;
    }
    if (items.length === 0) return;
    const run = new Run<I>(items);
    for (const item of items) item.run = run;
    counts.runs++;
    counts.items += items.length;
    counts.running++;
    this.#running++;
    this.#partition.carrierSent(items.length);
    this.#start(run);
  }
}
