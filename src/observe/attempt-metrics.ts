/**
 * Metrics of attempts by gRPC's names (gRFC A66): made only where somebody asked for them.
 *
 * @packageDocumentation
 */
import { A66, GrpcInstruments, type GrpcLabels, GrpcLabelTable } from './a66.ts';
import type { ResolvedMetrics } from './options.ts';

/** Attempts of a client. */
export class AttemptMetrics {
  readonly #instruments: GrpcInstruments<'started' | 'attempt' | 'sent' | 'received'> | undefined;
  readonly #table: GrpcLabelTable;
  readonly #always: boolean;

  constructor(options: ResolvedMetrics) {
    const { started, attempt, sent, received } = A66;
    this.#instruments = options.names === 'semconv' ? undefined : new GrpcInstruments(options, { started, attempt, sent, received });
    this.#always = options.retryMetrics;
    this.#table = new GrpcLabelTable(options);
  }
  /** True when somebody listens, or retries are to be counted. */
  get live(): boolean {
    return this.#always || this.#instruments?.live === true;
  }
  labels(target: string, path: string, registered: boolean): GrpcLabels {
    return this.#table.get(target, path, registered);
  }
  began(labels: GrpcLabels): void {
    this.#instruments?.record('started', 1, labels.base);
  }
  /** `sent`, `received`: bytes of messages; undefined where messages are no bytes. */
  ended(labels: GrpcLabels, code: number, durationMs: number, sent: number | undefined, received: number | undefined): void {
    const instruments = this.#instruments;
    if (instruments === undefined) return;
    const attributes = labels.of(code);
    instruments.record('attempt', Math.max(0, durationMs) / 1000, attributes);
    if (sent !== undefined) instruments.record('sent', sent, attributes);
    if (received !== undefined) instruments.record('received', received, attributes);
  }
}
