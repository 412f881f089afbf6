/**
 * The span of one run of a batch handler. It serves many callers and belongs to no caller's trace, so it starts a trace of its
 * own and is linked with the spans of its calls both ways.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Link, Span } from '@opentelemetry/api';
import { TracerSource } from './api.ts';
import { BATCH_SIZE, isServerError, NO_TRACE, rpcMethod } from './names.ts';
import { resolveTracing, type TracingOptions } from './options.ts';
import { describeEnd } from './span-end.ts';
import { callAttributes } from './span-start.ts';

/** The span that an item was served in. */
export type ItemSpan = Span;

/** An open span of a run. */
export interface GatherSpan {
  /** Runs `fn` with the span as the active one, and nothing else of anybody's context. */
  run<T>(fn: () => T): T;
  /** The run is over, with the status that all of its calls got; OK where each has its own. */
  end(code: number): void;
}

/** Makes the spans of runs. */
export interface GatherSpans {
  /** The span of the call that is being served here. */
  current(): Span | undefined;
  /** Opens the span of a run. `path`: `/pkg.Service/Method`; `calls`: what {@link current} gave for each. Undefined: none is sampled. */
  start(path: string, calls: readonly (Span | undefined)[]): GatherSpan | undefined;
}

/** Undefined where there is no OpenTelemetry API. @throws ConfigError on a bad option. */
export function gatherSpans(options?: TracingOptions): GatherSpans | undefined {
  const resolved = resolveTracing(options);
  if (resolved === undefined) return undefined;
  const { otel, maxLinks } = resolved;
  const source = new TracerSource(otel);
  return {
    current: () => otel.trace.getSpan(otel.context.active()),
    start: (path, calls) => {
      const links: Link[] = [];
      let traced = false;
      for (const call of calls) {
        if (!call?.isRecording()) continue;
        traced = true;
        if (links.length >= maxLinks) break;
        links.push({ context: call.spanContext() });
      }
      if (!traced) return undefined;
      const method = rpcMethod(path);
      const attributes = { ...callAttributes(resolved, method), [BATCH_SIZE]: calls.length };
      const span = source.tracer.startSpan(`${method} batch`, { attributes, links }, otel.ROOT_CONTEXT);
      if (span.spanContext().traceId === NO_TRACE) return undefined;
      if (span.isRecording() && maxLinks > 0) for (const call of calls) call?.addLink({ context: span.spanContext() });
      const context = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
      return {
        run: (fn) => otel.context.with(context, fn),
        end: (code) => {
          describeEnd(span, { code, error: isServerError(code), peer: '' }, resolved);
          span.end();
        },
      };
    },
  };
}
