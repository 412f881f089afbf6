/**
 * The span of a carrier: the one RPC that transports several calls. It belongs to no caller's trace, so it starts a trace of
 * its own and is linked with its items both ways.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Link, Span } from '@opentelemetry/api';
import { TracerSource } from './api.ts';
import type { CallRecord } from './call-record.ts';
import { BATCH_SIZE, isClientError, isServerError, KIND_CLIENT, KIND_SERVER, NO_TRACE } from './names.ts';
import { type ResolvedTracing, resolveTracing, type TracingOptions } from './options.ts';
import { type Carried, Propagation } from './propagation.ts';
import { describeEnd } from './span-end.ts';
import { SpanStarts, TargetStarts } from './span-start.ts';

/** An open carrier span. */
export interface CarrierSpan {
  /** The carrier's metadata with its trace context; a clone if anything was added. */
  inject<M extends Carried>(metadata: M): M;
  /** The carrier is over. Only the first call counts. `peer`: as `getPeer` says it. */
  end(code: number, peer: string): void;
}

/**
 * Opens the span of a carrier that goes out now. `path` is the carrier's own, `/pkg.Svc/MethodInmeshBatch`; `items` are the
 * `CallInfo.record`s of all its items, undefined for those not sampled. Undefined when there is nothing to show: a lone item,
 * no sampled item, no SDK.
 */
export type StartCarrierSpan = (path: string, target: string, items: readonly (CallRecord | undefined)[]) => CarrierSpan | undefined;

/** The server's end of a carrier. */
export interface ServedCarrier {
  /** Runs `fn`, which starts the items, so that their spans link to the carrier's. Not for what comes later. */
  run<T>(fn: () => T): T;
  /** The carrier is over. Only the first call counts. */
  end(code: number): void;
}

/**
 * Opens the server's span of a carrier. Takes the carrier's own trace context out of `metadata`, for no item may inherit it.
 * Undefined when the carrier is not sampled.
 */
export type StartServedCarrier = (
  path: string,
  metadata: Carried & { remove(key: string): void },
  size: number,
  peer: string,
) => ServedCarrier | undefined;

/** Makes the server's carrier spans. @throws ConfigError on a bad option. */
export function servedCarrierSpans(options?: TracingOptions): StartServedCarrier {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return () => undefined;
  const { otel } = resolved;
  const source = new TracerSource(otel);
  const starts = new SpanStarts(resolved, 'Recv');
  const propagation = new Propagation(resolved);
  return (path, metadata, size, peer) => {
    const parent = propagation.extract(metadata);
    if (otel.trace.getSpan(parent) === undefined) return undefined;
    propagation.strip(metadata);
    const { name, attributes } = starts.of(path);
    const span = source.tracer.startSpan(name, { kind: KIND_SERVER, attributes: { ...attributes, [BATCH_SIZE]: size } }, parent);
    if (!span.isRecording()) return undefined;
    const context = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
    const end = ender(span, isServerError, resolved);
    return { run: (fn) => otel.context.with(context, fn), end: (code) => end(code, peer) };
  };
}

/** Makes carrier spans. @throws ConfigError on a bad option. */
export function carrierSpans(options?: TracingOptions): StartCarrierSpan {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return () => undefined;
  const { otel, maxLinks } = resolved;
  const source = new TracerSource(otel);
  const starts = new TargetStarts(resolved);
  const propagation = new Propagation(resolved);
  return (path, target, items) => {
    if (items.length < 2) return undefined;
    const links: Link[] = [];
    let traced = false;
    for (const item of items) {
      if (item === undefined) continue;
      traced = true;
      if (links.length >= maxLinks) break;
      links.push({ context: item.span.spanContext() });
    }
    if (!traced) return undefined;
    const { name, attributes } = starts.of(target, path);
    const own = { ...attributes, [BATCH_SIZE]: items.length };
    const span = source.tracer.startSpan(name, { kind: KIND_CLIENT, attributes: own, links }, otel.ROOT_CONTEXT);
    const spanContext = span.spanContext();
    if (spanContext.traceId === NO_TRACE) return undefined;
    for (const item of items) {
      item?.span.setAttribute(BATCH_SIZE, items.length);
      if (span.isRecording() && maxLinks > 0) item?.span.addLink({ context: spanContext });
    }
    const context: Context = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
    return { inject: (metadata) => propagation.injected(context, metadata), end: ender(span, isClientError, resolved) };
  };
}

function ender(span: Span, isError: (code: number) => boolean, options: ResolvedTracing): CarrierSpan['end'] {
  let ended = false;
  return (code, peer) => {
    if (ended) return;
    ended = true;
    describeEnd(span, { code, error: isError(code), peer }, options);
    span.end();
  };
}
