/**
 * The worker threads of one mesh.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { loadOtel, type Otel } from '../observe/api.ts';
import type { Random } from '../random.ts';
import type { WorkersOptions } from '../workers/options.ts';
import { Workers } from './worker-service.ts';

export interface WorkerSetsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  readonly otel: Otel | undefined;
  /** Hand trace context to the threads. */
  readonly traces: boolean;
}

/** Makes {@link Workers} and ends them all. */
export class WorkerSets {
  readonly #options: WorkerSetsOptions;
  readonly #made = new Set<Workers>();

  constructor(options: WorkerSetsOptions) {
    this.#options = options;
  }
  /** @throws ConfigError on a bad option. */
  make(options: WorkersOptions): Workers {
    const { clock, random, warn, otel, traces } = this.#options;
    const made = new Workers(options, { clock, random, warn, otel: traces ? (otel ?? loadOtel()) : undefined });
    this.#made.add(made);
    return made;
  }
  async close(drainMs: number): Promise<void> {
    await Promise.all([...this.#made].map((workers) => workers.close(drainMs)));
  }
}
