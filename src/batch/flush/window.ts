/**
 * A fixed linger from the first item on, as Kafka's `linger.ms` or Apollo's BatchLink. Every item of a quiet time pays it.
 *
 * @packageDocumentation
 */
import type { FlushPolicy, QueueView } from './flush-policy.ts';

export class WindowPolicy implements FlushPolicy {
  readonly limit: number;
  readonly #lingerMs: number;

  /** @param lingerMs - From the first item, > 0. */
  constructor(lingerMs: number, limit: number) {
    this.#lingerMs = lingerMs;
    this.limit = limit;
  }

  waitUntil(queue: QueueView): number {
    return queue.sinceMs + this.#lingerMs;
  }
}
