/**
 * Who hears of what coalescing does: the counts of the mesh always, metrics and the spans of calls where somebody listens.
 *
 * Whether somebody does is asked once for each batch, not for each call.
 *
 * @packageDocumentation
 */
import type { FlushReason } from '../batch/partition.ts';
import type { Clock } from '../clock.ts';
import type { BatchForm, ClientBatchMetrics } from '../observe/batch-metrics.ts';
import type { CallRecord } from '../observe/call-record.ts';
import { BATCH_CARRIER, BATCH_FLUSH_REASON, BATCH_SIZE, BATCH_WAIT } from '../observe/names.ts';
import type { CallStory } from '../observe/story.ts';
import type { BypassReason, CoalesceCounts } from './coalesce-stats.ts';

/** A call as it is watched. */
export interface WatchedItem {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  readonly record: CallRecord | undefined;
  readonly story?: CallStory | undefined;
  /** When it was queued, on `Clock.nowMs`; 0: not noted. */
  readonly sentMs: number;
  /** What took it along and when, while somebody wants to know how long that takes. */
  outBy: BatchForm | undefined;
  outMs: number;
}

export class CoalesceWatch {
  readonly #counts: CoalesceCounts;
  readonly #clock: Clock;
  readonly #metrics: ClientBatchMetrics | undefined;
  readonly #onTurnedAway: (path: string) => void;
  /** Whether somebody listened when that was last asked; undefined: nothing has happened yet. */
  #live: boolean | undefined;

  /** @param onTurnedAway - Told of each batch that an endpoint did not take: must not throw. */
  constructor(
    counts: CoalesceCounts,
    clock: Clock,
    metrics: ClientBatchMetrics | undefined,
    onTurnedAway: (path: string) => void = () => {},
  ) {
    this.#onTurnedAway = onTurnedAway;
    this.#counts = counts;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** When a call is queued, if its wait is to be known; else 0. */
  queued(record: CallRecord | undefined, story?: CallStory): number {
    if (this.#live === undefined) this.#listen();
    return this.#live || record !== undefined || story !== undefined ? this.#clock.nowMs() : 0;
  }

  /** Calls of one method go alone. */
  alone(path: string, why: BypassReason, calls = 1): void {
    this.#counts.plain[why] += calls;
    this.#listen()?.bypassed(path, why, calls);
  }

  /** A call came out of its queue without company. */
  unaccompanied(item: WatchedItem): void {
    this.alone(item.path, 'alone');
    if (item.sentMs === 0) return;
    const nowMs = this.#clock.nowMs();
    this.#waited(item, nowMs);
    if (this.#live) this.#metrics?.waited(item.path, 'none', nowMs - item.sentMs);
  }

  /** Calls go out together. `items`: of one method, or on a tunnel. */
  together(items: readonly WatchedItem[], form: BatchForm, reason: FlushReason): void {
    const metrics = this.#listen();
    const size = items.length;
    const { detail } = this.#counts;
    detail.sent(size);
    if (form === 'tunnel') detail.framed(reason);
    if (metrics === undefined && !items.some(isTimed)) return;
    const nowMs = this.#clock.nowMs();
    for (const item of items) {
      if (item.story !== undefined) item.story.ride = form;
      this.#waited(item, nowMs);
    }
    if (metrics === undefined && !items.some(isTraced)) return;
    metrics?.sent(form === 'envelope' ? items[0]?.path : undefined, form, reason, size);
    for (const item of items) {
      const waitMs = item.sentMs > 0 ? Math.max(0, nowMs - item.sentMs) : 0;
      if (metrics !== undefined) {
        metrics.waited(item.path, form, waitMs);
        item.outBy = form;
        item.outMs = nowMs;
      }
      item.record?.span.setAttributes({
        [BATCH_SIZE]: size,
        [BATCH_WAIT]: waitMs / 1000,
        [BATCH_FLUSH_REASON]: reason,
        [BATCH_CARRIER]: form,
      });
    }
  }

  /** The answer of an item whose `outBy` was noted is in. */
  answered({ path, outBy, outMs }: WatchedItem): void {
    if (outBy !== undefined) this.#metrics?.answered(path, outBy, this.#clock.nowMs() - outMs);
  }

  /** A result came for a call that had ended. `path`: undefined where that is not known any more. */
  late(path: string | undefined, form: BatchForm): void {
    this.#counts.late++;
    this.#metrics?.late(path, form);
  }

  /** A call may have run, and has no answer. */
  ambiguous(path: string, form: BatchForm): void {
    this.#counts.ambiguous++;
    this.#metrics?.ambiguous(path, form);
  }

  /** An endpoint turned a batch of this method away. */
  turnedAway(path: string): void {
    this.#counts.turnedAway++;
    this.#onTurnedAway(path);
    this.#metrics?.turnedAway(path);
  }

  #waited({ story, sentMs }: WatchedItem, nowMs: number): void {
    if (sentMs === 0) return;
    story?.waited(sentMs, nowMs);
    this.#counts.detail.waits.record(nowMs - sentMs, nowMs);
  }
  /** The metrics, if somebody listens. */
  #listen(): ClientBatchMetrics | undefined {
    const metrics = this.#metrics;
    this.#live = metrics?.live === true;
    return this.#live ? metrics : undefined;
  }
}

const isTimed = ({ record, story, sentMs }: WatchedItem): boolean => record !== undefined || story !== undefined || sentMs > 0;
const isTraced = ({ record }: WatchedItem): boolean => record !== undefined;
