/**
 * The span of a served call, or of one item of a batch: the same for both, but that an item also says which it was and
 * links to its carrier.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Attributes, Context, Span, SpanOptions } from '@opentelemetry/api';
import { TracerSource } from './api.ts';
import { BATCH_INDEX, BATCH_SIZE, KIND_SERVER, NO_TRACE, REQUEST_METADATA } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, Propagation, shownMetadata } from './propagation.ts';
import { ServedCall } from './served-span.ts';
import { SpanStarts } from './span-start.ts';

/** Which item of which batch. */
export interface BatchItem {
  readonly index: number;
  readonly size: number;
}

/** Makes the spans of served calls. */
export class ServerSpans {
  readonly tracer: TracerSource;
  readonly #options: ResolvedTracing;
  readonly #starts: SpanStarts;
  readonly #propagation: Propagation;

  constructor(options: ResolvedTracing) {
    this.#options = options;
    this.tracer = new TracerSource(options.otel);
    this.#starts = new SpanStarts(options, 'Recv');
    this.#propagation = new Propagation(options);
  }

  /** False while there is nothing to record and nothing to hand on, whatever the call. */
  get live(): boolean {
    return this.tracer.live;
  }
  /** True where spans tell of their messages (A72). */
  get detailed(): boolean {
    return this.#options.names !== 'semconv';
  }

  /**
   * Begins the trace of a call whose metadata is here; undefined when there is nothing to record and nothing to hand on.
   * The span's parent is what the metadata says and nothing else; an item links to the span that is active, its carrier's.
   */
  start(path: string, metadata: Carried, item: BatchItem | undefined): ServedCall | undefined {
    const { otel } = this.#options;
    const parent = this.#propagation.extract(metadata);
    const span = this.#open(path, metadata, item, parent, undefined);
    if (span.isRecording()) return new ServedCall(this.#options, this.tracer, otel.trace.setSpan(parent, span), span);
    const valid = span.spanContext().traceId !== NO_TRACE;
    // An item is started inside its carrier's context, which is not its own: then ROOT_CONTEXT has to be entered.
    if (!valid && parent === otel.ROOT_CONTEXT && (item === undefined || otel.context.active() === parent)) return undefined;
    return new ServedCall(this.#options, this.tracer, valid ? otel.trace.setSpan(parent, span) : parent, undefined);
  }

  /**
   * The same where another instrumentation opens a span around every handler: that one is enriched at the end, and ours is
   * made (with its true start) only for a call that was refused before its handler.
   */
  startBeside(path: string, metadata: Carried): ServedCall {
    const startTime = this.#options.clock.wallMs();
    return new ServedCall(this.#options, this.tracer, undefined, () =>
      this.#open(path, metadata, undefined, this.#propagation.extract(metadata), startTime),
    );
  }

  #open(path: string, metadata: Carried, item: BatchItem | undefined, parent: Context, startTime: number | undefined): Span {
    const { requestMetadata } = this.#options;
    const start = this.#starts.of(path);
    const attributes: Attributes = { ...start.attributes };
    if (requestMetadata.length > 0) Object.assign(attributes, shownMetadata(metadata, requestMetadata, REQUEST_METADATA));
    const options: SpanOptions = { kind: KIND_SERVER, attributes };
    if (item !== undefined) {
      attributes[BATCH_INDEX] = item.index;
      attributes[BATCH_SIZE] = item.size;
      const carrier = this.#activeSpanContext();
      if (carrier !== undefined && this.#options.maxLinks > 0) options.links = [{ context: carrier }];
    }
    if (startTime !== undefined) options.startTime = startTime;
    return this.tracer.tracer.startSpan(start.name, options, parent);
  }

  #activeSpanContext(): ReturnType<Span['spanContext']> | undefined {
    const { otel } = this.#options;
    const context = otel.trace.getSpan(otel.context.active())?.spanContext();
    return context === undefined || context.traceId === NO_TRACE ? undefined : context;
  }
}
