/**
 * Times the items that a server takes from one tunnel, while somebody listens.
 *
 * @packageDocumentation
 */
import { IdTable } from '../batch/id-table.ts';
import type { Clock } from '../clock.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';

export class TunnelWatch {
  readonly #metrics: ServerBatchMetrics;
  readonly #clock: Clock;
  /** Items without a result, by id. Empty while nobody listens. */
  readonly #running = new IdTable<{ readonly path: string; readonly sinceMs: number }>();
  #live = false;
  #nowMs = 0;

  constructor(metrics: ServerBatchMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** A message with so many items came. */
  taken(items: number): void {
    this.#live = this.#metrics.live;
    if (!this.#live) return;
    this.#nowMs = this.#clock.nowMs();
    this.#metrics.taken(undefined, 'tunnel', items);
  }

  /** An item of that message starts. */
  started(id: number, path: string): void {
    if (this.#live) this.#running.set(id, { path, sinceMs: this.#nowMs });
  }

  /** An item has its result. */
  finished(id: number): void {
    if (this.#running.size === 0) return;
    const item = this.#running.take(id);
    if (item === undefined) return;
    this.#metrics.finished(item.path, 'tunnel', this.#clock.nowMs() - item.sinceMs);
  }
}
