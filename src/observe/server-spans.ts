/**
 * The span of a served call, or of one item of a batch: the same for both, but that an item also says which it was and
 * links to its carrier.
 *
 * @packageDocumentation
 */
import type { Attributes, Context, Link, Span } from '@opentelemetry/api';
import { type Otel, TracerSource } from './api.ts';
import { isForeign } from './foreign.ts';
import {
  BATCH_INDEX,
  BATCH_SIZE,
  isServerError,
  KIND_SERVER,
  REQUEST_METADATA,
  RESPONSE_METADATA,
  RPC_METHOD,
  RPC_SYSTEM,
  rpcMethod,
} from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, extract, shownMetadata } from './propagation.ts';
import { type CallEnd, cancelledCode, describeEnd } from './span-end.ts';

/** Which item of which batch. */
export interface BatchItem {
  readonly index: number;
  readonly size: number;
}

/** Makes the spans of served calls. */
export class ServerSpans {
  readonly #options: ResolvedTracing;
  readonly #tracer: TracerSource;

  constructor(options: ResolvedTracing) {
    this.#options = options;
    this.#tracer = new TracerSource(options.otel);
  }

  /** False while there is nothing to record and nothing to hand on, whatever the call. */
  get live(): boolean {
    return this.#tracer.live;
  }

  /**
   * Begins the trace of a call whose metadata is here; undefined when there is nothing to record and nothing to hand on.
   * The span's parent is what the metadata says and nothing else; an item links to the span that is active, its carrier's.
   */
  start(path: string, metadata: Carried, item: BatchItem | undefined): ServedCall | undefined {
    const { otel } = this.#options;
    const parent = extract(otel, metadata);
    const span = this.#open(path, metadata, item, parent, undefined);
    if (span.isRecording()) return new ServedCall(this.#options, otel.trace.setSpan(parent, span), span);
    const valid = otel.trace.isSpanContextValid(span.spanContext());
    // An item is started inside its carrier's context, which is not its own: then ROOT_CONTEXT has to be entered.
    if (!valid && parent === otel.ROOT_CONTEXT && (item === undefined || otel.context.active() === parent)) return undefined;
    return new ServedCall(this.#options, valid ? otel.trace.setSpan(parent, span) : parent, undefined);
  }

  /**
   * The same where another instrumentation opens a span around every handler: that one is enriched at the end, and ours is
   * made (with its true start) only for a call that was refused before its handler.
   */
  startBeside(path: string, metadata: Carried): ServedCall {
    const startTime = this.#options.clock.wallMs();
    return new ServedCall(this.#options, undefined, () =>
      this.#open(path, metadata, undefined, extract(this.#options.otel, metadata), startTime),
    );
  }

  #open(path: string, metadata: Carried, item: BatchItem | undefined, parent: Context, startTime: number | undefined): Span {
    const { otel, requestMetadata } = this.#options;
    const attributes: Attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod(path) };
    if (requestMetadata.length > 0) Object.assign(attributes, shownMetadata(metadata, requestMetadata, REQUEST_METADATA));
    let links: Link[] = [];
    if (item !== undefined) {
      attributes[BATCH_INDEX] = item.index;
      attributes[BATCH_SIZE] = item.size;
      links = linksTo(otel, otel.trace.getSpan(otel.context.active()));
    }
    const options =
      startTime === undefined ? { kind: KIND_SERVER, attributes, links } : { kind: KIND_SERVER, attributes, links, startTime };
    return this.#tracer.tracer.startSpan(rpcMethod(path), options, parent);
  }
}

/** One served call. */
export class ServedCall {
  readonly #options: ResolvedTracing;
  readonly #context: Context | undefined;
  #span: Span | (() => Span) | undefined;

  /** `span` as a function: another's span is expected, ours is made if it does not show up. */
  constructor(options: ResolvedTracing, context: Context | undefined, span: Span | (() => Span) | undefined) {
    this.#options = options;
    this.#context = context;
    this.#span = span;
  }

  /** True while the end is waited for. */
  get open(): boolean {
    return this.#span !== undefined;
  }

  /** Calls `hook` on `self` in the call's context. */
  run<S, A>(hook: (this: S, argument: A) => void, self: S, argument: A): void {
    if (this.#context === undefined) hook.call(self, argument);
    else this.#options.otel.context.with(this.#context, hook, self, argument);
  }

  /** Response metadata goes out. */
  metadata(metadata: Carried): void {
    const { responseMetadata } = this.#options;
    if (responseMetadata.length === 0 || this.#span === undefined || typeof this.#span === 'function') return;
    const shown = shownMetadata(metadata, responseMetadata, RESPONSE_METADATA);
    if (shown !== undefined) this.#span.setAttributes(shown);
  }

  /** The status goes out. Only the first end counts. */
  end(end: CallEnd): void {
    const span = this.#span;
    this.#span = undefined;
    if (typeof span === 'function') this.#endBeside(span, end);
    else if (span !== undefined) finish(span, end);
  }

  /** Cancelled or out of time, without a status. Where another instrumentation is at work, its own span tells. */
  cancelled(deadlineMs: number, peer: string): void {
    const code = cancelledCode(deadlineMs, this.#options.clock);
    if (typeof this.#span === 'function') this.#span = undefined;
    else this.end({ code, error: isServerError(code), peer });
  }

  #endBeside(make: () => Span, end: CallEnd): void {
    const { otel } = this.#options;
    const active = otel.trace.getSpan(otel.context.active());
    if (active !== undefined && isForeign(active, KIND_SERVER)) {
      if (!active.isRecording()) return; // that of a unary call is over as soon as the handler answers
      active.setAttribute(RPC_SYSTEM, 'grpc');
      describeEnd(active, end);
    } else finish(make(), end);
  }
}

/** Calls `hook` on `self` in the call's context. */
export function runIn<S, A>(call: ServedCall | undefined, hook: (this: S, argument: A) => void, self: S, argument: A): void {
  if (call === undefined) hook.call(self, argument);
  else call.run(hook, self, argument);
}

function finish(span: Span, end: CallEnd): void {
  describeEnd(span, end);
  span.end();
}

function linksTo(otel: Otel, span: Span | undefined): Link[] {
  const context = span?.spanContext();
  return context !== undefined && otel.trace.isSpanContextValid(context) ? [{ context }] : [];
}
