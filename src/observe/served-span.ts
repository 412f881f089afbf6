/**
 * The span of one served call while it runs: the context that its handler runs in, and its end.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Span } from '@opentelemetry/api';
import { MessageEvents } from './a72.ts';
import type { TracerSource } from './api.ts';
import { isForeign } from './foreign.ts';
import { isServerError, KIND_SERVER, RESPONSE_METADATA, RPC_SYSTEM } from './names.ts';
import type { ResolvedTracing } from './options.ts';
import { type Carried, shownMetadata } from './propagation.ts';
import { type QueueName, recordWait, type WaitLog } from './queue-span.ts';
import { type CallEnd, cancelledCode, describeEnd } from './span-end.ts';

/** One served call. */
export class ServedCall implements WaitLog {
  readonly #options: ResolvedTracing;
  readonly #tracer: TracerSource;
  readonly #context: Context | undefined;
  #span: Span | (() => Span) | undefined;
  #messages: MessageEvents | undefined;

  /**
   * @param context - What the handler runs in; undefined: what is active.
   * @param span - As a function: another's span is expected, ours is made if it does not show up. Undefined: nothing is recorded.
   */
  constructor(options: ResolvedTracing, tracer: TracerSource, context: Context | undefined, span: Span | (() => Span) | undefined) {
    this.#options = options;
    this.#tracer = tracer;
    this.#context = context;
    this.#span = span;
  }

  /** True while the end is waited for. */
  get open(): boolean {
    return this.#span !== undefined;
  }
  get #own(): Span | undefined {
    return typeof this.#span === 'function' ? undefined : this.#span;
  }

  /** Calls `hook` on `self` in the call's context. */
  run<S, A>(hook: (this: S, argument: A) => void, self: S, argument: A): void {
    if (this.#context === undefined) hook.call(self, argument);
    else this.#options.otel.context.with(this.#context, hook, self, argument);
  }

  /** Response metadata goes out. */
  metadata(metadata: Carried): void {
    const { responseMetadata } = this.#options;
    if (responseMetadata.length === 0) return;
    const shown = shownMetadata(metadata, responseMetadata, RESPONSE_METADATA);
    if (shown !== undefined) this.#own?.setAttributes(shown);
  }
  /** A message goes out. */
  sent(message: unknown): void {
    const span = this.#own;
    if (span === undefined) return;
    this.#messages ??= new MessageEvents();
    this.#messages.outbound(span, message);
  }
  /** A message has come. */
  received(message: unknown): void {
    const span = this.#own;
    if (span === undefined) return;
    this.#messages ??= new MessageEvents();
    this.#messages.inbound(span, message);
  }
  waited(queue: QueueName, sinceMs: number): void {
    const { clock } = this.#options;
    if (this.#own === undefined || this.#context === undefined) return;
    const toMs = clock.wallMs();
    recordWait(this.#tracer.tracer, this.#context, queue, toMs - (clock.nowMs() - sinceMs), toMs);
  }

  /** The status goes out. Only the first end counts. */
  end(end: CallEnd): void {
    const span = this.#span;
    this.#span = undefined;
    if (typeof span === 'function') this.#endBeside(span, end);
    else if (span !== undefined) this.#finish(span, end);
  }

  /** Cancelled or out of time, without a status. Where another instrumentation is at work, its own span tells. */
  cancelled(deadlineMs: number, peer: string): void {
    const code = cancelledCode(deadlineMs, this.#options.clock);
    if (typeof this.#span === 'function') this.#span = undefined;
    else this.end({ code, error: isServerError(code), peer });
  }

  #endBeside(make: () => Span, end: CallEnd): void {
    const { otel, names } = this.#options;
    const active = otel.trace.getSpan(otel.context.active());
    if (active === undefined || !isForeign(active, KIND_SERVER)) {
      this.#finish(make(), end);
      return;
    }
    if (!active.isRecording()) return; // that of a unary call is over as soon as the handler answers
    if (names !== 'grpc') active.setAttribute(RPC_SYSTEM, 'grpc');
    describeEnd(active, end, this.#options);
  }
  #finish(span: Span, end: CallEnd): void {
    describeEnd(span, end, this.#options);
    span.end();
  }
}

/** Calls `hook` on `self` in the call's context. */
export function runIn<S, A>(call: ServedCall | undefined, hook: (this: S, argument: A) => void, self: S, argument: A): void {
  if (call === undefined) hook.call(self, argument);
  else call.run(hook, self, argument);
}
