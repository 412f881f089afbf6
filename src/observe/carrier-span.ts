/**
 * The span of a carrier: the one RPC that transports several calls. It belongs to no caller's trace, so it starts a trace of
 * its own and is linked with its items both ways.
 *
 * @packageDocumentation
 */
import type { Context, Link, Span } from '@opentelemetry/api';
import { serverAttributes } from './address.ts';
import { TracerSource } from './api.ts';
import type { CallRecord } from './call-record.ts';
import { BATCH_SIZE, isClientError, isServerError, KIND_CLIENT, KIND_SERVER, RPC_METHOD, RPC_SYSTEM, rpcMethod } from './names.ts';
import { resolveTracing, type TracingOptions } from './options.ts';
import { type Carried, extract, inject, strip } from './propagation.ts';
import { describeEnd } from './span-end.ts';

/** The SDK's default for links of one span (`OTEL_SPAN_LINK_COUNT_LIMIT`). */
const MAX_LINKS = 128;

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
  return (path, metadata, size, peer) => {
    const parent = extract(otel, metadata);
    if (otel.trace.getSpan(parent) === undefined) return undefined;
    strip(otel, metadata);
    const attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod(path), [BATCH_SIZE]: size };
    const span = source.tracer.startSpan(rpcMethod(path), { kind: KIND_SERVER, attributes }, parent);
    if (!span.isRecording()) return undefined;
    const context = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
    const end = ender(span, isServerError);
    return { run: (fn) => otel.context.with(context, fn), end: (code) => end(code, peer) };
  };
}

/** Makes carrier spans. @throws ConfigError on a bad option. */
export function carrierSpans(options?: TracingOptions): StartCarrierSpan {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return () => undefined;
  const { otel } = resolved;
  const source = new TracerSource(otel);
  return (path, target, items) => {
    if (items.length < 2) return undefined;
    const links: Link[] = [];
    for (const item of items) {
      if (item !== undefined && links.length < MAX_LINKS) links.push({ context: item.span.spanContext() });
    }
    if (links.length === 0) return undefined;
    const attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod(path), [BATCH_SIZE]: items.length, ...serverAttributes(target) };
    const span = source.tracer.startSpan(rpcMethod(path), { kind: KIND_CLIENT, attributes, links }, otel.ROOT_CONTEXT);
    const spanContext = span.spanContext();
    if (!otel.trace.isSpanContextValid(spanContext)) return undefined;
    for (const item of items) {
      item?.span.setAttribute(BATCH_SIZE, items.length);
      if (span.isRecording()) item?.span.addLink({ context: spanContext });
    }
    const context: Context = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
    return { inject: (metadata) => inject(otel, context, metadata), end: ender(span, isClientError) };
  };
}

function ender(span: Span, isError: (code: number) => boolean): CarrierSpan['end'] {
  let ended = false;
  return (code, peer) => {
    if (ended) return;
    ended = true;
    describeEnd(span, { code, error: isError(code), peer });
    span.end();
  };
}
