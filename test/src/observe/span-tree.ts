/** Spans as text, one line each, children under their parents: for tables of what a call leaves behind. */
import { type Attributes, type HrTime, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/**
 * The lines of all traces. In the order of their beginnings, but that clocks of milliseconds do not tell all: batches stand last, and
 * under one parent waits come first, then attempts by their number, then served calls. Ports and times are left out.
 */
export function spanTree(spans: readonly ReadableSpan[]): string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const inOrder = [...spans].sort((a, b) => rankOf(a) - rankOf(b) || timeOf(a.startTime) - timeOf(b.startTime));
  const lines: string[] = [];
  const tell = (span: ReadableSpan, depth: number): void => {
    lines.push(`${'  '.repeat(depth)}${lineOf(span, spans)}`);
    for (const child of inOrder) if (child.parentSpanContext?.spanId === span.spanContext().spanId) tell(child, depth + 1);
  };
  for (const span of inOrder) if (!ids.has(span.parentSpanContext?.spanId ?? '')) tell(span, 0);
  return lines;
}

function rankOf({ name, kind, attributes }: ReadableSpan): number {
  if (/Batch|batch/.test(name)) return 100;
  if (kind === SpanKind.SERVER) return 50;
  return Number(attributes['previous-rpc-attempts'] ?? -1);
}

function lineOf(span: ReadableSpan, all: readonly ReadableSpan[]): string {
  const { code, message } = span.status;
  const status = code === SpanStatusCode.UNSET ? '' : ` ${SpanStatusCode[code]}${message === undefined ? '' : `(${message})`}`;
  const events = span.events.map((event) => ` +${event.name}${braces(event.attributes ?? {})}`).join('');
  const links = span.links.map(({ context }) => ` ->${all.find((other) => other.spanContext().spanId === context.spanId)?.name ?? '?'}`);
  return `${SpanKind[span.kind]} ${span.name}${braces(span.attributes)}${status}${events}${links.join('')}`;
}

const VARIES = /\.port$|^inmesh\.batch\.wait$/;

function braces(attributes: Attributes): string {
  const entries = Object.entries(attributes).map(([name, value]) => (VARIES.test(name) ? name : `${name}=${value}`));
  return entries.length === 0 ? '' : ` {${entries.join(' ')}}`;
}

function timeOf([seconds, nanoseconds]: HrTime): number {
  return seconds * 1e9 + nanoseconds;
}
