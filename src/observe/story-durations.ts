/**
 * The durations of a mesh's calls, taken from their stories: a call needs no layer for them.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { CALLED, calledLabels, Durations, type MethodLabels, SERVED, servedLabels } from './durations.ts';
import type { MethodTable, TargetTable } from './method-table.ts';
import { type MetricsOptions, type ResolvedMetrics, resolveMetrics } from './options.ts';
import type { ReadingSource } from './own-gauges.ts';
import type { CallStory } from './story.ts';

/** What policy says of metrics. */
export interface MetricsRules extends MetricsOptions {
  readonly metrics: boolean;
}

/** Whether calls and attempts need layers for metrics: gRPC's names ask for what a story does not have. */
export function needsLayers({ metrics, names = 'semconv', retryMetrics = false }: MetricsRules): boolean {
  return metrics && (names !== 'semconv' || retryMetrics);
}

/** Both sides of one mesh. */
export class StoryDurations {
  readonly #called: Durations;
  readonly #served: Durations;
  readonly #calledLabels: TargetTable<MethodLabels>;
  readonly #servedLabels: MethodTable<MethodLabels>;

  constructor(options: ResolvedMetrics, source?: ReadingSource) {
    this.#called = new Durations(options, CALLED, source);
    this.#served = new Durations(options, SERVED, source);
    this.#calledLabels = calledLabels(options, CALLED);
    this.#servedLabels = servedLabels(options, SERVED);
  }

  /** A call is over. Nothing is done while nobody listens. */
  ended({ side, path, target, code = Code.UNKNOWN, heldMs }: CallStory, durationMs: number): void {
    if (side === 'client') {
      if (this.#called.live) this.#called.record(this.#calledLabels.at(target).get(path), code, durationMs, heldMs);
    } else if (this.#served.live) this.#served.record(this.#servedLabels.get(path), code, durationMs, heldMs);
  }
}

/**
 * Undefined where metrics are off, layers do it, or the OpenTelemetry API is not there.
 *
 * @param source - The mesh's own numbers, to be shown from the first call on that somebody listens to.
 */
export function storyDurations(rules: MetricsRules, source?: ReadingSource): StoryDurations | undefined {
  if (!rules.metrics || needsLayers(rules)) return undefined;
  const resolved = resolveMetrics(rules);
  return resolved && new StoryDurations(resolved, source);
}
